import { ERROR_CODES, type ErrorCode } from '../shared/errors.ts'
import { GRPC_TIMEOUT_MS_MAX } from '../shared/limits.ts'
import type { Exchange } from './exchange.ts'

const TYPE = 'application/grpc'
const PLUS = 43
const SEMICOLON = 59

/** Whether a request is one of gRPC, whose answers end in a status of its own. gRPC-Web is not: it is plain HTTP. */
export function isGrpc(exchange: Exchange): boolean {
  if (exchange.protocol !== 'HTTP/2') return false
  const type = exchange.header('content-type')
  if (type === undefined || !type.startsWith(TYPE)) return false
  const next = type.charCodeAt(TYPE.length)
  return type.length === TYPE.length || next === PLUS || next === SEMICOLON
}

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
}

/** The time that a call of gRPC has, by its `grpc-timeout`; null when it has no bound that matters, or no good one. */
export function grpcTimeoutMs(exchange: Exchange): number | null {
  const text = exchange.header('grpc-timeout')
  if (text === undefined || text.length < 2 || text.length > 9) return null
  const unit = MS_OF_UNIT[text.at(-1) ?? '']
  if (unit === undefined) return null
  let value = 0
  for (let i = 0; i < text.length - 1; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  const ms = Math.ceil(value * unit)
  return ms > GRPC_TIMEOUT_MS_MAX ? null : ms
}

/** Codes of gRPC. */
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14

/** Where the status of HTTP does not say it all. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  UPSTREAM_BAD_RESPONSE: INTERNAL,
  UPSTREAM_PROTOCOL: UNIMPLEMENTED,
}

/** DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED and UNAUTHENTICATED beside those above. */
const BY_STATUS: Readonly<Record<number, number>> = {
  401: 16,
  403: 7,
  404: UNIMPLEMENTED,
  408: 4,
  413: 8,
  414: 8,
  429: 8,
  431: 8,
  502: UNAVAILABLE,
  503: UNAVAILABLE,
  504: 4,
}

/** An error as a call of gRPC ends with it: field lines, for a head that is all of an answer, or behind a body. */
export function grpcLines(code: ErrorCode, message: string): string {
  const status = BY_CODE[code] ?? BY_STATUS[ERROR_CODES[code].status] ?? INTERNAL
  return `grpc-status: ${status}\r\ngrpc-message: ${percentEncoded(`${code}: ${message}`)}\r\n`
}

/** Visible ASCII and spaces stay, but for `%` itself. */
function percentEncoded(text: string): string {
  return text.replaceAll(/[^ -$&-~]+/g, (part) => encodeURIComponent(part))
}
