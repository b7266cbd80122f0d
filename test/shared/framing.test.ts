import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { RaftwayError } from '../../shared/errors.ts'
import {
  encodeFrame,
  encodeFrameHead,
  FRAME_HEAD_BYTES,
  FrameDecoder,
  sealFrame,
  type Frame,
} from '../../shared/framing.ts'
import { FRAME_BYTES_MAX } from '../../shared/limits.ts'

const frames = fc.array(
  fc.record({ type: fc.nat(255), payload: fc.uint8Array({ maxLength: 300 }) }),
  { maxLength: 12 },
)

/** Every byte of `bytes`, in pieces whose sizes repeat `sizes`. */
function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

function plain(list: readonly Frame[]) {
  return list.map((frame) => ({ type: frame.type, payload: [...frame.payload] }))
}

function outcomeOf(action: () => unknown): string {
  try {
    action()
    return 'ok'
  } catch (error) {
    return error instanceof RaftwayError ? error.code : String(error)
  }
}

test('frames come out as they went in, however the bytes are cut', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(frames, sizes, (list, cuts) => {
      const bytes = Buffer.concat(list.map((frame) => encodeFrame(frame.type, frame.payload)))
      const decoder = new FrameDecoder()
      const out = split(bytes, cuts).flatMap((piece) => decoder.push(piece))
      expect(plain(out)).toEqual(plain(list))
      expect(decoder.pendingBytes).toBe(0)
    }),
    { numRuns: 500 },
  )
})

test('the three ways to make a frame give the same bytes', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.uint8Array({ maxLength: 200 }), (type, payload) => {
      const frame = encodeFrame(type, payload)
      expect(Buffer.concat([encodeFrameHead(type, payload), payload]).equals(frame)).toBe(true)
      const inPlace = Buffer.alloc(FRAME_HEAD_BYTES + payload.length)
      inPlace.set(payload, FRAME_HEAD_BYTES)
      sealFrame(type, inPlace)
      expect(inPlace.equals(frame)).toBe(true)
    }),
  )
})

test('any flipped bit behind the length is noticed', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 })
  fc.assert(
    fc.property(bytes, fc.nat(), fc.nat(7), (payload, where, bit) => {
      const frame = encodeFrame(3, payload)
      const at = 4 + (where % (frame.length - 4))
      frame[at] = (frame[at] ?? 0) ^ (1 << bit)
      expect(outcomeOf(() => new FrameDecoder().push(frame))).toBe('FRAME_CORRUPT')
    }),
  )
})

test('a damaged stream stays damaged: the next frame is not searched for', () => {
  const decoder = new FrameDecoder()
  const damaged = encodeFrame(1, Buffer.from('hello'))
  damaged[FRAME_HEAD_BYTES] = 0
  expect(() => decoder.push(damaged)).toThrow('checksum')
  expect(() => decoder.push(encodeFrame(1, Buffer.from('fine')))).toThrow('checksum')
})

test('a frame that is too large is refused by its length alone', () => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(FRAME_BYTES_MAX + 1)
  expect(() => new FrameDecoder().push(head)).toThrow(`larger than ${FRAME_BYTES_MAX}`)
  head.writeUInt32BE(FRAME_BYTES_MAX)
  expect(new FrameDecoder().push(head)).toEqual([])
  head.writeUInt32BE(0)
  expect(() => new FrameDecoder().push(head)).toThrow('no type')
})

test('the bound can be raised after the first frame', () => {
  const decoder = new FrameDecoder(16)
  expect(decoder.push(encodeFrame(1, Buffer.alloc(15)))).toHaveLength(1)
  decoder.allow(32)
  expect(decoder.push(encodeFrame(1, Buffer.alloc(31)))).toHaveLength(1)
  expect(() => decoder.push(encodeFrame(1, Buffer.alloc(32)))).toThrow('larger than 32')
})

test('random bytes give frames or FRAME_CORRUPT, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (pieces) => {
      const decoder = new FrameDecoder(1_000)
      const outcomes = pieces.map((piece) => outcomeOf(() => decoder.push(piece)))
      expect(outcomes.filter((one) => one !== 'ok' && one !== 'FRAME_CORRUPT')).toEqual([])
      expect(decoder.pendingBytes).toBeLessThanOrEqual(1_008)
    }),
    { numRuns: 1_000 },
  )
})

test('the work for a large frame grows with its size, not with its square', () => {
  // Quadratic copying of 16 MiB in 4 KiB chunks would move 32 GiB.
  const payload = Buffer.alloc(16 * 1024 * 1024, 7)
  const bytes = encodeFrame(9, payload)
  const decoder = new FrameDecoder()
  const startMs = performance.now()
  const out = split(bytes, [4_096]).flatMap((piece) => decoder.push(piece))
  expect(performance.now() - startMs).toBeLessThan(2_000)
  expect(out).toHaveLength(1)
  expect(payload.equals(out[0]?.payload ?? Buffer.alloc(0))).toBe(true)
})
