// Quorum arithmetic against a second implementation that only counts, on random voters and acknowledgements.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../control-plane/raft/messages.ts'
import { committedIndex, voteResult, type Voters } from '../../../control-plane/raft/quorum.ts'

const CASES = 50_000

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 9 })
const votersOf = fc.record({ incoming: ids, outgoing: fc.oneof(fc.constant([]), ids) })
const answers = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> =>
  fc.array(fc.option(value, { nil: null }), { minLength: 12, maxLength: 12 })

/** Tries every index from the top down and counts who holds it. */
function countedIndex(voters: Voters, held: (id: NodeId) => number): number {
  for (let index = 40; index > 0; index--) {
    const isHeldBy = (half: readonly NodeId[]): boolean => {
      const holders = half.filter((id) => held(id) >= index)
      return half.length === 0 || holders.length * 2 > half.length
    }
    if (isHeldBy(voters.incoming) && isHeldBy(voters.outgoing)) return index
  }
  return 0
}

/** Plays out every way the silent voters could still vote: a result is decided when all ways agree. */
function playedOut(voters: Voters, votes: ReadonlyMap<NodeId, boolean>): string {
  const wins = (silentSayYes: boolean): boolean => {
    return [voters.incoming, voters.outgoing].every((half) => {
      const yes = half.filter((id) => votes.get(id) ?? silentSayYes)
      return half.length === 0 || yes.length * 2 > half.length
    })
  }
  if (wins(false)) return 'won'
  return wins(true) ? 'pending' : 'lost'
}

test('the committed index is the one that counting finds, in majorities and joint memberships', () => {
  fc.assert(
    fc.property(votersOf, answers(fc.integer({ min: 0, max: 30 })), (voters, indexes) => {
      const acknowledged = (id: NodeId): number | null => indexes[id - 1] ?? null
      const expected =
        voters.incoming.length === 0 && voters.outgoing.length === 0
          ? Number.MAX_SAFE_INTEGER
          : countedIndex(voters, (id) => acknowledged(id) ?? 0)
      expect(committedIndex(voters, { acknowledged })).toBe(expected)
    }),
    { numRuns: CASES },
  )
})

test('an election is decided exactly when no silent voter can change it', () => {
  fc.assert(
    fc.property(votersOf, answers(fc.boolean()), (voters, cast) => {
      const votes = new Map<NodeId, boolean>()
      for (const [at, vote] of cast.entries()) if (vote !== null) votes.set(at + 1, vote)
      expect(voteResult(voters, votes)).toBe(playedOut(voters, votes))
    }),
    { numRuns: CASES },
  )
})

test('the halves of a joint membership are interchangeable', () => {
  fc.assert(
    fc.property(votersOf, answers(fc.integer({ min: 0, max: 30 })), (voters, indexes) => {
      const acknowledged = (id: NodeId): number | null => indexes[id - 1] ?? null
      const swapped = { incoming: voters.outgoing, outgoing: voters.incoming }
      expect(committedIndex(swapped, { acknowledged })).toBe(
        committedIndex(voters, { acknowledged }),
      )
    }),
    { numRuns: 1_000 },
  )
})
