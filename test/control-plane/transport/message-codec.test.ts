import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AssertionError } from '../../../shared/assert.ts'
import { RaftwayError } from '../../../shared/errors.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type { EntryType, Message } from '../../../control-plane/raft/messages.ts'
import {
  decodeMessage,
  encodeMessage,
  isWireMessage,
} from '../../../control-plane/transport/message-codec.ts'

// Every magnitude is as likely as any other, so that each length of a varint occurs.
const number = fc
  .tuple(fc.integer({ min: 0, max: 53 }), fc.maxSafeNat())
  .map(([bits, value]) => (bits === 0 ? 0 : value % 2 ** bits))
const id = fc.record({ term: number, index: number })
const context = fc.string({ unit: 'grapheme', maxLength: 40 })
const entryType = fc.constantFrom<EntryType>('normal', 'conf-change', 'conf-change-v2')
const entry = fc
  .tuple(id, entryType, fc.uint8Array({ maxLength: 200 }))
  .map(([at, type, data]) => makeEntry(at, type, data))
const entries = fc.array(entry, { maxLength: 5 })
const nodes = fc.array(number, { maxLength: 5 })
const snapshot = fc.record({
  term: number,
  index: number,
  confState: fc.record({
    voters: nodes,
    learners: nodes,
    votersOutgoing: nodes,
    learnersNext: nodes,
    autoLeave: fc.boolean(),
  }),
})
const common = { from: number, to: number, term: number }
const is = <T extends string>(type: T) => fc.constant(type)

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ ...common, type: is('prop'), entries }),
  fc.record({ ...common, type: is('app'), prev: id, entries, commit: number }),
  fc.record({ ...common, type: is('app-resp'), index: number, reject: fc.boolean(), hint: id }),
  fc.record({
    ...common,
    type: fc.constantFrom('vote' as const, 'pre-vote' as const),
    last: id,
    isTransfer: fc.boolean(),
  }),
  fc.record({
    ...common,
    type: fc.constantFrom('vote-resp' as const, 'pre-vote-resp' as const),
    reject: fc.boolean(),
  }),
  fc.record({ ...common, type: is('snap'), snapshot }),
  fc.record({ ...common, type: is('heartbeat'), commit: number, context }),
  fc.record({ ...common, type: is('heartbeat-resp'), context }),
  fc.record({ ...common, type: is('read-index'), context }),
  fc.record({ ...common, type: is('read-index-resp'), index: number, context }),
  fc.record({ ...common, type: is('transfer-leader') }),
  fc.record({ ...common, type: is('timeout-now') }),
)

/** Data of decoded entries is a view of the frame; for comparing, what counts is its content. */
function plain(one: Message): unknown {
  if (!('entries' in one)) return one
  return { ...one, entries: one.entries.map((each) => ({ ...each, data: [...each.data] })) }
}

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeMessage(bytes)
    return 'ok'
  } catch (error) {
    return error instanceof RaftwayError ? error.code : String(error)
  }
}

test('every message comes out as it went in, sizes of entries included', () => {
  fc.assert(
    fc.property(message, fc.nat(20), (one, reserved) => {
      const bytes = encodeMessage(one, reserved)
      expect(plain(decodeMessage(bytes.subarray(reserved)))).toEqual(plain(one))
    }),
    { numRuns: 3_000 },
  )
})

test('every proper beginning of a message is refused, and so is anything behind it', () => {
  fc.assert(
    fc.property(message, (one) => {
      const bytes = encodeMessage(one)
      for (let length = 0; length < bytes.length; length++) {
        expect(outcomeOf(bytes.subarray(0, length))).toBe('FRAME_CORRUPT')
      }
      expect(outcomeOf(Buffer.concat([bytes, Buffer.from([0])]))).toBe('FRAME_CORRUPT')
    }),
    { numRuns: 200 },
  )
})

test('random and damaged bytes give a message or FRAME_CORRUPT, and nothing else', () => {
  const outcomes = new Set<string>()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      outcomes.add(outcomeOf(bytes))
      outcomes.add(outcomeOf(Buffer.concat([Buffer.from([1, 1 + (bytes[0] ?? 0) / 18]), bytes])))
    }),
    { numRuns: 5_000 },
  )
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (one, where, value) => {
      const bytes = encodeMessage(one)
      bytes[where % bytes.length] = value
      outcomes.add(outcomeOf(bytes))
    }),
    { numRuns: 5_000 },
  )
  expect([...outcomes].toSorted()).toEqual(['FRAME_CORRUPT', 'ok'])
})

test('a list that claims to be longer than its bytes allocates nothing', () => {
  // prop, to 1, from 2, term 3, then 2^53 - 1 entries.
  const bytes = Buffer.from([1, 1, 1, 2, 3, 255, 255, 255, 255, 255, 255, 255, 15])
  expect(() => decodeMessage(bytes)).toThrow('a list ends too early')
})

test('a number beyond 2^53 - 1 is refused', () => {
  const bytes = Buffer.from([1, 12, 255, 255, 255, 255, 255, 255, 255, 16, 1, 1])
  expect(() => decodeMessage(bytes)).toThrow('larger than 2^53 - 1')
})

test('local messages never leave their node', () => {
  const local: Message = { type: 'hup', from: 1, to: 1, term: 0 }
  expect(isWireMessage(local)).toBe(false)
  expect(() => encodeMessage(local)).toThrow(AssertionError)
})

// Nodes of two versions talk to each other during an upgrade: these bytes may only change with the version in front.
test('the bytes of version 1 stay as they are', () => {
  const data = Buffer.from('hi')
  const append: Message = {
    type: 'app',
    from: 300,
    to: 2,
    term: 7,
    prev: { term: 6, index: 128 },
    entries: [makeEntry({ term: 7, index: 129 }, 'normal', data)],
    commit: 2 ** 40,
  }
  expect(encodeMessage(append).toString('hex')).toBe(
    '010202ac02070680018080808080200100078101026869',
  )
  const beat: Message = { type: 'heartbeat', from: 1, to: 2, term: 3, commit: 4, context: 'ü' }
  expect(encodeMessage(beat).toString('hex')).toBe('01090201030402c3bc')
})
