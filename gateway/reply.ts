import { ERROR_CODES, type ErrorCode } from '../shared/errors.ts'
import type { Exchange } from './exchange.ts'
import { grpcLines, isGrpc } from './grpc.ts'
import { httpDate } from './http-date.ts'

/** An answer that the gateway gives by itself. */
export type Reply = {
  readonly status: number
  /** Field lines, each with its CRLF; without a length. */
  readonly lines: string
  readonly body: Buffer
  /** Null for an answer that is not an error. */
  readonly code: ErrorCode | null
  /** What is said of an error beside its code. */
  readonly message?: string
}

/** What a stage gives: a reply ends the request, `undefined` lets it pass. A promise only when it really waits. */
export type StageResult = Reply | undefined | Promise<Reply | undefined>

/** What every error has until it is known in which form the client wants it. */
export const JSON_LINE = 'Content-Type: application/json\r\n'

/** The reply for a code, in the form that clients rely on: `{"error":{"code","message"}}`. */
export function errorReply(code: ErrorCode, message: string): Reply {
  const body = Buffer.from(`${JSON.stringify({ error: { code, message } })}\n`)
  const { status } = ERROR_CODES[code]
  const retryAfter = status === 503 ? 'Retry-After: 1\r\n' : ''
  return { status, lines: JSON_LINE + retryAfter, body, code, message }
}

/** Sends a reply whole. `requestId` goes with it, so that a client can name what went wrong. */
export function sendReply(exchange: Exchange, reply: Reply, requestId: string): void {
  const { status, body, code } = reply
  if (code !== null && isGrpc(exchange)) {
    // An answer of gRPC without a message is one head, which says all (gRPC over HTTP/2, Trailers-Only).
    const lines = `Content-Type: application/grpc\r\n${grpcLines(code, reply.message ?? '')}`
    exchange.start(200, replyLines({ ...reply, lines }, requestId), null)
    exchange.end()
    return
  }
  exchange.start(status, replyLines(reply, requestId), status === 204 ? null : body.length)
  if (body.length > 0 && exchange.method !== 'HEAD') exchange.write(body, 0, body.length)
  exchange.end()
}

/** The field lines of a reply as it is sent now. */
export function replyLines(reply: Reply, requestId: string): string {
  return `${reply.lines}X-Request-Id: ${requestId}\r\nDate: ${httpDate()}\r\n`
}

export const NO_CONFIG = errorReply('NO_CONFIG', 'the gateway has no config yet')
export const NOT_FOUND = errorReply('NOT_FOUND', 'no route matches the request')
export const BODY_TOO_LARGE = errorReply(
  'BODY_TOO_LARGE',
  'the request body is larger than the route takes',
)
export const SERVER_OPTIONS: Reply = {
  status: 204,
  lines: '',
  body: Buffer.alloc(0),
  code: null,
}
