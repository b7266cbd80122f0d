/** A member's number in consensus: 1 to 2^53 - 1, never reused after its disk is lost. */
export type NodeId = number

/** "No node": no leader known, no vote cast. */
export const NO_NODE: NodeId = 0

/** Addresses of the local threads in asynchronous storage mode; never on the wire. */
export const APPEND_THREAD: NodeId = -1
export const APPLY_THREAD: NodeId = -2

/** A place in the log. Raft thesis 3.5: two logs with the same id hold the same entries up to it. */
export type EntryId = { readonly term: number; readonly index: number }

export type EntryType = 'normal' | 'conf-change' | 'conf-change-v2'

/** One log entry. `data` is owned by the log and never written to; empty for a leader's first entry. */
export type Entry = {
  readonly term: number
  readonly index: number
  readonly type: EntryType
  readonly data: Uint8Array
  /** Bytes this entry is charged with in every window and limit; computed once, where it is made or decoded. */
  readonly size: number
}

/** Who votes and learns. `votersOutgoing` is non-empty exactly in a joint membership (Raft thesis 4.3). */
export type ConfState = {
  readonly voters: readonly NodeId[]
  readonly learners: readonly NodeId[]
  readonly votersOutgoing: readonly NodeId[]
  /** Voters of the outgoing half that become learners once the joint membership is left. */
  readonly learnersNext: readonly NodeId[]
  readonly autoLeave: boolean
}

export type HardState = { readonly term: number; readonly vote: NodeId; readonly commit: number }

/** What a snapshot stands for. The state itself is streamed beside the message, never inside it. */
export type SnapshotMeta = {
  readonly term: number
  readonly index: number
  readonly confState: ConfState
}

type Common = { readonly from: NodeId; readonly to: NodeId; readonly term: number }

/**
 * What travels between members, and between the core and its storage. `term` 0 means a local message.
 * Source of the set: etcd-io/raft raftpb.MessageType; each variant carries only the fields it uses.
 */
export type Message =
  | (Common & { readonly type: 'hup' })
  | (Common & { readonly type: 'beat' })
  | (Common & { readonly type: 'check-quorum' })
  | (Common & { readonly type: 'forget-leader' })
  | (Common & { readonly type: 'unreachable' })
  | (Common & { readonly type: 'snap-status'; readonly reject: boolean })
  | (Common & { readonly type: 'prop'; readonly entries: readonly Entry[] })
  | (Common & {
      readonly type: 'app'
      readonly prev: EntryId
      readonly entries: readonly Entry[]
      readonly commit: number
    })
  | (Common & {
      readonly type: 'app-resp'
      /** Highest index acknowledged, or on reject the index that was refused. */
      readonly index: number
      readonly reject: boolean
      /** On reject: the follower's guess of the last entry that may match. */
      readonly hint: EntryId
    })
  | (Common & {
      readonly type: 'vote' | 'pre-vote'
      readonly last: EntryId
      /** A leadership transfer: voters must not refuse because they heard from a leader lately. */
      readonly isTransfer: boolean
    })
  | (Common & { readonly type: 'vote-resp' | 'pre-vote-resp'; readonly reject: boolean })
  | (Common & { readonly type: 'snap'; readonly snapshot: SnapshotMeta })
  | (Common & { readonly type: 'heartbeat'; readonly commit: number; readonly context: string })
  | (Common & { readonly type: 'heartbeat-resp'; readonly context: string })
  | (Common & { readonly type: 'transfer-leader' })
  | (Common & { readonly type: 'timeout-now' })
  | (Common & { readonly type: 'read-index'; readonly context: string })
  | (Common & {
      readonly type: 'read-index-resp'
      readonly index: number
      readonly context: string
    })
  | (Common & {
      readonly type: 'storage-append'
      readonly entries: readonly Entry[]
      readonly hardState: HardState | null
      readonly snapshot: SnapshotMeta | null
      /** Delivered once, in order, after everything above is durable; the snapshot before the entries. */
      readonly responses: readonly Message[]
    })
  | (Common & {
      readonly type: 'storage-append-resp'
      /** The last entry made durable; term 0 when no entry was written. */
      readonly last: EntryId
      readonly snapshot: SnapshotMeta | null
    })
  | (Common & {
      readonly type: 'storage-apply'
      readonly entries: readonly Entry[]
      readonly responses: readonly Message[]
    })
  | (Common & { readonly type: 'storage-apply-resp'; readonly entries: readonly Entry[] })

export type MessageOf<T extends Message['type']> = Extract<Message, { readonly type: T }>
