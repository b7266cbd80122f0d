import { randomBytes } from 'node:crypto'
import { METHOD_BYTES_MAX } from '../../shared/limits.ts'
import { TARGET_TEXT, TOKEN } from '../http1/bytes.ts'
import type { Fields } from '../http1/fields.ts'
import type { HeadBounds } from '../http1/head-bounds.ts'
import { malformed, type Refusal } from '../http1/refusal.ts'
import { contentLength } from '../http2/content-length.ts'
import { isRefused, readFields, type RawFields } from '../http2/raw-fields.ts'
import { isRefusal, readTargetFor, type RequestTarget } from './request-target.ts'

/** The head of a request on HTTP/2, checked. */
export type Http2Request = {
  readonly method: string
  readonly target: RequestTarget
  readonly fields: Fields
  /** As `bodyLength` of an exchange. */
  readonly bodyLength: number | null
  readonly expectsContinue: boolean
  /** Asks by extended CONNECT for a stream on which WebSocket is spoken (RFC 8441). */
  readonly isWebSocket: boolean
}

const NO_METHOD = malformed('the method is no token, or too long')
const NO_CONNECT = malformed('CONNECT is not served here')
const NO_PROTOCOL = malformed('the only protocol that can be connected to is websocket')
const NO_SCHEME = malformed('the scheme is neither http nor https')
const NO_PATH = malformed('the path is malformed')
const NO_HOST = malformed('there is neither :authority nor Host')
const TWO_HOSTS = malformed(':authority and Host differ')
const BAD_LENGTH = malformed('Content-Length is no number')
const UNEXPECTED_KEY = malformed('Sec-WebSocket-Key has no place in HTTP/2')
const OTHER_EXPECTATION = malformed('the only expectation that can be met is 100-continue')

/** Whether a request was refused. */
export function isRefusedRequest(read: Http2Request | Refusal): read is Refusal {
  return 'code' in read
}

/** Reads the head of a request (RFC 9113 8.3.1). `isWhole`: nothing comes behind it. */
export function readHttp2Request(
  raw: RawFields,
  isWhole: boolean,
  bounds: HeadBounds,
): Http2Request | Refusal {
  const pseudo = pseudoFields(raw)
  const { method, scheme } = pseudo
  if (!isMethod(method)) return NO_METHOD
  const isWebSocket = method === 'CONNECT' && pseudo.protocol === 'websocket'
  if (method === 'CONNECT' && !isWebSocket) {
    return pseudo.protocol === null ? NO_CONNECT : NO_PROTOCOL
  }
  if (pseudo.path.length > bounds.targetBytesMax) return bounds.longTarget
  if (scheme !== 'http' && scheme !== 'https') return NO_SCHEME
  const fields = readFields(isWebSocket ? withHandshake(raw) : raw, bounds)
  if (isRefused(fields)) return fields
  if (isWebSocket && hasTwoKeys(fields)) return UNEXPECTED_KEY
  const target = targetOf(pseudo, fields)
  if (isRefusal(target)) return target
  const expectation = fields.get('expect')
  if (expectation !== undefined && expectation.toLowerCase() !== '100-continue') {
    return OTHER_EXPECTATION
  }
  const length = contentLength(fields)
  if (length === null) return BAD_LENGTH
  const bodyLength = isWebSocket || isWhole ? 0 : (length ?? null)
  return {
    method: isWebSocket ? 'GET' : method,
    target,
    fields,
    bodyLength,
    expectsContinue: expectation !== undefined && bodyLength !== 0,
    isWebSocket,
  }
}

type PseudoFields = {
  method: string
  scheme: string
  path: string
  authority: string | null
  protocol: string | null
}

/** Each is there at most once, and before all others: nghttp2 lets no other head through. */
function pseudoFields(raw: RawFields): PseudoFields {
  const found: PseudoFields = { method: '', scheme: '', path: '', authority: null, protocol: null }
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const value = raw[i + 1] ?? ''
    switch (raw[i]) {
      case ':method':
        found.method = value
        break
      case ':scheme':
        found.scheme = value
        break
      case ':path':
        found.path = value
        break
      case ':authority':
        found.authority = value
        break
      case ':protocol':
        found.protocol = value
        break
      default:
        break
    }
  }
  return found
}

function targetOf(pseudo: PseudoFields, fields: Fields): RequestTarget | Refusal {
  const { path, method } = pseudo
  const host = fields.get('host')
  const authority = pseudo.authority ?? host ?? ''
  if (authority === '') return NO_HOST
  // RFC 9113 8.3.1: whoever reads the one must not be told something else than who reads the other.
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return TWO_HOSTS
  // Only here may the target stand without a path; the absolute form belongs to HTTP/1.1.
  const isStar = path === '*' && method === 'OPTIONS'
  if (path.charCodeAt(0) !== 47 && !isStar) return NO_PATH
  for (let i = 0; i < path.length; i++) {
    if (TARGET_TEXT[path.charCodeAt(i)] !== 1) return NO_PATH
  }
  // An extended CONNECT stands for the GET of HTTP/1.1. A path has no scheme, and that of the head is not believed: some proxies
  // write https whatever they speak.
  const line = { target: path, host: authority }
  return readTargetFor(method === 'CONNECT' ? 'GET' : method, line, 'any')
}

function isMethod(method: string): boolean {
  for (let i = 0; i < method.length; i++) {
    if (TOKEN[method.charCodeAt(i)] !== 1) return false
  }
  return method !== '' && method.length <= METHOD_BYTES_MAX
}

/** The key that HTTP/1.1 asks of a client (RFC 6455 4.1) has no counterpart in HTTP/2: the gateway is the client there. */
function withHandshake(raw: RawFields): RawFields {
  return [...raw, 'sec-websocket-key', randomBytes(16).toString('base64')]
}

/** The client has sent one too. */
function hasTwoKeys(fields: Fields): boolean {
  return fields.get('sec-websocket-key')?.includes(',') === true
}
