import type { Definition } from '../../shared/definitions/kinds.ts'
import type { ConfState, NodeId, SnapshotMeta } from '../raft/messages.ts'
import type { ClusterAccess, WriteResult } from './commands.ts'
import type { NodeAddress } from './members.ts'
import type { HistoryRecord } from './state.ts'
import type { ConsumerUsage, UsageRecord, UsageSource } from './usage.ts'

/** How much room a disk has: go on, take nothing new, write nothing at all. */
export type Room = 'plenty' | 'low' | 'none'

/** The free space of a node's disk. */
export type DiskRoom = {
  readonly freeBytes: number
  /** How it stands now; cheap enough to ask before every write. */
  look(): Room
  /** Calls when it changes. Returns the way to stop. */
  onRoom(listener: (room: Room) => void): () => void
}

/** What reading everything that is at rest has come to, since the process began. */
export type ScrubReport = {
  readonly bytes: number
  readonly passes: number
  /** How often damage was found. */
  readonly damages: number
  /** Something is damaged now, and not healed. */
  readonly isDamaged: boolean
}

/** What one applied batch leaves behind; written in one atomic batch with the applied index. */
export type AppliedBatch = {
  readonly appliedIndex: number
  readonly appliedTerm: number
  readonly confState: ConfState
  readonly records: readonly AppliedRecord[]
}

/** The disk's share of one applied entry. */
export type AppliedRecord =
  | { readonly type: 'revision'; readonly history: HistoryRecord; readonly hash: string }
  | { readonly type: 'member'; readonly address: NodeAddress }
  | { readonly type: 'member-removed'; readonly id: NodeId }
  | { readonly type: 'idempotency'; readonly index: number; readonly result: IdempotencyRecord }
  | { readonly type: 'idempotency-forgotten'; readonly index: number }
  | { readonly type: 'access'; readonly access: ClusterAccess }
  /** The log uses features of this level from now on. */
  | { readonly type: 'feature-level'; readonly level: number }
  | UsageRecord

export type IdempotencyRecord = {
  readonly key: string
  readonly fingerprint: string
  readonly result: Extract<WriteResult, { ok: true }>
}

/** Everything that a restart needs; definitions are streamed, not listed, so that there may be a million. */
export type RestoredState = {
  readonly appliedIndex: number
  readonly appliedTerm: number
  readonly confState: ConfState
  readonly revision: number
  readonly hash: string
  readonly compactedRevision: number
  /** Highest level of any feature that the log has used; absent: the least. */
  readonly featureLevel?: number | undefined
  readonly members: readonly NodeAddress[]
  /** Null until a leader has made it. */
  readonly access: ClusterAccess | null
  readonly idempotency: readonly (IdempotencyRecord & { readonly index: number })[]
  readonly definitions: readonly Definition[]
  /** Absent: nothing was ever used. */
  readonly usage?: readonly ConsumerUsage[] | undefined
  readonly usageSources?: readonly UsageSource[] | undefined
}

/** A snapshot on its way out: metadata and checksummed chunks, cut at one applied index. */
export type OutgoingSnapshot = {
  readonly meta: SnapshotMeta
  chunks(): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** A backup file on its way out: the bytes of the file, made as they are pulled. */
export type OutgoingBackup = {
  readonly clusterId: string
  readonly revision: number
  pieces(): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** A snapshot on its way in: staged beside the state, made the state by `install`, or thrown away. */
export type IncomingSnapshot = {
  write(chunk: Uint8Array): Promise<void>
  /** All chunks are in and whole; STORAGE_CORRUPT if not. */
  finish(): Promise<void>
  discard(): Promise<void>
}
