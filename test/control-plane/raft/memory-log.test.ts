import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { entriesBytes, makeEntry } from '../../../control-plane/raft/entry.ts'
import { MemoryLog, NO_CONF_STATE } from '../../../control-plane/raft/memory-log.ts'
import type { Entry } from '../../../control-plane/raft/messages.ts'

const ALL = Number.MAX_SAFE_INTEGER

function entries(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => makeEntry({ term, index: first + i }, 'normal', new Uint8Array(5)))
}

describe('reading', () => {
  test('an empty log begins at index 1', () => {
    const log = new MemoryLog()
    expect([log.firstIndex(), log.lastIndex(), log.term(0), log.term(1)]).toEqual([
      1,
      0,
      0,
      'unavailable',
    ])
    expect(log.snapshot()).toBeNull()
  })

  test('what is compacted and what is not here yet are told apart', () => {
    const log = new MemoryLog()
    log.append(entries(1, 1, 2, 3))
    log.compact(2)
    expect([1, 2, 3, 4].map((index) => log.term(index))).toEqual(['compacted', 2, 3, 'unavailable'])
    expect([log.entries(2, 4, ALL), log.entries(3, 5, ALL)]).toEqual(['compacted', 'unavailable'])
  })
})

describe('writing', () => {
  test('an overlapping append replaces what was there and after it', () => {
    const log = new MemoryLog()
    log.append(entries(1, 1, 1, 1))
    log.append(entries(2, 2))
    expect([log.lastIndex(), log.term(2), log.term(3)]).toEqual([2, 2, 'unavailable'])
  })

  test('an append below the compacted index keeps only what is above it', () => {
    const log = new MemoryLog()
    log.append(entries(1, 1, 1, 1))
    log.compact(2)
    log.append(entries(1, 1, 1, 2, 2))
    expect([log.firstIndex(), log.lastIndex(), log.term(3)]).toEqual([3, 4, 2])
  })

  test('a gap is our bug', () => {
    expect(() => new MemoryLog().append(entries(2, 1))).toThrow('gaps')
  })

  test('a received snapshot replaces everything', () => {
    const log = new MemoryLog()
    log.append(entries(1, 1, 1))
    const snapshot = { term: 3, index: 9, confState: { ...NO_CONF_STATE, voters: [1] } }
    log.applySnapshot(snapshot)
    expect([log.firstIndex(), log.lastIndex(), log.term(9), log.bytes]).toEqual([10, 9, 3, 0])
    expect([log.snapshot(), log.initialState().confState.voters]).toEqual([snapshot, [1]])
  })
})

test('the window behaves like a plain list, and knows its bytes', () => {
  const step = fc.oneof(
    fc.record({ append: fc.integer({ min: 0, max: 6 }), back: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ compact: fc.integer({ min: 0, max: 8 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const log = new MemoryLog()
      let list: Entry[] = []
      let base = 0
      let term = 1
      for (const one of steps) {
        if ('append' in one) {
          const first = Math.max(base + 1, base + list.length + 1 - one.back)
          const added = entries(first, ...Array.from({ length: one.append }, () => term))
          log.append(added)
          if (added.length > 0) list = [...list.slice(0, first - base - 1), ...added]
          term++
        } else {
          const count = Math.min(one.compact, list.length)
          log.compact(base + count)
          list = list.slice(count)
          base += count
        }
        expect([log.firstIndex(), log.lastIndex()]).toEqual([base + 1, base + list.length])
        expect(log.entries(base + 1, base + list.length + 1, ALL)).toEqual(list)
        expect(log.bytes).toBe(entriesBytes(list))
      }
    }),
  )
})
