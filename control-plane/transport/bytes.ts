import { assert } from '../../shared/assert.ts'
import { RaftwayError } from '../../shared/errors.ts'

/** Longest encoding of an integer up to 2^53 - 1: seven bits a byte. */
export const VARINT_BYTES_MAX = 8

const TEXT = new TextDecoder('utf-8', { fatal: true })

/** Writes into one buffer that is large enough from the start. */
export class ByteWriter {
  readonly #bytes: Buffer
  #at: number

  /** Begins behind `reserved` bytes, which are left as they are. */
  constructor(bytesMax: number, reserved: number) {
    this.#bytes = Buffer.allocUnsafe(reserved + bytesMax)
    this.#at = reserved
  }

  /** What was written, with the reserved bytes in front; the caller's from now on. */
  take(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0)
  }

  /** An integer from 0 to 2^53 - 1, least significant bits first. */
  varint(value: number): void {
    assert(value >= 0 && value <= Number.MAX_SAFE_INTEGER, 'a number on the wire is a safe integer')
    let rest = value
    // Bitwise arithmetic is 32 bits wide; what is larger is brought down by division.
    while (rest > 0x7fff_ffff) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
  }

  /** Bytes with their length in front. */
  blob(value: Uint8Array): void {
    this.varint(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  /** UTF-8 with its length in front. */
  text(value: string): void {
    this.blob(Buffer.from(value))
  }
}

/** Reads what ByteWriter wrote. Every method throws FRAME_CORRUPT on bytes that it cannot have written. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw malformed('it ends too early')
    return value
  }

  flag(): boolean {
    const value = this.byte()
    if (value > 1) throw malformed(`${value} is neither true nor false`)
    return value === 1
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 128
    }
    throw malformed('a number is larger than 2^53 - 1')
  }

  /** How many items follow, each at least `bytesMin` long: a lying count is caught before anything is allocated. */
  count(bytesMin: number): number {
    const value = this.varint()
    if (value * bytesMin > this.#bytes.length - this.#at) throw malformed('a list ends too early')
    return value
  }

  /** Shares memory with the bytes that are read. */
  blob(): Uint8Array {
    const length = this.count(1)
    const value = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return value
  }

  text(): string {
    const bytes = this.blob()
    try {
      return TEXT.decode(bytes)
    } catch (cause) {
      throw malformed('text is not UTF-8', cause)
    }
  }

  /** Nothing is left over. */
  end(): void {
    const left = this.#bytes.length - this.#at
    if (left > 0) throw malformed(`${left} bytes are left over`)
  }
}

/** FRAME_CORRUPT for a message whose checksum is right and whose content is not. */
export function malformed(reason: string, cause?: unknown): RaftwayError {
  return new RaftwayError('FRAME_CORRUPT', `malformed message: ${reason}`, { cause })
}
