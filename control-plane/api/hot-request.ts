import type { IncomingHttpHeaders } from 'node:http'
import { API_FAST_HEAD_BYTES_MAX } from '../../shared/limits.ts'

/** Who is at the other end of a connection. */
export type RemoteSocket = { readonly remoteAddress?: string | undefined }

/** A request that was read without the web framework: whole, its body included. */
export class HotRequest {
  readonly method: string
  /** As it came. */
  readonly url: string
  readonly path: string
  /** Names in lower case; none comes twice. */
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly socket: RemoteSocket
  readonly complete = true
  /** What the path has in the place of `{name}`. */
  params: Readonly<Record<string, string>> = {}

  constructor(parts: {
    readonly line: RequestLine
    readonly headers: IncomingHttpHeaders
    readonly body: Buffer
    readonly socket: RemoteSocket
  }) {
    const { method, url } = parts.line
    this.method = method
    this.url = url
    const query = url.indexOf('?')
    this.path = query === -1 ? url : url.slice(0, query)
    this.headers = parts.headers
    this.body = parts.body
    this.socket = parts.socket
  }
}

/** Where bytes come from. */
export type HotSource = { readonly socket: RemoteSocket; readonly bodyBytesMax: number }

type RequestLine = { readonly method: string; readonly url: string }

/** What stands at the beginning of bytes that a client sent. */
export type HotRead =
  | { readonly type: 'request'; readonly request: HotRequest; readonly end: number }
  /** The head is as it should be, and the body is not whole yet. */
  | { readonly type: 'partial'; readonly bytes: number }
  /** Nothing that this reader takes. Whether it is wrong is for node:http to say. */
  | { readonly type: 'other' }

const OTHER: HotRead = { type: 'other' }

/** The usual characters only: whoever escapes anything is read by the other reader. */
const REQUEST_LINE = /^(GET|PUT|POST|DELETE) (\/[\w.~/-]*(?:\?[\w.~=&-]*)?) HTTP\/1\.1$/
const FIELD = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*$/

/** Fields that change how a message is read or what happens to its connection. */
const UNUSUAL = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'content-encoding',
  'proxy-connection',
  'http2-settings',
])

/**
 * Reads one request with the plainest of framing: a short head that arrived at once, no field twice, a body by
 * Content-Length or none. Anything else is `other`: this reader is strict so that it can be short, and never guesses.
 */
export function readHotRequest(bytes: Buffer, from: number, source: HotSource): HotRead {
  const headEnd = bytes.indexOf('\r\n\r\n', from, 'latin1')
  if (headEnd === -1 || headEnd - from > API_FAST_HEAD_BYTES_MAX) return OTHER
  const lines = bytes.toString('latin1', from, headEnd).split('\r\n')
  const [, method, url] = REQUEST_LINE.exec(lines[0] ?? '') ?? []
  if (method === undefined || url === undefined) return OTHER
  const headers = readFields(lines)
  if (headers === null || headers.host === undefined) return OTHER
  const length = bodyLength(method, headers, source.bodyBytesMax)
  if (length === null) return OTHER
  const bodyAt = headEnd + 4
  const end = bodyAt + length
  if (end > bytes.length) return { type: 'partial', bytes: end - from }
  const body = bytes.subarray(bodyAt, end)
  return {
    type: 'request',
    request: new HotRequest({ line: { method, url }, headers, body, socket: source.socket }),
    end,
  }
}

function readFields(lines: readonly string[]): IncomingHttpHeaders | null {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (let at = 1; at < lines.length; at++) {
    const [, given, value] = FIELD.exec(lines[at] ?? '') ?? []
    if (given === undefined || value === undefined) return null
    const name = given.toLowerCase()
    if (headers[name] !== undefined || UNUSUAL.has(name)) return null
    if (name === 'connection' && value.toLowerCase() !== 'keep-alive') return null
    headers[name] = value
  }
  return headers
}

/** Null: the framing is for the other reader to judge. */
function bodyLength(method: string, headers: IncomingHttpHeaders, bytesMax: number): number | null {
  const given = headers['content-length']
  if (given === undefined) return method === 'GET' || method === 'DELETE' ? 0 : null
  if (!/^\d{1,7}$/.test(given)) return null
  const length = Number(given)
  if (length > bytesMax || (method === 'GET' && length > 0)) return null
  return length
}
