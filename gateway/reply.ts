import { ERROR_CODES, type ErrorCode } from '../shared/errors.ts'
import type { Exchange } from './exchange.ts'

/** An answer that the gateway gives by itself. */
export type Reply = {
  readonly status: number
  /** name, value, name, value … */
  readonly headers: readonly string[]
  readonly body: Uint8Array
  /** Null for an answer that is not an error. */
  readonly code: ErrorCode | null
}

/** What a stage gives: a reply ends the request, `undefined` lets it pass. */
export type StageResult = Reply | undefined

/** The reply for a code, in the form that clients rely on: `{"error":{"code","message"}}`. */
export function errorReply(code: ErrorCode, message: string): Reply {
  const body = Buffer.from(errorBody(code, message))
  const { status } = ERROR_CODES[code]
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)]
  if (status === 503) headers.push('Retry-After', '1')
  return { status, headers, body, code }
}

/** The text of an error's body. */
export function errorBody(code: ErrorCode, message: string): string {
  return `${JSON.stringify({ error: { code, message } })}\n`
}

/** Sends a reply whole. `requestId` goes with it, so that a client can name what went wrong. */
export function sendReply(exchange: Exchange, reply: Reply, requestId: string): void {
  exchange.start(reply.status, [...reply.headers, 'X-Request-Id', requestId])
  if (reply.body.length > 0 && exchange.method !== 'HEAD') exchange.write(reply.body)
  exchange.end()
}

export const NO_CONFIG = errorReply('NO_CONFIG', 'the gateway has no config yet')
export const NOT_FOUND = errorReply('NOT_FOUND', 'no route matches the request')
export const SERVER_OPTIONS: Reply = {
  status: 204,
  headers: [],
  body: new Uint8Array(0),
  code: null,
}
