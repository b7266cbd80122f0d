import type { ServerResponse } from 'node:http'
import type { HotResponse } from './hot-response.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/** What a call answers, before it is on the wire. */
export type Answer = {
  readonly status: number
  /** For `Raftway-Revision`: what the write made, or what the read saw. */
  readonly revision: number
  /** Goes out as JSON; bytes go out as they are, as `contentType`. */
  readonly body: Readonly<Record<string, unknown>> | Buffer
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a whole answer. */
export function sendAnswer(response: ServerResponse | HotResponse, answer: Answer): void {
  const { body } = answer
  const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  response.statusCode = answer.status
  response.setHeader('Raftway-Revision', answer.revision)
  response.setHeader('Content-Type', answer.contentType ?? JSON_TYPE)
  response.setHeader('Content-Length', content.length)
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
  response.end(content)
}

/** Bytes of text sent between two looks at other work: about a millisecond of encoding. */
const STREAM_CHUNK_CHARS = 64 * 1024

/** One JSON object with a long array as its last member, to be encoded while it is sent. */
export type LongAnswer = {
  readonly revision: number
  /** The members before the array. */
  readonly head: Readonly<Record<string, unknown>>
  readonly member: string
  readonly items: readonly unknown[]
}

/**
 * Streams a long answer with back-pressure, and leaves room for consensus between pieces: a whole config may have
 * tens of megabytes. Resolves when all of it was handed over, or when the client went away.
 */
export async function streamAnswer(response: ServerResponse, answer: LongAnswer): Promise<void> {
  response.statusCode = 200
  response.setHeader('Raftway-Revision', answer.revision)
  response.setHeader('Content-Type', JSON_TYPE)
  const head = JSON.stringify(answer.head).slice(0, -1)
  let text = `${head}${head === '{' ? '' : ','}${JSON.stringify(answer.member)}:[`
  let separator = ''
  for (const item of answer.items) {
    text += separator + JSON.stringify(item)
    separator = ','
    if (text.length < STREAM_CHUNK_CHARS) continue
    const isTaken = response.write(text)
    text = ''
    await (isTaken ? otherWork() : drained(response))
    if (response.destroyed) return
  }
  response.end(`${text}]}`)
}

/** Resolves after what else is ready had its turn. */
export function otherWork(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Resolves when the client has taken what was written, or has gone away. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.closed || !response.writableNeedDrain) {
      resolve()
      return
    }
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
