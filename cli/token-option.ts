import { readFile } from 'node:fs/promises'
import { describeError } from '../shared/errors.ts'
import { parseToken } from '../shared/token-text.ts'
import type { OptionSpecs } from './command.ts'
import { UsageError } from './failures.ts'

/** Who calls: every client command has it, and every gateway. */
export const TOKEN_OPTIONS = {
  token: {
    type: 'string',
    describe: 'the token to call with, or @FILE; others see what stands on a command line',
  },
  'token-file': { type: 'string', describe: 'a file that holds the token' },
} as const satisfies OptionSpecs

/** What `TOKEN_OPTIONS` gives a command. */
export type TokenArguments = {
  readonly token: string | undefined
  readonly 'token-file': string | undefined
}

/** The token of `--token` or `--token-file`; null when neither is given. Throws UsageError, which never repeats it. */
export async function readToken(args: TokenArguments): Promise<string | null> {
  const { token } = args
  const file =
    token?.startsWith('@') === true
      ? token.slice(1)
      : token === undefined
        ? args['token-file']
        : undefined
  const text = file === undefined ? token : await textOf(file)
  if (text === undefined) return null
  if (parseToken(text) !== null) return text
  const place = file === undefined ? '--token' : file
  throw new UsageError(
    `${place} holds no token: one begins with "rwt_" and comes from "raftway token create"`,
  )
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new UsageError(`the token file cannot be read: ${describeError(error)}`)
  }
}
