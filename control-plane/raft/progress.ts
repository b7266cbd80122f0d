import { assert } from '../../shared/assert.ts'
import type { Inflights } from './inflights.ts'

/**
 * How the leader feeds one follower.
 *
 *   probe      one message an interval, until the follower says where its log matches
 *   replicate  optimistic: `next` moves when entries are sent, the window bounds them
 *   snapshot   nothing is sent until the snapshot is reported or acknowledged
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/**
 * What a leader believes about one follower, itself included. Meaningful on the leader only.
 * Source: Raft thesis 3.5 (nextIndex, matchIndex); etcd-io/raft tracker/progress.go.
 */
export class Progress {
  /** Highest index known to match. 0 ≤ match < next; it never falls within a term. */
  match: number
  /** Next index to send; what lies between match and next is on its way. Snapshot state: pending + 1. */
  next: number
  /** Highest commit index that was sent, as far as it is believed to arrive. */
  sentCommit = 0
  state: ProgressState = 'probe'
  /** Index of the snapshot that was sent; 0 outside the snapshot state. */
  pendingSnapshot = 0
  /** Whether the follower was heard since the last quorum check; always true for the leader itself. */
  recentActive = false
  /** A probe is out, or the window is full: send no more until an answer or a heartbeat's answer. */
  isFlowPaused = false
  isLearner: boolean
  readonly inflights: Inflights

  constructor(init: {
    readonly match: number
    readonly next: number
    readonly isLearner: boolean
    readonly inflights: Inflights
  }) {
    this.match = init.match
    this.next = init.next
    this.isLearner = init.isLearner
    this.inflights = init.inflights
  }

  /** A copy that shares the window: membership changes only touch `isLearner`. */
  clone(): Progress {
    const copy = new Progress(this)
    copy.sentCommit = this.sentCommit
    copy.state = this.state
    copy.pendingSnapshot = this.pendingSnapshot
    copy.recentActive = this.recentActive
    copy.isFlowPaused = this.isFlowPaused
    return copy
  }

  get isPaused(): boolean {
    return this.state === 'snapshot' || this.isFlowPaused
  }

  /** Starts over after `match`, or after a snapshot that is known to have been sent. */
  becomeProbe(): void {
    const after = this.state === 'snapshot' ? this.pendingSnapshot : 0
    this.#enter('probe')
    this.next = Math.max(this.match, after) + 1
    this.sentCommit = Math.min(this.sentCommit, this.next - 1)
  }

  becomeReplicate(): void {
    this.#enter('replicate')
    this.next = this.match + 1
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot')
    this.pendingSnapshot = index
    this.next = index + 1
    this.sentCommit = index
  }

  /** Notes an append of `count` entries from `next` on. A probe repeats them, so `next` stays. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== 'snapshot', 'nothing is appended while a snapshot is under way')
    if (this.state === 'probe') {
      if (count > 0) this.isFlowPaused = true
      return
    }
    if (count > 0) {
      this.next += count
      this.inflights.add(this.next - 1, bytes)
    }
    // A message that fills the window, or finds it full, is a probe: the flow waits for an answer.
    this.isFlowPaused = this.inflights.full
  }

  /** Whether sending `commit` now could move the follower's commit index. */
  canBumpCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1
  }

  /** Takes an acknowledgement of `index`; false when it says nothing new. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.isFlowPaused = false
    return true
  }

  /** Takes a rejection of the append after `rejected`; false when it is an old one. Raft thesis 3.5. */
  maybeDecrease(rejected: number, matchHint: number): boolean {
    if (this.state === 'replicate') {
      // Replication is optimistic and may be reordered: what already matched cannot be rejected.
      if (rejected <= this.match) return false
      this.next = this.match + 1
      this.sentCommit = Math.min(this.sentCommit, this.next - 1)
      return true
    }
    // A probe is sent one at a time, so an answer to anything but the last one is stale.
    if (this.next - 1 !== rejected) return false
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1)
    this.sentCommit = Math.min(this.sentCommit, this.next - 1)
    this.isFlowPaused = false
    return true
  }

  #enter(state: ProgressState): void {
    this.isFlowPaused = false
    this.pendingSnapshot = 0
    this.state = state
    this.inflights.reset()
  }
}
