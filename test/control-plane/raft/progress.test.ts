import { describe, expect, test } from 'vitest'
import { Inflights } from '../../../control-plane/raft/inflights.ts'
import { Progress } from '../../../control-plane/raft/progress.ts'

function progress(match: number, next: number): Progress {
  return new Progress({ match, next, isLearner: false, inflights: new Inflights(2, 0) })
}

describe('probe', () => {
  test('a probe pauses after one message with entries, and next stays', () => {
    const one = progress(3, 6)
    one.sentEntries(0, 0)
    expect(one.isPaused).toBe(false)
    one.sentEntries(2, 20)
    expect([one.isPaused, one.next]).toEqual([true, 6])
  })

  test('a rejection moves next back to the hint, but never to what matches', () => {
    const one = progress(3, 10)
    one.isFlowPaused = true
    expect(one.maybeDecrease(9, 5)).toBe(true)
    expect([one.next, one.isPaused]).toEqual([6, false])
    expect(one.maybeDecrease(5, 0)).toBe(true)
    expect(one.next).toBe(4)
  })

  test('a rejection of anything but the last probe is stale', () => {
    const one = progress(3, 10)
    expect(one.maybeDecrease(7, 5)).toBe(false)
    expect(one.next).toBe(10)
  })
})

describe('replicate', () => {
  test('sending moves next, and a full window pauses', () => {
    const one = progress(3, 9)
    one.becomeReplicate()
    expect(one.next).toBe(4)
    one.sentEntries(2, 20)
    expect([one.next, one.isPaused]).toEqual([6, false])
    one.sentEntries(1, 10)
    expect([one.next, one.isPaused, one.inflights.count]).toEqual([7, true, 2])
  })

  test('a rejection starts over after match, unless it is older than match', () => {
    const one = progress(3, 9)
    one.becomeReplicate()
    one.sentEntries(4, 4)
    expect(one.maybeDecrease(3, 1)).toBe(false)
    expect(one.maybeDecrease(5, 1)).toBe(true)
    expect(one.next).toBe(4)
  })

  test('an acknowledgement never moves match back', () => {
    const one = progress(3, 9)
    expect(one.maybeUpdate(3)).toBe(false)
    expect(one.maybeUpdate(12)).toBe(true)
    expect([one.match, one.next]).toEqual([12, 13])
  })

  test('a commit index is worth sending until the follower can follow it no further', () => {
    const one = progress(3, 9)
    expect(one.canBumpCommit(5)).toBe(true)
    one.sentCommit = 5
    expect(one.canBumpCommit(5)).toBe(false)
    one.sentCommit = 8
    expect(one.canBumpCommit(20)).toBe(false)
  })
})

describe('snapshot', () => {
  test('nothing may be sent until it is over', () => {
    const one = progress(3, 4)
    one.becomeSnapshot(10)
    expect([one.isPaused, one.next, one.pendingSnapshot]).toEqual([true, 11, 10])
    expect(() => one.sentEntries(1, 1)).toThrow('snapshot')
  })

  test('after it, probing goes on behind the snapshot, or behind match if that is further', () => {
    const one = progress(3, 4)
    one.becomeSnapshot(10)
    one.becomeProbe()
    expect([one.next, one.pendingSnapshot]).toEqual([11, 0])
    const other = progress(3, 4)
    other.becomeSnapshot(10)
    other.maybeUpdate(12)
    other.becomeProbe()
    expect(other.next).toBe(13)
  })
})
