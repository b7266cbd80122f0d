import { CHUNK_LINE_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX } from '../../shared/limits.ts'
import { CR, LF } from './bytes.ts'
import { extensionPlace, type ExtensionPlace } from './chunk-extension.ts'
import { HeadReader, MORE, REFUSED } from './head-reader.ts'
import { malformed, type Refusal } from './refusal.ts'
import type { Fields } from './fields.ts'
import { Trailers } from './trailers.ts'

/** What `next` found. */
export const BODY = {
  /** Every byte was taken, and the body goes on. */
  MORE: 0,
  /** `bytes[start, end)` of the reader are a piece of the body. */
  PIECE: 1,
  /** The body is whole; what is behind `at` is not of it. */
  END: 2,
  /** `refusal` says why. */
  REFUSED: 3,
} as const

export type BodyEvent = (typeof BODY)[keyof typeof BODY]

const NO_SIZE = malformed('a chunk size is not plain hexadecimal')
const LARGE_CHUNK = malformed('a chunk size is too large')
const LONG_LINE = malformed('a chunk extension is too long')
const BAD_LINE = malformed('a chunk line does not end in CRLF, or its extension is malformed')
const BAD_END = malformed('a chunk is not followed by CRLF')

type Step =
  | 'done'
  | 'length'
  | 'close'
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'cr'
  | 'lf'
  | 'trailers'

/**
 * Takes one body apart: a number of bytes, chunks (RFC 9112 7.1), or all that comes. Pieces are ranges of what was given,
 * never copies. Chunk extensions mean nothing here and are dropped, within a bound.
 */
export class BodyReader {
  /** After `next`: where the bytes that were not taken begin. */
  at = 0
  /** The piece, after PIECE. */
  start = 0
  end = 0
  refusal: Refusal | null = null
  #step: Step = 'done'
  /** Bytes that the body, or the chunk, still has. */
  #left = 0
  #digits = 0
  #lineBytes = 0
  /** Where in an extension the next byte stands. */
  #place: ExtensionPlace = 'name-start'
  #trailers: HeadReader | null = null
  #trailersHead: Trailers | null = null
  #hasTrailers = false

  /** Expects `length` bytes; 0 is a body that has ended. */
  beginLength(length: number): void {
    this.#begin(length === 0 ? 'done' : 'length')
    this.#left = length
  }

  beginChunks(): void {
    this.#begin('size')
  }

  /** Everything up to the end of the connection. */
  beginClose(): void {
    this.#begin('close')
  }

  /** Whether the end has been read. */
  get isDone(): boolean {
    return this.#step === 'done'
  }

  /** Whether the end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#step === 'close'
  }

  /** Bytes that are known to be still to come; null when only the end will tell. */
  get bytesLeft(): number | null {
    if (this.#step === 'done') return 0
    return this.#step === 'length' ? this.#left : null
  }

  /** Fields behind the body, once it has ended; null when there are none. */
  get trailers(): Fields | null {
    const fields = this.#hasTrailers ? (this.#trailersHead?.fields ?? null) : null
    return fields !== null && fields.count > 0 ? fields : null
  }

  /** What comes next in `bytes[at, end)`. Call again from `this.at` on after PIECE. */
  next(bytes: Buffer, at: number, end: number): BodyEvent {
    this.at = at
    while (this.#step !== 'done') {
      if (this.at === end) return BODY.MORE
      if (this.#step === 'length' || this.#step === 'data') return this.#counted(end)
      if (this.#step === 'close') return this.#piece(end)
      if (this.#step === 'trailers') return this.#readTrailers(bytes, end)
      if (!this.#frame(bytes, end)) return BODY.REFUSED
    }
    return BODY.END
  }

  #begin(step: Step): void {
    this.#step = step
    this.#left = 0
    this.#digits = 0
    this.#lineBytes = 0
    this.#hasTrailers = false
    this.refusal = null
  }

  #counted(end: number): BodyEvent {
    const size = Math.min(this.#left, end - this.at)
    this.#left -= size
    if (this.#left === 0) this.#step = this.#step === 'length' ? 'done' : 'cr'
    return this.#piece(this.at + size)
  }

  #piece(to: number): BodyEvent {
    this.start = this.at
    this.end = to
    this.at = to
    return BODY.PIECE
  }

  /** Reads what stands between the data of two chunks. False: refused. */
  #frame(bytes: Uint8Array, end: number): boolean {
    for (; this.at < end; this.at++) {
      const byte = bytes[this.at] ?? 0
      switch (this.#step) {
        case 'size':
          if (!this.#size(byte)) return false
          break
        case 'extension':
          if (!this.#extension(byte)) return false
          break
        case 'size-lf':
          if (byte !== LF) return this.#refuse(BAD_LINE)
          this.at++
          this.#beginChunk()
          return true
        case 'cr':
          if (byte !== CR) return this.#refuse(BAD_END)
          this.#step = 'lf'
          break
        case 'lf':
          if (byte !== LF) return this.#refuse(BAD_END)
          this.#step = 'size'
          break
        default:
          return true
      }
    }
    return true
  }

  #size(byte: number): boolean {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.#digits += 1
      if (this.#digits > CHUNK_SIZE_DIGITS_MAX) return this.#refuse(LARGE_CHUNK)
      this.#left = this.#left * 16 + digit
      return true
    }
    if (this.#digits === 0) return this.#refuse(NO_SIZE)
    if (byte === CR) this.#step = 'size-lf'
    // RFC 9112 7.1.1: an extension begins with a semicolon; white space before it is a way to hide something.
    else if (byte === 59) {
      this.#step = 'extension'
      this.#place = 'name-start'
    } else return this.#refuse(NO_SIZE)
    return true
  }

  #extension(byte: number): boolean {
    this.#lineBytes += 1
    if (this.#lineBytes > CHUNK_LINE_BYTES_MAX) return this.#refuse(LONG_LINE)
    const place = extensionPlace(this.#place, byte)
    if (place === null) return this.#refuse(BAD_LINE)
    this.#place = place
    if (place === 'end') this.#step = 'size-lf'
    return true
  }

  #beginChunk(): void {
    this.#step = this.#left === 0 ? 'trailers' : 'data'
    this.#digits = 0
    this.#lineBytes = 0
    if (this.#step !== 'trailers') return
    this.#trailersHead ??= new Trailers()
    this.#trailers ??= new HeadReader(this.#trailersHead)
    this.#trailers.reset()
    this.#hasTrailers = true
  }

  #readTrailers(bytes: Buffer, end: number): BodyEvent {
    const next = this.#trailers?.read(bytes, this.at, end) ?? REFUSED
    if (next === MORE) {
      this.at = end
      return BODY.MORE
    }
    if (next === REFUSED) {
      this.refusal = this.#trailersHead?.refusal ?? BAD_END
      return BODY.REFUSED
    }
    this.at = next
    this.#step = 'done'
    return BODY.END
  }

  #refuse(refusal: Refusal): boolean {
    this.refusal = refusal
    return false
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
