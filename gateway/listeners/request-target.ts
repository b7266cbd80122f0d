import { malformed, type Refusal } from '../http1/refusal.ts'

/** Where a request is meant to go, taken apart. */
export type RequestTarget = {
  /** As it goes into `X-Forwarded-Host`. */
  readonly authority: string
  /** Lower case, no port, no brackets. */
  readonly host: string
  readonly path: string
  readonly query: string
}

const SLASH = 47
const COLON = 58
const NO_CONNECT = malformed('CONNECT is not served here')
const NO_URL = malformed('the request target is neither a path nor an http url')
const OTHER_HOST = malformed('the request target and Host name different hosts')
const OTHER_SCHEME: Refusal = {
  code: 'MISDIRECTED_REQUEST',
  message: 'the request target has another scheme than the connection',
}
const NO_AUTHORITY = malformed('the request target names no host')
const FRAGMENT = malformed('the request target has a fragment')
const BAD_HOST = malformed('the host is malformed')
const DOTS = malformed('the path has a dot segment')

/** What a connection speaks; `any`: its peer is a proxy that is trusted to know what its client spoke. */
export type Scheme = 'http' | 'https' | 'any'

/** The head that a target is read from. */
type Line = {
  readonly target: string
  /** Null: HTTP/1.0 may leave it out. */
  readonly host: string | null
}

/**
 * Takes the target of a request line and its Host apart: origin form and absolute form (RFC 9112 3.2.1, 3.2.2). What a
 * gateway and a target could read differently is refused, never repaired: dot segments, in whatever encoding, above
 * all, and an absolute target whose Host is another one, or that speaks of a connection which this one is not (RFC 9110 7.4).
 */
export function readTarget({ target, host }: Line, scheme: Scheme): RequestTarget | Refusal {
  if (target.charCodeAt(0) === SLASH) return readOrigin(target, host ?? '')
  const start = afterScheme(target)
  if (start === -1) return NO_URL
  const end = endOfAuthority(target, start)
  if (end === start) return NO_AUTHORITY
  const authority = target.slice(start, end)
  const isTls = target.charCodeAt(4) !== COLON
  if (host !== null && !isSameHost(host, authority, isTls)) return OTHER_HOST
  if (scheme !== 'any' && (scheme === 'https') !== isTls) return OTHER_SCHEME
  const rest = target.slice(end)
  const path = rest.charCodeAt(0) === SLASH ? rest : `/${rest}`
  return readOrigin(path, authority)
}

/** RFC 9112 3.2: a client writes the same twice. The default port may be left out in one of them. */
function isSameHost(host: string, authority: string, isTls: boolean): boolean {
  if (host === authority) return true
  const port = isTls ? ':443' : ':80'
  return bare(host, port) === bare(authority, port)
}

function bare(authority: string, port: string): string {
  const lower = authority.toLowerCase()
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower
}

/**
 * The target of a request with this method: as `readTarget`, and `*` where it may stand (RFC 9112 3.2.4). CONNECT is refused:
 * a gateway is no way to anywhere.
 */
export function readTargetFor(method: string, line: Line, scheme: Scheme): RequestTarget | Refusal {
  if (method === 'CONNECT') return NO_CONNECT
  if (line.target !== '*' || method !== 'OPTIONS') return readTarget(line, scheme)
  const authority = line.host ?? ''
  const host = readHost(authority)
  return host === null ? BAD_HOST : { authority, host, path: '*', query: '' }
}

/** Whether `readTarget` refused. */
export function isRefusal(read: RequestTarget | Refusal): read is Refusal {
  return 'code' in read
}

function readOrigin(target: string, authority: string): RequestTarget | Refusal {
  if (target.includes('#')) return FRAGMENT
  const host = readHost(authority)
  if (host === null) return BAD_HOST
  const question = target.indexOf('?')
  const path = question === -1 ? target : target.slice(0, question)
  const query = question === -1 ? '' : target.slice(question + 1)
  if (hasDotSegment(path)) return DOTS
  return { authority, host, path, query }
}

/** Where the authority of `http://…` or `https://…` begins; -1 for anything else. */
function afterScheme(target: string): number {
  const colon = target.indexOf(':')
  if ((colon !== 4 && colon !== 5) || !target.startsWith('//', colon + 1)) return -1
  const scheme = target.slice(0, colon).toLowerCase()
  return scheme === 'http' || scheme === 'https' ? colon + 3 : -1
}

function endOfAuthority(target: string, start: number): number {
  let at = start
  while (at < target.length) {
    const code = target.charCodeAt(at)
    if (code === SLASH || code === 63 || code === 35) break
    at++
  }
  return at
}

/** Characters of a name or an IPv4 address (RFC 3986 3.2.2, and what the world uses beside it). */
const NAME = charsOf(
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~!$&'()*+;=%-",
)
/** Between the brackets of an IPv6 address. */
const ADDRESS = charsOf('0123456789abcdefABCDEF:.')

function charsOf(chars: string): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) =>
    chars.includes(String.fromCharCode(code)) ? 1 : 0,
  )
}

/**
 * The host of an authority without its port, lower case; null when it is malformed. Empty stays empty: a client may
 * say that there is none (RFC 9110 7.2).
 */
export function readHost(authority: string): string | null {
  if (authority === '') return ''
  const isBracketed = authority.charCodeAt(0) === 91
  const allowed = isBracketed ? ADDRESS : NAME
  const start = isBracketed ? 1 : 0
  let at = start
  let hasUpper = false
  for (; at < authority.length; at++) {
    const code = authority.charCodeAt(at)
    if (allowed[code] !== 1) break
    if (code >= 65 && code <= 90) hasUpper = true
  }
  if (at === start) return null
  const end = at
  if (isBracketed) {
    if (authority.charCodeAt(at) !== 93) return null
    at++
  }
  if (!isPort(authority, at)) return null
  const host = authority.slice(start, end)
  return hasUpper ? host.toLowerCase() : host
}

/** Whether nothing, or a port, stands at `at` and nothing behind it. */
function isPort(authority: string, at: number): boolean {
  if (at === authority.length) return true
  if (authority.charCodeAt(at) !== 58 || authority.length - at > 6) return false
  for (let i = at + 1; i < authority.length; i++) {
    const code = authority.charCodeAt(i)
    if (code < 48 || code > 57) return false
  }
  return true
}

/**
 * Whether a segment of a path is one or two dots, as some server could read it: with dots, slashes, backslashes and
 * semicolons in their encoded form, and with parameters cut off first.
 */
function hasDotSegment(path: string): boolean {
  // Of most paths one look is enough: there is no dot behind something that begins a segment.
  if (!path.includes('.') && !path.includes('%2')) return false
  let dots = 0
  let isSegmentOfDots = true
  for (let at = 0; at < path.length; at++) {
    let code = path.charCodeAt(at)
    if (code === 37) {
      const decoded = decodedAt(path, at)
      if (decoded !== 0) {
        code = decoded
        at += 2
      }
    }
    if (code === SLASH || code === 92 || code === 59) {
      if (isSegmentOfDots && dots > 0 && dots <= 2) return true
      // What follows a semicolon is a parameter, and no segment.
      isSegmentOfDots = code !== 59
      dots = 0
    } else if (code === 46) {
      dots++
    } else {
      isSegmentOfDots = false
    }
  }
  return isSegmentOfDots && dots > 0 && dots <= 2
}

/** What an escape stands for, of those that matter to segments; 0 for any other. */
function decodedAt(path: string, at: number): number {
  switch (path.slice(at + 1, at + 3).toLowerCase()) {
    case '2e':
      return 46
    case '2f':
      return SLASH
    case '5c':
      return 92
    case '3b':
      return 59
    default:
      return 0
  }
}
