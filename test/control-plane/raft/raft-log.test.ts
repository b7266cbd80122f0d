import { describe, expect, test } from 'vitest'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import { MemoryLog, NO_CONF_STATE } from '../../../control-plane/raft/memory-log.ts'
import type { Entry, MessageOf } from '../../../control-plane/raft/messages.ts'
import { RaftLog } from '../../../control-plane/raft/raft-log.ts'

const ALL = Number.MAX_SAFE_INTEGER

function entries(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => makeEntry({ term, index: first + i }, 'normal', new Uint8Array(10)))
}

/** Stored entries from index 1 on, then unstable ones. */
function logOf(stored: number[], unstable: number[], applyingBytesMax = ALL): RaftLog {
  const storage = new MemoryLog()
  storage.append(entries(1, ...stored))
  const log = new RaftLog(storage, applyingBytesMax, null)
  log.append(entries(stored.length + 1, ...unstable))
  return log
}

function app(prevIndex: number, prevTerm: number, terms: number[], commit = 0): MessageOf<'app'> {
  const prev = { term: prevTerm, index: prevIndex }
  return {
    type: 'app',
    from: 2,
    to: 1,
    term: 9,
    prev,
    entries: entries(prevIndex + 1, ...terms),
    commit,
  }
}

function termsOf(log: RaftLog): number[] {
  return (log.entries(log.firstIndex(), ALL) ?? []).map(({ term }) => term)
}

test('stored and unstable entries read as one log', () => {
  const log = logOf([1, 1, 2], [2, 3])
  expect(log.last()).toEqual({ term: 3, index: 5 })
  expect([0, 1, 3, 4, 5, 6].map((index) => log.term(index))).toEqual([0, 1, 2, 2, 3, null])
  expect(termsOf(log)).toEqual([1, 1, 2, 2, 3])
  expect(log.slice(3, 5, ALL)?.map(({ index }) => index)).toEqual([3, 4])
})

test('a page holds as many entries as fit, at least one, across the stored edge', () => {
  const log = logOf([1, 1], [1, 1])
  const [{ size } = { size: 0 }] = entries(1, 1)
  const counts = [0, size, size * 2, size * 3, size * 3 + 1, ALL].map(
    (max) => log.entries(1, max)?.length,
  )
  expect(counts).toEqual([1, 1, 2, 3, 3, 4])
})

test('compacted entries are null, and the term before the first one is known', () => {
  const storage = new MemoryLog()
  storage.append(entries(1, 1, 2, 3))
  storage.compact(2)
  const log = new RaftLog(storage, ALL, null)
  expect([log.firstIndex(), log.term(1), log.term(2), log.entries(2, ALL)]).toEqual([
    3,
    null,
    2,
    null,
  ])
})

describe('maybeAppend', () => {
  const cases: readonly [string, MessageOf<'app'>, number | null, number[], number][] = [
    ['after a wrong previous term is refused', app(3, 4, [4]), null, [1, 2, 3], 1],
    ['after an index that is not here is refused', app(4, 3, [4]), null, [1, 2, 3], 1],
    ['at the end is taken', app(3, 3, [3, 4]), 5, [1, 2, 3, 3, 4], 1],
    ['of what is already here keeps the rest', app(1, 1, [2]), 2, [1, 2, 3], 1],
    ['that conflicts replaces what follows too', app(1, 1, [4]), 2, [1, 4], 1],
    ['commits with the leader', app(3, 3, [4], 4), 4, [1, 2, 3, 4], 4],
    ['commits no further than it knows to match', app(1, 1, [2], 9), 2, [1, 2, 3], 2],
    ['never takes a commit back', app(3, 3, [], 0), 3, [1, 2, 3], 1],
  ]
  for (const [what, message, last, terms, committed] of cases) {
    test(`an append ${what}`, () => {
      const log = logOf([1, 2, 3], [])
      log.commitTo(1)
      expect(log.maybeAppend(message)).toBe(last)
      expect([termsOf(log), log.committed]).toEqual([terms, committed])
    })
  }

  test('a conflict with a committed entry is our bug', () => {
    const log = logOf([1, 2, 3], [])
    log.commitTo(2)
    expect(() => log.maybeAppend(app(1, 1, [5]))).toThrow('committed')
  })
})

test('the guess where logs end matching skips whole terms', () => {
  const log = logOf([2, 2, 5, 5, 5], [7])
  expect(log.findConflictByTerm(6, 6)).toEqual({ term: 5, index: 5 })
  expect(log.findConflictByTerm(5, 4)).toEqual({ term: 2, index: 2 })
  expect(log.findConflictByTerm(5, 1)).toEqual({ term: 0, index: 0 })
  expect(log.findConflictByTerm(9, 9)).toEqual({ term: 0, index: 9 })
})

describe('applying', () => {
  test('committed entries are handed out once, and unstable ones only if allowed', () => {
    const log = logOf([1, 1], [1, 1])
    log.commitTo(3)
    expect(log.nextCommitted(false).map(({ index }) => index)).toEqual([1, 2])
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([1, 2, 3])
    log.acceptApplying(3, 30, true)
    expect([log.hasNextCommitted(true), log.nextCommitted(true)]).toEqual([false, []])
  })

  test('no more bytes are out than the limit, until some are applied', () => {
    const [{ size } = { size: 0 }] = entries(1, 1)
    const log = logOf([1, 1, 1, 1], [], size * 2)
    log.commitTo(4)
    expect(log.nextCommitted(true)).toHaveLength(2)
    log.acceptApplying(2, size * 2, true)
    expect(log.hasNextCommitted(true)).toBe(false)
    log.appliedTo(1, size)
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([3])
  })

  test('applying pauses when the next entry would not have fitted', () => {
    const [{ size } = { size: 0 }] = entries(1, 1)
    const log = logOf([1, 1, 1], [], size * 2 - 1)
    log.commitTo(3)
    expect(log.nextCommitted(true)).toHaveLength(1)
    log.acceptApplying(1, size, true)
    expect(log.hasNextCommitted(true)).toBe(false)
    log.appliedTo(1, size)
    expect(log.hasNextCommitted(true)).toBe(true)
  })

  test('nothing is handed out beside a snapshot that is not installed yet', () => {
    const log = logOf([1], [])
    log.restore({ term: 2, index: 8, confState: NO_CONF_STATE })
    expect([log.hasNextCommitted(true), log.committed, log.lastIndex(), log.firstIndex()]).toEqual([
      false,
      8,
      8,
      9,
    ])
  })
})
