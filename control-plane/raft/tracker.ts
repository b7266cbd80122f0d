import { assert } from '../../shared/assert.ts'
import { NO_MEMBERS, type Members, type Membership } from './membership.ts'
import type { NodeId } from './messages.ts'
import type { Progress } from './progress.ts'
import { committedIndex, voteResult, type Acknowledged, type VoteResult } from './quorum.ts'

/** The members in force, what is known of each, and the votes of a running election. */
export class Tracker implements Acknowledged {
  #membership: Membership = NO_MEMBERS.membership
  #progress: ReadonlyMap<NodeId, Progress> = NO_MEMBERS.progress
  #ids: readonly NodeId[] = []
  #votes = new Map<NodeId, boolean>()

  get membership(): Membership {
    return this.#membership
  }

  /** Everyone tracked, ascending: the order in which messages are sent. */
  get ids(): readonly NodeId[] {
    return this.#ids
  }

  get votes(): ReadonlyMap<NodeId, boolean> {
    return this.#votes
  }

  get(id: NodeId): Progress | undefined {
    return this.#progress.get(id)
  }

  /** The progress of somebody in `ids`. */
  must(id: NodeId): Progress {
    const progress = this.#progress.get(id)
    assert(progress !== undefined, 'every member has a progress')
    return progress
  }

  adopt(members: Members): void {
    this.#membership = members.membership
    this.#progress = members.progress
    this.#ids = [...members.progress.keys()].sort((a, b) => a - b)
  }

  /** Forgets the progress and keeps the membership: a new term begins. */
  reset(makeProgress: (id: NodeId, isLearner: boolean) => Progress): void {
    const fresh = new Map<NodeId, Progress>()
    for (const id of this.#ids) fresh.set(id, makeProgress(id, this.must(id).isLearner))
    this.#progress = fresh
    this.resetVotes()
  }

  members(): Members {
    return { membership: this.#membership, progress: this.#progress }
  }

  /** Voters of both halves, ascending, each once. */
  voters(): readonly NodeId[] {
    const { incoming, outgoing } = this.#membership
    if (outgoing.length === 0) return incoming
    return [...new Set([...incoming, ...outgoing])].sort((a, b) => a - b)
  }

  isVoter(id: NodeId): boolean {
    return this.#membership.incoming.includes(id) || this.#membership.outgoing.includes(id)
  }

  acknowledged(voter: NodeId): number | null {
    return this.#progress.get(voter)?.match ?? null
  }

  /** Highest index that a quorum holds (Raft thesis 3.5), whatever its term. */
  committed(): number {
    return committedIndex(this.#membership, this)
  }

  /** Whether a quorum was heard since the last check. */
  isQuorumActive(): boolean {
    const heard = new Map<NodeId, boolean>()
    for (const id of this.#ids) {
      const progress = this.must(id)
      if (!progress.isLearner) heard.set(id, progress.recentActive)
    }
    return voteResult(this.#membership, heard) === 'won'
  }

  resetVotes(): void {
    this.#votes = new Map()
  }

  /** The first vote of a node counts; a repeated message cannot change it. */
  recordVote(id: NodeId, isGranted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, isGranted)
  }

  tally(): { readonly granted: number; readonly rejected: number; readonly result: VoteResult } {
    let granted = 0
    let rejected = 0
    for (const id of this.#ids) {
      if (this.must(id).isLearner) continue
      const vote = this.#votes.get(id)
      if (vote === true) granted++
      else if (vote === false) rejected++
    }
    return { granted, rejected, result: voteResult(this.#membership, this.#votes) }
  }
}
