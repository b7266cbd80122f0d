import { METHOD_BYTES_MAX } from '../../shared/limits.ts'
import { CR, equalsLower, LF, SPACE, TARGET_TEXT, TOKEN } from './bytes.ts'
import { connectionOptions, OPTION } from './connection-options.ts'
import { FIELD, type FieldId } from './field-names.ts'
import { Fields } from './fields.ts'
import { Framing } from './framing.ts'
import type { HeadBounds } from './head-bounds.ts'
import { MORE, REFUSED, type HeadSink } from './head-reader.ts'
import { malformed, type Refusal } from './refusal.ts'
import { readVersion, VERSION_BYTES } from './version.ts'

const NO_LINE = malformed('the request line is malformed')
const LONG_METHOD = malformed('the method is too long')
const NO_HOST = malformed('there is no Host')
const TWO_HOSTS = malformed('there is more than one Host')
const OTHER_EXPECTATION = malformed('the only expectation that can be met is 100-continue')
const OTHER_VERSION: Refusal = {
  code: 'HTTP_VERSION_NOT_SUPPORTED',
  message: 'only HTTP/1.1 and HTTP/1.0 are spoken here',
}

/** Method, two spaces, version and CRLF beside the target. */
const BESIDE_TARGET_BYTES_MAX = METHOD_BYTES_MAX + 12

/** Lengths of methods → those that are made without a new string. */
const METHODS: readonly (readonly string[])[] = [
  [],
  [],
  [],
  ['GET', 'PUT'],
  ['POST', 'HEAD'],
  ['PATCH'],
  ['DELETE'],
  ['OPTIONS'],
]

/** The head of one request (RFC 9112 3 and 5), read by a HeadReader. Used again for the next one. */
export class RequestHead implements HeadSink {
  readonly fields = new Fields()
  readonly framing = new Framing()
  readonly startLineBytesMax: number
  readonly headBytesMax: number
  readonly headFieldsMax: number
  readonly tooManyFields: Refusal
  readonly tooLong: Refusal
  readonly mayFollowEmptyLine = true
  refusal: Refusal | null = null
  method = ''
  /** As it came. */
  target = ''
  /** 1 of HTTP/1.1, 0 of HTTP/1.0. */
  minor = 1
  /** Value of the one Host field; null when HTTP/1.0 names none. */
  host: string | null = null
  /** Bits of OPTION that Connection fields named. */
  options = 0
  expectsContinue = false
  readonly #targetBytesMax: number
  #targetStart = 0
  #targetEnd = 0
  #hostAt = -1

  constructor(bounds: HeadBounds) {
    this.startLineBytesMax = bounds.targetBytesMax + BESIDE_TARGET_BYTES_MAX
    this.headBytesMax = bounds.headBytesMax
    this.headFieldsMax = bounds.headFieldsMax
    this.tooManyFields = bounds.tooManyFields
    this.tooLong = bounds.longTarget
    this.#targetBytesMax = bounds.targetBytesMax
  }

  clear(): void {
    this.fields.clear()
    this.framing.clear()
    this.refusal = null
    this.options = 0
    this.expectsContinue = false
    this.host = null
    this.#hostAt = -1
  }

  /** Whether the client lets the connection be used again. */
  get isPersistent(): boolean {
    if ((this.options & OPTION.CLOSE) !== 0) return false
    return this.minor === 1 || (this.options & OPTION.KEEP_ALIVE) !== 0
  }

  /** Whether the client asks to change the protocol (RFC 9110 7.8). HTTP/1.0 cannot. */
  get wantsUpgrade(): boolean {
    return (this.options & OPTION.UPGRADE) !== 0 && this.minor === 1
  }

  /** Bytes of the body; null when only its end will tell (RFC 9112 6.3). */
  get bodyLength(): number | null {
    return this.framing.isChunked ? null : (this.framing.contentLength ?? 0)
  }

  startLine(bytes: Uint8Array, line: number, end: number): number {
    let at = line
    while (at < end && TOKEN[bytes[at] ?? 0] === 1) at++
    if (at === end) return MORE
    if (bytes[at] !== SPACE || at === line) return this.#refuse(NO_LINE)
    if (at - line > METHOD_BYTES_MAX) return this.#refuse(LONG_METHOD)
    const methodEnd = at
    at++
    const start = at
    while (at < end && TARGET_TEXT[bytes[at] ?? 0] === 1) at++
    if (at === end) return MORE
    if (bytes[at] !== SPACE || at === start) return this.#refuse(NO_LINE)
    if (at - start > this.#targetBytesMax) return this.#refuse(this.tooLong)
    const next = this.#lineEnd(bytes, at + 1, end)
    if (next < 0) return next
    this.method = methodOf(bytes, line, methodEnd)
    this.#targetStart = start - line
    this.#targetEnd = at - line
    return next
  }

  field(id: FieldId, bytes: Uint8Array, from: number, to: number): boolean {
    switch (id) {
      case FIELD.HOST:
        if (this.#hostAt !== -1) return this.#accepts(TWO_HOSTS)
        this.#hostAt = this.fields.count
        return true
      case FIELD.CONTENT_LENGTH:
        return this.#accepts(this.framing.length(bytes, from, to))
      case FIELD.TRANSFER_ENCODING:
        return this.#accepts(this.framing.coding(bytes, from, to))
      case FIELD.CONNECTION:
        this.options |= connectionOptions(bytes, from, to)
        return true
      case FIELD.EXPECT:
        if (!equalsLower(bytes, from, to, '100-continue')) return this.#accepts(OTHER_EXPECTATION)
        // RFC 9110 10.1.1: of an HTTP/1.0 client it is to be ignored.
        this.expectsContinue = this.minor === 1
        return true
      default:
        return true
    }
  }

  finish(): boolean {
    if (!this.#accepts(this.framing.check(this.minor))) return false
    if (this.#hostAt !== -1) this.host = this.fields.valueAt(this.#hostAt)
    else if (this.minor === 1) return this.#accepts(NO_HOST)
    this.target = this.fields.text.slice(this.#targetStart, this.#targetEnd)
    return true
  }

  #lineEnd(bytes: Uint8Array, from: number, end: number): number {
    const version = readVersion(bytes, from, end)
    if (version === MORE) return MORE
    const at = from + VERSION_BYTES
    if (version === REFUSED) return this.#refuse(NO_LINE)
    if (at === end) return MORE
    if (bytes[at] !== CR) return this.#refuse(NO_LINE)
    if (at + 1 === end) return MORE
    if (bytes[at + 1] !== LF) return this.#refuse(NO_LINE)
    if (version !== 10 && version !== 11) return this.#refuse(OTHER_VERSION)
    this.minor = version - 10
    return at + 2
  }

  #accepts(refusal: Refusal | null): boolean {
    if (refusal === null) return true
    this.refusal = refusal
    return false
  }

  #refuse(refusal: Refusal): number {
    this.refusal = refusal
    return REFUSED
  }
}

function methodOf(bytes: Uint8Array, from: number, to: number): string {
  for (const method of METHODS[to - from] ?? []) {
    if (isAt(bytes, from, method)) return method
  }
  return String.fromCharCode(...bytes.subarray(from, to))
}

function isAt(bytes: Uint8Array, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[from + i] !== text.charCodeAt(i)) return false
  }
  return true
}
