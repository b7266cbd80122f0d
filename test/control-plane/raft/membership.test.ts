// Membership changes at random, checked against the invariants of joint consensus, and restored from what is stored.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MemberChange } from '../../../control-plane/raft/conf-change.ts'
import {
  changeSimply,
  confStateOf,
  enterJoint,
  leaveJoint,
  NO_MEMBERS,
  restoreMembers,
  type Changed,
  type Members,
} from '../../../control-plane/raft/membership.ts'

const NEWCOMER = { lastIndex: 7, inflightMessagesMax: 10, inflightBytesMax: 0 }

const changes: fc.Arbitrary<MemberChange[]> = fc.array(
  fc.record({
    type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
    id: fc.integer({ min: 0, max: 6 }),
  }),
  { minLength: 1, maxLength: 5 },
)

const operation = fc.oneof(
  fc.record({ kind: fc.constant('simple' as const), changes }),
  fc.record({ kind: fc.constant('enter' as const), changes, autoLeave: fc.boolean() }),
  fc.record({ kind: fc.constant('leave' as const) }),
)

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

function run(members: Members, step: Operation): Changed {
  if (step.kind === 'simple') return changeSimply(members, step.changes, NEWCOMER)
  if (step.kind === 'leave') return leaveJoint(members, NEWCOMER)
  return enterJoint(members, step.changes, { autoLeave: step.autoLeave, newcomer: NEWCOMER })
}

function start(voters: readonly number[]): Members {
  const adding = voters.map((id): MemberChange => ({ type: 'add-voter', id }))
  return adding.reduce((members, change) => {
    const changed = changeSimply(members, [change], NEWCOMER)
    return changed.ok ? changed.members : members
  }, NO_MEMBERS)
}

function summary({ membership, progress }: Members): unknown {
  const learning = [...progress].map(([id, { isLearner }]) => [id, isLearner])
  return { membership, learning: learning.toSorted(([a], [b]) => Number(a) - Number(b)) }
}

/** What must hold of any membership in force. */
function faults({ membership, progress }: Members): string[] {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = membership
  const voters = new Set([...incoming, ...outgoing])
  const everyone = new Set([...voters, ...learners])
  const isJoint = outgoing.length > 0
  const found = [
    incoming.length === 0 && 'nobody votes',
    learners.some((id) => voters.has(id)) && 'somebody votes and learns',
    learnersNext.some((id) => !outgoing.includes(id)) && 'a waiting learner did not vote before',
    learnersNext.some((id) => incoming.includes(id)) && 'a waiting learner goes on voting',
    !isJoint && (learnersNext.length > 0 || autoLeave) && 'half of a joint membership is left over',
    everyone.symmetricDifference(new Set(progress.keys())).size > 0 && 'progress of other members',
    [...progress].some(([id, one]) => one.isLearner !== learners.includes(id)) &&
      'wrong learner mark',
  ]
  return found.filter((fault) => fault !== false)
}

test('random changes keep the invariants, and a refused one changes nothing', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30 }), (steps) => {
      let members = start([1, 2, 3])
      for (const step of steps) {
        const before = summary(members)
        const changed = run(members, step)
        expect(summary(members)).toEqual(before)
        if (!changed.ok) continue
        members = changed.members
        expect(faults(members)).toEqual([])
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a simple change moves at most one voter, and any two quorums before and after it meet', () => {
  fc.assert(
    fc.property(fc.subarray([1, 2, 3, 4, 5], { minLength: 1 }), changes, (voters, list) => {
      const members = start(voters)
      const changed = changeSimply(members, list, NEWCOMER)
      const after = changed.ok ? changed.members.membership.incoming : voters
      const moved = new Set(voters).symmetricDifference(new Set(after))
      expect(moved.size).toBeLessThanOrEqual(1)
      const union = new Set([...voters, ...after]).size
      const quorums = Math.floor(voters.length / 2) + 1 + Math.floor(after.length / 2) + 1
      expect(quorums).toBeGreaterThan(union)
    }),
    { numRuns: 5_000 },
  )
})

test('a joint change reaches what the same single changes would reach', () => {
  fc.assert(
    fc.property(changes, (list) => {
      const members = start([1, 2, 3])
      const joint = enterJoint(members, list, { autoLeave: false, newcomer: NEWCOMER })
      const left = joint.ok ? leaveJoint(joint.members, NEWCOMER) : joint
      let voters = new Set([1, 2, 3])
      for (const { type, id } of list) {
        if (id === 0 || type === 'update') continue
        voters = new Set(voters)
        if (type === 'add-voter') voters.add(id)
        else voters.delete(id)
      }
      const reached = left.ok ? left.members.membership.incoming : []
      expect(reached).toEqual([...voters].toSorted((a, b) => a - b))
    }),
    { numRuns: 5_000 },
  )
})

test('a stored membership restores to itself, joint or not', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), (steps) => {
      let members = start([1, 2, 3])
      for (const step of steps) {
        const changed = run(members, step)
        if (changed.ok) members = changed.members
      }
      const restored = restoreMembers(confStateOf(members.membership), NEWCOMER)
      expect(restored.ok && summary(restored.members)).toEqual(summary(members))
    }),
    { numRuns: 2_000 },
  )
})

test('progress survives a demotion; a newcomer starts near the end of the log', () => {
  const members = start([1, 2])
  const progress = members.progress.get(2)
  if (progress !== undefined) progress.match = 5
  const changed = changeSimply(
    members,
    [
      { type: 'add-learner', id: 2 },
      { type: 'add-learner', id: 3 },
    ],
    NEWCOMER,
  )
  const after = changed.ok ? changed.members.progress : new Map()
  expect(after.get(2)).toMatchObject({ match: 5, isLearner: true })
  expect(after.get(3)).toMatchObject({ match: 0, next: 7, isLearner: true, recentActive: true })
})
