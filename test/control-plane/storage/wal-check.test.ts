// Logs are made here by LevelDB's own rules, record by record, and damaged in every place.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from '../../../control-plane/storage/crc32c.ts'
import { findDamage } from '../../../control-plane/storage/wal-check.ts'

const BLOCK = 32_768

/** A log of records with payloads of these sizes, none of them zeros, split over blocks as LevelDB does. */
function makeLog(sizes: readonly number[]): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  const push = (piece: Buffer) => {
    pieces.push(piece)
    at += piece.length
  }
  for (const [i, size] of sizes.entries()) {
    let left = size
    let isFirst = true
    do {
      if (BLOCK - (at % BLOCK) < 7) push(Buffer.alloc(BLOCK - (at % BLOCK)))
      const length = Math.min(left, BLOCK - (at % BLOCK) - 7)
      left -= length
      const type = isFirst ? (left === 0 ? 1 : 2) : left === 0 ? 4 : 3
      const record = Buffer.alloc(7 + length, 65 + (i % 26))
      record.writeUInt16LE(length, 4)
      record[6] = type
      const crc = crc32c(record.subarray(6))
      record.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, 0)
      push(record)
      isFirst = false
    } while (left > 0)
  }
  return Buffer.concat(pieces)
}

const sizes = fc.array(fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: 30_000, max: 80_000 })), {
  minLength: 1,
  maxLength: 6,
})

test('the checksum is the one that LevelDB writes', () => {
  // RFC 3720 B.4.
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

test('a whole log has no damage, wherever it was cut short', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (list, cut) => {
      const log = makeLog(list)
      expect(findDamage(log)).toBeNull()
      expect(findDamage(log.subarray(0, cut % (log.length + 1)))).toBeNull()
    }),
    { numRuns: 50 },
  )
})

test('a flipped bit anywhere is found', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat({ max: 7 }), (list, place, bit) => {
      const log = makeLog([...list, 40_000, 10])
      const at = place % (log.length - 20)
      const isTrailer = BLOCK - (at % BLOCK) < 7 && log[at] === 0
      log[at] = (log[at] ?? 0) ^ (1 << bit)
      // Nobody reads what fills up a block.
      expect(findDamage(log) === null).toBe(isTrailer)
    }),
    { numRuns: 100 },
  )
})

test('sectors that were never written at the end are a crash, in the middle they are damage', () => {
  const torn = makeLog([100, 5_000])
  torn.fill(0, 2_048)
  expect(findDamage(torn)).toBeNull()
  const middle = makeLog([100, 5_000, 60_000])
  middle.fill(0, 2_048, 4_096)
  expect(findDamage(middle)).toBe(107)
})

test('a flipped bit of the last length is damage, and not a record cut short', () => {
  for (let bit = 8; bit < 16; bit++) {
    const log = makeLog([300, 200])
    log.writeUInt16LE(200 ^ (1 << bit), 307 + 4)
    expect(findDamage(log)).toBe(307)
  }
})
