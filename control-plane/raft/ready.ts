import type { ConfState, Entry, HardState, Message, NodeId, SnapshotMeta } from './messages.ts'
import type { ProgressState } from './progress.ts'

export type Role = 'follower' | 'candidate' | 'pre-candidate' | 'leader'

/** What need not survive a restart. `leader` is `NO_NODE` while unknown. */
export type SoftState = { readonly leader: NodeId; readonly role: Role }

/** A read asked for with `context` is linearizable once `index` is applied here (Raft thesis 6.4). */
export type ReadState = { readonly index: number; readonly context: string }

/**
 * What the shell has to do, in this order. Null and empty fields ask for nothing.
 *
 *   synchronous mode   write hardState, entries and snapshot (durably if `mustSync`); then send the messages;
 *                      apply the snapshot, then `committed`; then `advance()`
 *   asynchronous mode  send the messages at once: those to `APPEND_THREAD` and `APPLY_THREAD` carry the other
 *                      fields, and carry the answers to deliver when that work is done; no `advance()`
 *
 * The arrays belong to the caller; their entries stay shared and are never written to.
 */
export type Ready = {
  readonly softState: SoftState | null
  readonly hardState: HardState | null
  readonly readStates: readonly ReadState[]
  readonly entries: readonly Entry[]
  readonly snapshot: SnapshotMeta | null
  readonly committed: readonly Entry[]
  readonly messages: readonly Message[]
  /** Whether the write must reach the disk before the messages leave; false for a mere commit index. */
  readonly mustSync: boolean
}

/** `dropped`: no leader, leadership transfer, uncommitted limit, or the sender is not a member. Nothing happened. */
export type Outcome = 'ok' | 'dropped'

/** What the leader believes about a member. */
export type ProgressStatus = {
  readonly match: number
  readonly next: number
  readonly state: ProgressState
  readonly pendingSnapshot: number
  readonly isLearner: boolean
  readonly isPaused: boolean
  readonly recentActive: boolean
  readonly inflightMessages: number
  readonly isInflightFull: boolean
}

/** A copy of the core's state, for people and metrics. */
export type Status = {
  readonly id: NodeId
  readonly term: number
  readonly vote: NodeId
  readonly commit: number
  readonly applied: number
  readonly lastIndex: number
  readonly leader: NodeId
  readonly role: Role
  readonly leadTransferee: NodeId
  readonly confState: ConfState
  readonly hasJointMembership: boolean
  /** Every member's progress, ids ascending; null unless this node leads. */
  readonly progress: ReadonlyMap<NodeId, ProgressStatus> | null
}
