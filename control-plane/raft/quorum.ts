import type { NodeId } from './messages.ts'

/** Who decides. In a joint membership both halves must agree (Raft thesis 4.3); `outgoing` is empty otherwise. */
export type Voters = { readonly incoming: readonly NodeId[]; readonly outgoing: readonly NodeId[] }

export type VoteResult = 'won' | 'lost' | 'pending'

/** What each voter has acknowledged; null while it has said nothing. */
export type Acknowledged = { acknowledged(voter: NodeId): number | null }

/**
 * The highest index that both halves of `voters` hold by majority.
 * An empty half commits everything, so that it never holds back the half that exists.
 */
export function committedIndex(voters: Voters, progress: Acknowledged): number {
  const incoming = majorityIndex(voters.incoming, progress)
  if (voters.outgoing.length === 0) return incoming
  return Math.min(incoming, majorityIndex(voters.outgoing, progress))
}

/** The highest index that a majority of `voters` holds; `MAX_SAFE_INTEGER` for no voters at all. */
export function majorityIndex(voters: readonly NodeId[], progress: Acknowledged): number {
  const count = voters.length
  if (count === 0) return Number.MAX_SAFE_INTEGER
  if (count === 1) return progress.acknowledged(voters[0] ?? 0) ?? 0
  const ascending: number[] = []
  for (const voter of voters) insert(ascending, progress.acknowledged(voter) ?? 0)
  // Of n sorted indexes, the majority-th from the top is held by a majority.
  return ascending[count - (Math.floor(count / 2) + 1)] ?? 0
}

/** Whether the election is decided: both halves must grant it; one half's refusal loses it. */
export function voteResult(voters: Voters, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const incoming = majorityVote(voters.incoming, votes)
  const outgoing = majorityVote(voters.outgoing, votes)
  if (incoming === outgoing) return incoming
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return 'pending'
}

/** The vote of one half. No voters at all are won by convention, like an index they all hold. */
export function majorityVote(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  if (voters.length === 0) return 'won'
  let granted = 0
  let missing = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const quorum = Math.floor(voters.length / 2) + 1
  if (granted >= quorum) return 'won'
  return granted + missing >= quorum ? 'pending' : 'lost'
}

/** Insertion keeps a handful of indexes sorted without the comparator calls of a general sort. */
function insert(ascending: number[], index: number): void {
  let at = ascending.length
  while (at > 0 && (ascending[at - 1] ?? 0) > index) {
    ascending[at] = ascending[at - 1] ?? 0
    at--
  }
  ascending[at] = index
}
