import { COLON, CR, FIELD_TEXT, LF, SPACE, TAB, TOKEN } from './bytes.ts'
import { FIELD, fieldIdOf, type FieldId } from './field-names.ts'
import type { Fields } from './fields.ts'
import { TOO_LARGE } from './head-bounds.ts'
import { malformed, type Refusal } from './refusal.ts'

/** `read` and its parts: the bytes end before what is being read does. */
export const MORE = -1
/** `read` and its parts: `refusal` says why. */
export const REFUSED = -2

/** What a reader fills: the head of a request, the head of an answer, or trailers. */
export type HeadSink = {
  readonly fields: Fields
  /** Longest first line with its CRLF, 0 where there is none; `tooLong` is said of a longer one. */
  readonly startLineBytesMax: number
  readonly tooLong: Refusal
  /** Most bytes from the first line to the empty one. */
  readonly headBytesMax: number
  readonly headFieldsMax: number
  readonly tooManyFields: Refusal
  /** RFC 9112 2.2: an empty line before a request is passed over, once. */
  readonly mayFollowEmptyLine: boolean
  refusal: Refusal | null
  clear(): void
  /**
   * Reads the first line in `bytes[at, end)`; positions that it keeps count from `base`. Gives where the next line
   * begins, or MORE (only if no LF was met), or REFUSED with `refusal` set.
   */
  startLine(bytes: Uint8Array, at: number, end: number): number
  /** A field whose meaning is known. False with `refusal` set. */
  field(id: FieldId, bytes: Uint8Array, from: number, to: number): boolean
  /** The head is whole and `fields.text` is there. False with `refusal` set. */
  finish(): boolean
}

const NO_NAME = malformed('a field has no name, or one that is no token')
const BAD_VALUE = malformed('a field value has a control character, or a line does not end in CRLF')
const LOOKALIKE = malformed('a field name differs from a known one only in "_" for "-"')
const NO_BYTES = Buffer.alloc(0)

/**
 * Reads one head after another from whatever pieces the bytes come in. The usual head lies in one piece and is read
 * where it lies, each byte once. What is cut is kept, line by line, so that no split costs more than its bytes; every
 * split gives the same result, because a line is judged only when its LF is there, or its limit is passed.
 */
export class HeadReader {
  readonly #sink: HeadSink
  readonly #fieldsMax: number
  #held: Buffer = NO_BYTES
  #heldLength = 0
  /** Where the head, and the line that is being read, begin: in `#held` if anything is held, else in the piece. */
  #base = 0
  #line = 0
  #isStarted = false
  #hasSkipped = false

  constructor(sink: HeadSink) {
    this.#sink = sink
    this.#fieldsMax = sink.headFieldsMax
    this.reset()
  }

  /** Whether a part of a head is there. */
  get isPartial(): boolean {
    return this.#heldLength > 0 && this.#heldLength > this.#base
  }

  /** The next byte begins a head. */
  reset(): void {
    this.#heldLength = 0
    if (this.#held.length > 0) this.#held = NO_BYTES
    this.#isStarted = this.#sink.startLineBytesMax === 0
    this.#hasSkipped = !this.#sink.mayFollowEmptyLine
    this.#sink.clear()
  }

  /**
   * Reads on in `bytes[at, end)`. Gives where the bytes behind the head begin; the sink is filled then. Or MORE, and the
   * bytes were taken; or REFUSED, and the sink's `refusal` says why.
   */
  read(bytes: Buffer, at: number, end: number): number {
    if (this.#heldLength > 0) return this.#readHeld(bytes, at, end)
    this.#base = at
    this.#line = at
    const next = this.#lines(bytes, end)
    if (next === MORE) this.#hold(bytes, this.#base, end)
    return next
  }

  #readHeld(bytes: Buffer, at: number, end: number): number {
    const before = this.#heldLength
    // Two more than fit are enough to see that the head is too large.
    const sink = this.#sink
    const room = sink.headBytesMax + this.#base + 2 - before
    const taken = Math.min(end - at, room)
    this.#append(bytes, at, at + taken)
    const line = bytes.indexOf(LF, at)
    const hasLine = line !== -1 && line < at + taken
    const isFull = this.#isStarted
      ? this.#heldLength - this.#base > sink.headBytesMax
      : this.#heldLength - this.#line > sink.startLineBytesMax
    if (!hasLine && !isFull) return MORE
    const next = this.#lines(this.#held, this.#heldLength)
    return next < 0 ? next : at + (next - before)
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#line -= from
    this.#base = 0
    this.#append(bytes, from, to)
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const needed = this.#heldLength + to - from
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(512, needed * 2))
      this.#held.copy(larger, 0, 0, this.#heldLength)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldLength, from, to)
    this.#heldLength = needed
  }

  /** Reads line after line until the head ends, the bytes do, or a line is refused. */
  #lines(bytes: Buffer, end: number): number {
    const sink = this.#sink
    for (;;) {
      const line = this.#line
      if (!this.#hasSkipped && bytes[line] === CR) {
        if (line + 1 === end) return MORE
        if (bytes[line + 1] !== LF) return this.#refuse(NO_NAME)
        this.#hasSkipped = true
        this.#line = line + 2
        this.#base = line + 2
        if (this.#line === end) return MORE
        continue
      }
      const isFirst = !this.#isStarted
      const next = isFirst ? sink.startLine(bytes, line, end) : this.#fieldLine(bytes, line, end)
      if (next < 0) return this.#unfinished(bytes, end, next)
      if (isFirst && next - line > sink.startLineBytesMax) return this.#refuse(sink.tooLong)
      if (next - this.#base > sink.headBytesMax) return this.#refuse(TOO_LARGE)
      this.#hasSkipped = true
      this.#isStarted = true
      this.#line = next
      // Only the empty line has two bytes.
      if (next - line === 2 && !isFirst) return this.#finish(bytes, next)
    }
  }

  /** A line that does not end here, or is refused: limits come first, whatever else is wrong with a line. */
  #unfinished(bytes: Buffer, end: number, result: number): number {
    const lf = result === MORE ? -1 : bytes.indexOf(LF, this.#line)
    const lineEnd = lf === -1 || lf >= end ? end : lf + 1
    if (!this.#isStarted && lineEnd - this.#line > this.#sink.startLineBytesMax) {
      return this.#refuse(this.#sink.tooLong)
    }
    if (lineEnd - this.#base > this.#sink.headBytesMax) return this.#refuse(TOO_LARGE)
    return lf === -1 || lf >= end ? MORE : REFUSED
  }

  #fieldLine(bytes: Uint8Array, line: number, end: number): number {
    let at = line
    while (at < end && TOKEN[bytes[at] ?? 0] === 1) at++
    if (at === end) return MORE
    if (bytes[at] !== COLON || at === line) return this.#emptyLine(bytes, line, at, end)
    const nameEnd = at
    at++
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++
    const valueStart = at
    while (at < end && FIELD_TEXT[bytes[at] ?? 0] === 1) at++
    if (at === end) return MORE
    if (bytes[at] !== CR) return this.#refuse(BAD_VALUE)
    if (at + 1 === end) return MORE
    if (bytes[at + 1] !== LF) return this.#refuse(BAD_VALUE)
    let valueEnd = at
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--
    const id = fieldIdOf(bytes, line, nameEnd)
    if (id !== FIELD.OTHER && !this.#known(id, bytes, valueStart, valueEnd)) return REFUSED
    const { fields } = this.#sink
    if (fields.count === this.#fieldsMax) return this.#refuse(this.#sink.tooManyFields)
    const base = this.#base
    fields.add(line - base, nameEnd - base, valueStart - base, valueEnd - base, id)
    return at + 2
  }

  #known(id: FieldId, bytes: Uint8Array, from: number, to: number): boolean {
    if (id !== FIELD.LOOKALIKE) return this.#sink.field(id, bytes, from, to)
    this.#sink.refusal = LOOKALIKE
    return false
  }

  /** The empty line, where no name begins; anything else there is refused. */
  #emptyLine(bytes: Uint8Array, line: number, at: number, end: number): number {
    if (at !== line || bytes[at] !== CR) return this.#refuse(NO_NAME)
    if (at + 1 === end) return MORE
    return bytes[at + 1] === LF ? at + 2 : this.#refuse(NO_NAME)
  }

  #finish(bytes: Buffer, next: number): number {
    this.#sink.fields.text = bytes.toString('latin1', this.#base, next)
    return this.#sink.finish() ? next : REFUSED
  }

  #refuse(refusal: Refusal): number {
    this.#sink.refusal = refusal
    return REFUSED
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}
