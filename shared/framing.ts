import { crc32 } from 'node:zlib'
import { assert } from './assert.ts'
import { RaftwayError } from './errors.ts'
import { FRAME_BYTES_MAX } from './limits.ts'

// A frame, big-endian:
//
//   0        4        8      9
//   ├────────┼────────┼──────┼─────────────┤
//   │ length │ crc32  │ type │ payload     │
//   └────────┴────────┴──────┴─────────────┘
//                     ╰── length bytes, which crc32 covers ──╯

const PREFIX_BYTES = 8
const TYPE_AT = 8

/** Bytes of a frame before its payload. */
export const FRAME_HEAD_BYTES = 9

/** One frame that arrived whole. `payload` may share memory with what was pushed: it is read, never written to. */
export type Frame = { readonly type: number; readonly payload: Uint8Array }

/** A frame with a copy of `payload`. `type` is 0 to 255. */
export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length)
  frame.set(payload, FRAME_HEAD_BYTES)
  sealFrame(type, frame)
  return frame
}

/** Makes `frame` a frame in place: its payload stands behind FRAME_HEAD_BYTES that were left for the head. */
export function sealFrame(type: number, frame: Uint8Array): void {
  const length = frame.length - PREFIX_BYTES
  assert(length >= 1 && length <= FRAME_BYTES_MAX, 'a frame is within its bound before it is sent')
  assert(type >= 0 && type <= 0xff, 'a frame type is one byte')
  frame[TYPE_AT] = type
  writeU32(frame, 0, length)
  writeU32(frame, 4, crc32(frame.subarray(TYPE_AT)))
}

/** The head of a frame whose payload is written behind it as it is: nothing is copied. */
export function encodeFrameHead(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  const length = 1 + payload.length
  assert(length <= FRAME_BYTES_MAX, 'a frame is within its bound before it is sent')
  assert(type >= 0 && type <= 0xff, 'a frame type is one byte')
  head[TYPE_AT] = type
  writeU32(head, 0, length)
  writeU32(head, 4, crc32(payload, crc32(head.subarray(TYPE_AT))))
  return head
}

/**
 * Frames out of a stream of bytes, cut anywhere. Nothing is copied when a frame lies in one chunk; otherwise each
 * byte is copied at most three times, however small the chunks are.
 */
export class FrameDecoder {
  #bytesMax: number
  /** What arrived and is no whole frame yet. */
  #parts: Uint8Array[] = []
  #bytes = 0
  /** With fewer bytes than this nothing can be decided: the prefix, or the whole frame once its length is known. */
  #wanted = PREFIX_BYTES
  #failure: RaftwayError | null = null

  /** `bytesMax` bounds type and payload of a frame. */
  constructor(bytesMax: number = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** Bytes of the frame that is under way. */
  get pendingBytes(): number {
    return this.#bytes
  }

  /** Bounds the frames that begin after what was pushed so far. */
  allow(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /**
   * The frames that `chunk` completes, in order; `chunk` belongs to the decoder from now on. Throws FRAME_CORRUPT, now
   * and for ever, on a frame that is too large or damaged: there is no way to find the next one.
   */
  push(chunk: Uint8Array): Frame[] {
    if (this.#failure !== null) throw this.#failure
    if (chunk.length === 0) return []
    this.#parts.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#wanted) return []
    const [first] = this.#parts
    const bytes = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts)
    return this.#take(bytes)
  }

  #take(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let at = 0
    this.#wanted = PREFIX_BYTES
    while (bytes.length - at >= PREFIX_BYTES) {
      const length = readU32(bytes, at)
      if (length < 1) this.#fail('a frame has no type')
      if (length > this.#bytesMax) {
        this.#fail(`a frame of ${length} bytes is larger than ${this.#bytesMax}`)
      }
      const end = at + PREFIX_BYTES + length
      if (end > bytes.length) {
        this.#wanted = PREFIX_BYTES + length
        break
      }
      const rest = bytes.subarray(at + PREFIX_BYTES, end)
      if (crc32(rest) !== readU32(bytes, at + 4)) this.#fail('the checksum of a frame is wrong')
      frames.push({ type: rest[0] ?? 0, payload: rest.subarray(1) })
      at = end
    }
    this.#bytes = bytes.length - at
    this.#parts = this.#bytes === 0 ? [] : [bytes.subarray(at)]
    return frames
  }

  #fail(reason: string): never {
    this.#parts = []
    this.#bytes = 0
    this.#failure = new RaftwayError('FRAME_CORRUPT', reason)
    throw this.#failure
  }
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function readU32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
