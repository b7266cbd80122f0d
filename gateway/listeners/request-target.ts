import type { ErrorCode } from '../../shared/errors.ts'
import { TARGET_LINE_BYTES_MAX } from '../../shared/limits.ts'

/** Where a request is meant to go, taken apart. */
export type RequestTarget = {
  /** As it goes into `X-Forwarded-Host`. */
  readonly authority: string
  /** Lower case, no port, no brackets. */
  readonly host: string
  readonly path: string
  readonly query: string
}

/** Why a head cannot be served. The connection closes after it. */
export type HeadRefusal = { readonly code: ErrorCode; readonly message: string }

/**
 * Takes the target of a request line and its Host apart: origin form and absolute form (RFC 9112 3.2.1, 3.2.2; the
 * host of an absolute target wins over the field). What a gateway and a target could read differently is refused,
 * never repaired: dot segments, in whatever encoding, above all.
 */
export function readTarget(target: string, hostField: string): RequestTarget | HeadRefusal {
  if (target.length > TARGET_LINE_BYTES_MAX) {
    const message = `the request target has more than ${TARGET_LINE_BYTES_MAX} bytes`
    return { code: 'TARGET_LINE_TOO_LONG', message }
  }
  let authority = hostField
  let rest = target
  if (target.charCodeAt(0) !== 47) {
    const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target)
    if (absolute === null) return malformed('the request target is neither a path nor an http url')
    authority = absolute[1] ?? ''
    rest = absolute[2] ?? ''
    if (authority === '') return malformed('the request target names no host')
    if (rest.charCodeAt(0) !== 47) rest = `/${rest}`
  }
  if (rest.includes('#')) return malformed('the request target has a fragment')
  const host = readHost(authority)
  if (host === null) return malformed('the host is malformed')
  const question = rest.indexOf('?')
  const path = question === -1 ? rest : rest.slice(0, question)
  const query = question === -1 ? '' : rest.slice(question + 1)
  if (hasDotSegment(path)) return malformed('the path has a dot segment')
  return { authority, host, path, query }
}

/** Whether `readTarget` refused. */
export function isRefusal(read: RequestTarget | HeadRefusal): read is HeadRefusal {
  return 'code' in read
}

/**
 * The host of an authority without its port, lower case; null when it is malformed. Empty stays empty: a client may
 * say that there is none (RFC 9110 7.2).
 */
export function readHost(authority: string): string | null {
  if (authority === '') return ''
  // The usual host is digits, lower-case letters, dots and dashes, and perhaps a port.
  const parts = /^([A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?$/.exec(authority)
  const host = parts?.[1]
  if (host === undefined) return null
  const bare = host.startsWith('[') ? host.slice(1, -1) : host
  return bare.toLowerCase()
}

// A segment that is one or two dots; `;` because some servers cut path parameters off first.
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:[/;]|$)/

function hasDotSegment(path: string): boolean {
  const hasEscapes = path.includes('%') || path.includes('\\')
  if (!hasEscapes) return path.includes('/.') && DOT_SEGMENT.test(path)
  const decoded = path
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%2f|%5c|\\/gi, '/')
    .replaceAll(/%3b/gi, ';')
  return DOT_SEGMENT.test(decoded)
}

function malformed(message: string): HeadRefusal {
  return { code: 'BAD_REQUEST', message }
}
