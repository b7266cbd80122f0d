import type { IncomingMessage } from 'node:http'
import { fingerprintOf, readCertificate } from '../shared/certificate.ts'
import { RaftwayError } from '../shared/errors.ts'
import { AUTHORITY_ANSWER_BYTES_MAX, AUTHORITY_ANSWER_MS_MAX } from '../shared/limits.ts'

/**
 * Asks a node for the certificate of its cluster authority and holds it against a fingerprint: PEM, to be believed from
 * then on. Nothing is sent but the question, and whoever answers with another certificate gets nothing more:
 * PEER_REFUSED. PEER_UNREACHABLE when nobody answers.
 */
export async function fetchAuthority(origin: string, fingerprint: string): Promise<string> {
  const text = await ask(`${origin}/v1/authority`).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new RaftwayError('PEER_UNREACHABLE', `cannot reach ${origin}: ${reason}`, { cause })
  })
  const certificate = readCertificate(certificateIn(text))
  if (certificate !== null && fingerprintOf(certificate.raw) === fingerprint) {
    return certificate.toString()
  }
  const detail = `the node at ${origin} is not of the cluster that the token is of: it was told nothing`
  throw new RaftwayError('PEER_REFUSED', detail)
}

function ask(url: string): Promise<string> {
  // Loaded with the first https url: a process without one need not carry TLS.
  const { request } = process.getBuiltinModule('node:https')
  return new Promise((resolve, reject) => {
    // Who answers is judged by what it answers.
    const asked = request(url, { rejectUnauthorized: false, agent: false }, (response) => {
      collect(response).then(resolve, reject)
    })
    asked.setTimeout(AUTHORITY_ANSWER_MS_MAX, () => {
      asked.destroy(new Error(`no answer in ${AUTHORITY_ANSWER_MS_MAX} ms`))
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function collect(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of response as AsyncIterable<Buffer>) {
    text += piece.toString('utf8')
    if (text.length > AUTHORITY_ANSWER_BYTES_MAX) throw new Error('the answer is too large')
  }
  return text
}

function certificateIn(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    const { certificate } = body as { readonly certificate?: unknown }
    return typeof certificate === 'string' ? certificate : ''
  } catch {
    return '' // Not a node: no certificate.
  }
}
