import type { Agent } from 'node:http'
import { controlRequest } from './control-request.ts'

/** Bytes of a refusal that are told. */
const REFUSAL_CHARS_MAX = 1_024

/** Asks a node, and resolves with its answer in JSON. Rejects with what the node refuses with, or what broke. */
export function postJson(
  node: { readonly origin: string; readonly agent: Agent; readonly token: string | null },
  call: {
    readonly path: string
    readonly body: unknown
    readonly silenceMs: number
    readonly answerBytesMax: number
  },
): Promise<unknown> {
  const body = Buffer.from(JSON.stringify(call.body))
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const request = controlRequest({
    ...node,
    path: call.path,
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Content-Length': body.length },
    silenceMs: call.silenceMs,
  })
  request.on('error', reject)
  request.on('response', (response) => {
    const pieces: Buffer[] = []
    let size = 0
    response.on('data', (piece: Buffer) => {
      size += piece.length
      if (size <= call.answerBytesMax) pieces.push(piece)
      else request.destroy(new Error('the answer is too large'))
    })
    response.on('error', reject)
    response.on('end', () => {
      const text = Buffer.concat(pieces).toString()
      const status = response.statusCode ?? 0
      if (status === 200) resolve(parsed(text))
      else reject(new Error(`${status} ${text.slice(0, REFUSAL_CHARS_MAX)}`))
    })
  })
  request.end(body)
  return promise
}

/** Whatever is no JSON is nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
