import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeConfChange,
  encodeConfChange,
  encodeSingleChange,
  type ConfChange,
} from '../../../control-plane/raft/conf-change.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type { EntryType } from '../../../control-plane/raft/messages.ts'

const ID = { term: 1, index: 1 }

const member = fc.record({
  type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
  id: fc.maxSafeNat(),
})

function decode(type: EntryType, data: Uint8Array): ConfChange {
  return decodeConfChange(makeEntry(ID, type, data))
}

test('a change survives its entry', () => {
  const change = fc.record({
    transition: fc.constantFrom('auto', 'joint-implicit', 'joint-explicit'),
    changes: fc.array(member, { maxLength: 8 }),
    context: fc.uint8Array({ maxLength: 300 }),
  })
  fc.assert(
    fc.property(change, (given) => {
      expect(decode('conf-change-v2', encodeConfChange(given))).toEqual(given)
    }),
  )
})

test('a single change of the old format reads as the same change', () => {
  fc.assert(
    fc.property(member, fc.uint8Array({ maxLength: 20 }), (given, context) => {
      const read = decode('conf-change', encodeSingleChange(given, context))
      expect(read).toEqual({ transition: 'auto', changes: [given], context })
    }),
  )
})

test('an empty payload leaves a joint membership', () => {
  const empty = new Uint8Array(0)
  expect(decode('conf-change-v2', empty)).toEqual({
    transition: 'auto',
    changes: [],
    context: empty,
  })
})

test('a damaged payload is a RangeError or another change, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
      const read = (): unknown => {
        try {
          return decode('conf-change-v2', data).transition
        } catch (error) {
          return error
        }
      }
      const outcome = read()
      expect(typeof outcome === 'string' || outcome instanceof RangeError).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('an ordinary entry is not a change', () => {
  expect(() => decode('normal', new Uint8Array(0))).toThrow(RangeError)
})
