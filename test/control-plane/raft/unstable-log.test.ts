import { describe, expect, test } from 'vitest'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import { NO_CONF_STATE } from '../../../control-plane/raft/memory-log.ts'
import type { Entry } from '../../../control-plane/raft/messages.ts'
import { UnstableLog } from '../../../control-plane/raft/unstable-log.ts'

const SNAPSHOT = { term: 1, index: 4, confState: NO_CONF_STATE }

function entries(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => makeEntry({ term, index: first + i }, 'normal', new Uint8Array(1)))
}

/** Entries from index 5 on. */
function unstable(...terms: number[]): UnstableLog {
  const log = new UnstableLog(5, null)
  log.truncateAndAppend(entries(5, ...terms), 0)
  return log
}

function idsOf(list: readonly Entry[]): string[] {
  return list.map(({ term, index }) => `${term}/${index}`)
}

describe('last index and terms', () => {
  test('nothing is decided here while nothing is held', () => {
    const log = unstable()
    expect([log.lastIndex(), log.term(4), log.term(5)]).toEqual([null, null, null])
  })

  test('entries decide from the offset on', () => {
    const log = unstable(1, 2)
    expect([log.lastIndex(), log.term(4), log.term(5), log.term(6), log.term(7)]).toEqual([
      6,
      null,
      1,
      2,
      null,
    ])
  })

  test('a snapshot decides its own index', () => {
    const log = unstable(1, 2)
    log.restore(SNAPSHOT)
    expect([log.lastIndex(), log.term(4), log.term(5), log.length]).toEqual([4, 1, null, 0])
  })
})

describe('handing out', () => {
  test('each entry is handed out once, and later ones are not lost', () => {
    const log = unstable(1, 1)
    expect(idsOf(log.nextEntries())).toEqual(['1/5', '1/6'])
    log.acceptInProgress()
    expect([log.hasNext(), log.nextEntries()]).toEqual([false, []])
    log.truncateAndAppend(entries(7, 2), 0)
    expect(idsOf(log.nextEntries())).toEqual(['2/7'])
  })

  test('what was handed out does not change when the log grows', () => {
    const log = unstable(1)
    const taken = log.nextEntries()
    log.truncateAndAppend(entries(6, 1), 0)
    expect(idsOf(taken)).toEqual(['1/5'])
  })

  test('a snapshot is handed out once and kept until it is durable', () => {
    const log = unstable()
    log.restore(SNAPSHOT)
    expect(log.nextSnapshot()).toBe(SNAPSHOT)
    log.acceptInProgress()
    expect([log.nextSnapshot(), log.snapshot]).toEqual([null, SNAPSHOT])
    log.stableSnapshotTo(3)
    expect(log.snapshot).toBe(SNAPSHOT)
    log.stableSnapshotTo(4)
    expect(log.snapshot).toBeNull()
  })
})

describe('becoming stable', () => {
  test('durable entries are let go, the rest stays', () => {
    const log = unstable(1, 1, 1)
    log.acceptInProgress()
    log.stableTo({ term: 1, index: 6 })
    expect([log.offset, log.length, log.term(7)]).toEqual([7, 1, 1])
    expect(log.hasNext()).toBe(false)
  })

  test('a report of replaced entries is ignored (another term)', () => {
    const log = unstable(1, 1)
    log.acceptInProgress()
    log.truncateAndAppend(entries(6, 2), 0)
    log.stableTo({ term: 1, index: 6 })
    expect([log.offset, log.length]).toEqual([5, 2])
  })

  test('a report of what is not here any more is ignored', () => {
    const log = unstable(1)
    log.stableTo({ term: 1, index: 4 })
    log.stableTo({ term: 1, index: 6 })
    expect([log.offset, log.length]).toEqual([5, 1])
    log.restore(SNAPSHOT)
    log.stableTo({ term: 1, index: 4 })
    expect(log.offset).toBe(5)
  })
})

describe('truncating', () => {
  const cases = [
    {
      first: 7,
      terms: [2],
      left: ['1/5', '1/6', '2/7'],
      inProgress: 7,
      what: 'appends at the end',
    },
    { first: 6, terms: [2], left: ['1/5', '2/6'], inProgress: 6, what: 'replaces the tail' },
    { first: 5, terms: [2, 2], left: ['2/5', '2/6'], inProgress: 5, what: 'replaces everything' },
    { first: 3, terms: [2], left: ['2/3'], inProgress: 3, what: 'goes below the offset' },
  ]
  for (const { first, terms, left, inProgress, what } of cases) {
    test(`an append that ${what} is handed out again from there`, () => {
      const log = unstable(1, 1)
      log.acceptInProgress()
      log.truncateAndAppend(entries(first, ...terms), 0)
      expect(idsOf(log.slice(log.offset, (log.lastIndex() ?? 0) + 1))).toEqual(left)
      expect(log.offsetInProgress).toBe(inProgress)
    })
  }

  test('a gap is our bug', () => {
    expect(() => unstable(1).truncateAndAppend(entries(9, 1), 0)).toThrow('gap')
  })
})
