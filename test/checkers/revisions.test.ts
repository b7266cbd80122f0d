// Goal: the checker finds each kind of fault, and nothing in what is right. Method: one history a fault, then random
// histories of a real register, whole and spoilt, against the same rules written as pairs of calls.
import { describe, expect, test } from 'vitest'
import { Random } from '../../shared/random.ts'
import { callsOf, HistoryRecorder, type Call, type Operation } from './history.ts'
import { playRegister } from './random-register.ts'
import { checkRevisions, type CommittedRevision } from './revisions.ts'

/** Two writes one after the other and a read: what a right log says of it is `RIGHT`. */
function history(change: (recorder: HistoryRecorder) => void = () => {}): Operation[] {
  let time = 0
  const recorder = new HistoryRecorder(() => time++)
  recorder.invoke({ process: 1, op: 'put', key: 'a', value: 'x' }).ok({ revision: 1 })
  recorder.invoke({ process: 1, op: 'put', key: 'b', value: 'y' }).ok({ revision: 2 })
  recorder.invoke({ process: 1, op: 'delete', key: 'a' }).ok({ revision: 3 })
  change(recorder)
  return recorder.history
}

const RIGHT: readonly CommittedRevision[] = [
  { revision: 1, changes: [{ key: 'a', value: 'x' }] },
  { revision: 2, changes: [{ key: 'b', value: 'y' }] },
  { revision: 3, changes: [{ key: 'a', value: null }] },
]

test('what is right has no problem, also with unknown writes on either side', () => {
  const calls = (recorder: HistoryRecorder) => {
    recorder.invoke({ process: 1, op: 'put', key: 'a', value: 'never' }).info()
    recorder.invoke({ process: 1, op: 'put', key: 'b', value: 'late' }).info()
    recorder.invoke({ process: 1, op: 'get', key: 'b' }).ok({ value: 'y', revision: 2 })
    recorder.invoke({ process: 1, op: 'cas', key: 'b', value: 'no', ifRevision: 1 }).fail(2)
  }
  const late = { revision: 4, changes: [{ key: 'b', value: 'late' }] }
  expect(checkRevisions(history(calls), [...RIGHT, late], { isComplete: true })).toEqual([])
  expect(checkRevisions(history(calls), null)).toEqual([])
})

test('a transaction gives its calls one revision', () => {
  const calls = (recorder: HistoryRecorder) => {
    const both = [1, 2].map((process) =>
      recorder.invoke({ process, op: 'put', key: `t${process}`, value: process }),
    )
    for (const call of both) call.ok({ revision: 4 })
  }
  const together = {
    revision: 4,
    changes: [
      { key: 't1', value: 1 },
      { key: 't2', value: 2 },
    ],
  }
  expect(checkRevisions(history(calls), [...RIGHT, together], { isComplete: true })).toEqual([])
})

describe('found', () => {
  test('an acknowledged write that is not there', () => {
    expect(checkRevisions(history(), RIGHT.slice(0, 2))).toEqual([
      expect.stringMatching(/delete of a .* is not there in the end/),
    ])
  })

  test('another value at its revision', () => {
    const other = RIGHT.with(1, { revision: 2, changes: [{ key: 'b', value: 'z' }] })
    expect(checkRevisions(history(), other)).toEqual([
      expect.stringMatching(/put of b .* revision 2 holds "z"/),
    ])
  })

  test('a revision that is missing, and one that is twice', () => {
    const gap = [...RIGHT, { revision: 5, changes: [] }]
    expect(checkRevisions(history(), gap)).toEqual(['revision 5 follows revision 3'])
    const twice = [...RIGHT, { revision: 3, changes: [] }]
    expect(checkRevisions(history(), twice)).toEqual(['revision 3 follows revision 3'])
  })

  test('one revision for two writes of a key', () => {
    const calls = (recorder: HistoryRecorder) => {
      const two = [1, 2].map((process) =>
        recorder.invoke({ process, op: 'put', key: 'c', value: process }),
      )
      for (const call of two) call.ok({ revision: 4 })
    }
    expect(checkRevisions(history(calls), null)).toEqual([
      expect.stringMatching(/have one revision, 4/),
    ])
  })

  test('revisions against real time, also of different keys', () => {
    const calls = (recorder: HistoryRecorder) => {
      recorder.invoke({ process: 1, op: 'put', key: 'c', value: 1 }).ok({ revision: 9 })
      recorder.invoke({ process: 2, op: 'put', key: 'd', value: 1 }).ok({ revision: 8 })
    }
    expect(checkRevisions(history(calls), null)).toEqual([
      expect.stringMatching(/put of d .* began after the put of c .* had ended/),
    ])
  })

  test('a failed write that is there', () => {
    const calls = (recorder: HistoryRecorder) =>
      recorder.invoke({ process: 1, op: 'cas', key: 'b', value: 'no', ifRevision: 1 }).fail(2)
    const there = { revision: 4, changes: [{ key: 'b', value: 'no' }] }
    expect(checkRevisions(history(calls), [...RIGHT, there])).toEqual([
      expect.stringMatching(/cas of b .* is there as revision 4/),
    ])
  })

  test('a change that nobody asked for', () => {
    const alien = { revision: 4, changes: [{ key: 'b', value: 'alien' }] }
    expect(checkRevisions(history(), [...RIGHT, alien])).toEqual([])
    expect(checkRevisions(history(), [...RIGHT, alien], { isComplete: true })).toEqual([
      'revision 4 of b comes from no call',
    ])
  })

  test('a read of what was written later, of another value, and of what no revision holds', () => {
    const early = (recorder: HistoryRecorder) => {
      recorder.invoke({ process: 1, op: 'get', key: 'c' }).ok({ value: 'w', revision: 4 })
      recorder.invoke({ process: 1, op: 'put', key: 'c', value: 'w' }).ok({ revision: 4 })
    }
    expect(checkRevisions(history(early), null)).toEqual([
      expect.stringMatching(/get of c .* ended before the put of c .* began/),
    ])
    const other = (recorder: HistoryRecorder) =>
      recorder.invoke({ process: 1, op: 'get', key: 'b' }).ok({ value: 'z', revision: 2 })
    expect(checkRevisions(history(other), null)).toEqual([
      expect.stringMatching(/get of b .* read another value/),
    ])
    const nowhere = (recorder: HistoryRecorder) =>
      recorder.invoke({ process: 1, op: 'get', key: 'b' }).ok({ value: 'z', revision: 7 })
    expect(checkRevisions(history(nowhere), RIGHT)).toEqual([
      expect.stringMatching(/get of b .* is not there in the end/),
    ])
  })
})

test('random histories, whole and spoilt, are judged as pair by pair', () => {
  const seen = { good: 0, bad: 0 }
  for (let seed = 1; seed <= 1_000; seed++) {
    const random = new Random(seed)
    const played = playRegister({ random, keys: 2, processes: 4, calls: 30, unknownIn: 5 })
    const spoilt = seed % 3 === 0 ? played : shiftRevision(played, random)
    const isBad = checkRevisions(spoilt, null).length > 0
    expect({ seed, isBad }).toEqual({ seed, isBad: isBadByPairs(callsOf(spoilt)) })
    seen[isBad ? 'bad' : 'good']++
  }
  expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(200)
})

function isBadByPairs(calls: readonly Call[]): boolean {
  const done = calls.filter(
    ({ outcome, read, op }) => outcome === 'ok' && (op !== 'get' || read !== null),
  )
  return done.some((a) =>
    done.some((b) => {
      if (a === b || a.op === 'get') return false
      const isSame = a.key === b.key && a.revision === b.revision
      if (b.op === 'get') return isSame && (a.wanted !== b.read || a.invokedAt > b.endedAt)
      return isSame || (a.endedAt < b.invokedAt && a.revision! >= b.revision!)
    }),
  )
}

/** Moves the revision of one acknowledged answer by a little. */
function shiftRevision(history: readonly Operation[], random: Random): Operation[] {
  const acknowledged = history.flatMap(({ revision }, at) =>
    revision !== null && revision > 3 ? [at] : [],
  )
  const at = acknowledged[random.below(Math.max(1, acknowledged.length))]
  const by = random.below(7) - 3
  return history.map((event, i) =>
    i === at ? { ...event, revision: event.revision! + by } : event,
  )
}
