import { readFile } from 'node:fs/promises'
import { fetchAuthority } from '../client/pinned-authority.ts'
import { describeError, isRaftwayError } from '../shared/errors.ts'
import { parseToken } from '../shared/token-text.ts'
import { EXIT } from './exit-codes.ts'
import { ApiProblem, CommandFailure, UsageError } from './failures.ts'

/**
 * Whom to believe over https, PEM: the file of `--ca`; else the cluster authority that the token's fingerprint names, asked
 * for at the nodes in turn; null for whom the system believes. UsageError, UNREACHABLE, or a failure when a node is of
 * another cluster: the token is not shown to it.
 */
export async function readTrust(given: {
  readonly ca: string | undefined
  readonly token: string | null
  readonly urls: readonly string[]
}): Promise<string | null> {
  const { ca, token, urls } = given
  if (ca !== undefined) return await textOf(ca)
  const fingerprint = token === null ? '' : (parseToken(token)?.fingerprint ?? '')
  const secure = urls.filter((url) => url.startsWith('https:'))
  if (fingerprint === '' || secure.length === 0) return null
  let last = ''
  for (const url of secure) {
    try {
      return await fetchAuthority(url, fingerprint)
    } catch (error) {
      last = describeError(error)
      if (!isRaftwayError(error, 'PEER_UNREACHABLE'))
        throw new CommandFailure(EXIT.denied, last, error)
    }
  }
  throw new ApiProblem({ code: 'UNREACHABLE', status: 0, detail: last })
}

/** The file of `--ca`. */
export async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`the file of --ca cannot be read: ${describeError(error)}`)
  }
}
