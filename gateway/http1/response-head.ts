import { CR, FIELD_TEXT, LF, SPACE } from './bytes.ts'
import { connectionOptions, OPTION } from './connection-options.ts'
import { FIELD, type FieldId } from './field-names.ts'
import { Fields } from './fields.ts'
import { Framing } from './framing.ts'
import { USUAL_BOUNDS } from './head-bounds.ts'
import { MORE, REFUSED, type HeadSink } from './head-reader.ts'
import { malformed, type Refusal } from './refusal.ts'
import { readVersion, VERSION_BYTES } from './version.ts'

const NO_LINE = malformed('the status line is malformed')
const OTHER_VERSION = malformed('the answer is neither HTTP/1.1 nor HTTP/1.0')
const NO_STATUS = malformed('there is no such status')
const TOO_LONG = malformed('the status line is too long')

/** Where a body ends: there is none, after a number of bytes, by its chunks, or with the connection. */
export type BodyEnd = 'none' | 'length' | 'chunks' | 'close'

/** The head of one answer (RFC 9112 4 and 5), read by a HeadReader. Used again for the next one. */
export class ResponseHead implements HeadSink {
  readonly fields = new Fields()
  readonly framing = new Framing()
  readonly startLineBytesMax = USUAL_BOUNDS.headBytesMax
  readonly headBytesMax = USUAL_BOUNDS.headBytesMax
  readonly headFieldsMax = USUAL_BOUNDS.headFieldsMax
  readonly tooManyFields = USUAL_BOUNDS.tooManyFields
  readonly tooLong = TOO_LONG
  readonly mayFollowEmptyLine = false
  refusal: Refusal | null = null
  status = 0
  minor = 1
  /** Bits of OPTION that Connection fields named. */
  options = 0
  /** Seconds that the target says it keeps an unused connection; null when it does not say. */
  keepAliveSeconds: number | null = null

  clear(): void {
    this.fields.clear()
    this.framing.clear()
    this.refusal = null
    this.options = 0
    this.keepAliveSeconds = null
  }

  /** Whether the target lets the connection be used again, its body's end apart. */
  get isPersistent(): boolean {
    if ((this.options & OPTION.CLOSE) !== 0) return false
    return this.minor === 1 || (this.options & OPTION.KEEP_ALIVE) !== 0
  }

  /** RFC 9112 6.3, for the answer to a request with this method. */
  bodyEnd(method: string): BodyEnd {
    const { status, framing } = this
    if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return 'none'
    if (framing.isChunked) return 'chunks'
    if (framing.contentLength === null) return 'close'
    return framing.contentLength === 0 ? 'none' : 'length'
  }

  startLine(bytes: Uint8Array, line: number, end: number): number {
    const version = readVersion(bytes, line, end)
    if (version === MORE) return MORE
    if (version === REFUSED) return this.#refuse(NO_LINE)
    let at = line + VERSION_BYTES
    if (at === end) return MORE
    if (bytes[at] !== SPACE) return this.#refuse(NO_LINE)
    let status = 0
    for (let digits = 0; digits < 3; digits++) {
      at++
      if (at === end) return MORE
      const digit = (bytes[at] ?? 0) - 48
      if (digit < 0 || digit > 9) return this.#refuse(NO_LINE)
      status = status * 10 + digit
    }
    at++
    if (at === end) return MORE
    // The space before a reason that is not there is left out by some servers, which changes nothing.
    if (bytes[at] !== SPACE && bytes[at] !== CR) return this.#refuse(NO_LINE)
    while (at < end && FIELD_TEXT[bytes[at] ?? 0] === 1) at++
    if (at === end) return MORE
    if (bytes[at] !== CR) return this.#refuse(NO_LINE)
    if (at + 1 === end) return MORE
    if (bytes[at + 1] !== LF) return this.#refuse(NO_LINE)
    if (version !== 11 && version !== 10) return this.#refuse(OTHER_VERSION)
    if (status < 100 || status > 599) return this.#refuse(NO_STATUS)
    this.status = status
    this.minor = version - 10
    return at + 2
  }

  field(id: FieldId, bytes: Uint8Array, from: number, to: number): boolean {
    switch (id) {
      case FIELD.CONTENT_LENGTH:
        return this.#accepts(this.framing.length(bytes, from, to))
      case FIELD.TRANSFER_ENCODING:
        return this.#accepts(this.framing.coding(bytes, from, to))
      case FIELD.CONNECTION:
        this.options |= connectionOptions(bytes, from, to)
        return true
      case FIELD.KEEP_ALIVE:
        this.keepAliveSeconds = timeoutOf(bytes, from, to)
        return true
      default:
        return true
    }
  }

  finish(): boolean {
    return this.#accepts(this.framing.check(this.minor))
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

const TIMEOUT = 'timeout='

/** `timeout=5, max=100`: the 5. Null for anything else that stands there: it is a hint, and no more. */
function timeoutOf(bytes: Uint8Array, from: number, to: number): number | null {
  for (let i = 0; i < TIMEOUT.length; i++) {
    if (bytes[from + i] !== TIMEOUT.charCodeAt(i)) return null
  }
  let seconds = 0
  let at = from + TIMEOUT.length
  for (; at < to && at < from + TIMEOUT.length + 6; at++) {
    const digit = (bytes[at] ?? 0) - 48
    if (digit < 0 || digit > 9) break
    seconds = seconds * 10 + digit
  }
  return at === from + TIMEOUT.length ? null : seconds
}
