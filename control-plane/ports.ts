import type { X509Certificate } from 'node:crypto'
import type { CertificateIdentity } from '../shared/certificate.ts'
import type { DefinitionChange } from '../shared/changes.ts'
import type { Definition, DefinitionInput, Kind } from '../shared/definitions/kinds.ts'
import type { Release } from '../shared/features.ts'
import type { Explanation, RequestView } from '../shared/routing/types.ts'
import type { GatewayReport } from '../shared/watch-protocol.ts'
import type { ConfState, Entry, HardState, Message, NodeId, SnapshotMeta } from './raft/messages.ts'

// ---------------------------------------------------------------------------------------------------------------
// Names in the network

export type HostPort = { readonly host: string; readonly port: number }

/** Looks names up, anew at each call. Each rejects with an Error that says which name, and why. */
export type Lookup = {
  /** Every address of a host, of both families; the host itself if it is one. */
  addresses(host: string): Promise<readonly string[]>
  /** Where a service is, by its SRV records. */
  services(name: string): Promise<readonly HostPort[]>
}

// ---------------------------------------------------------------------------------------------------------------
// Members

/** How to reach a node, and what people call it. */
export type NodeAddress = {
  readonly id: NodeId
  readonly name: string
  /** `http://127.0.0.1:7400` */
  readonly api: string
  /** `127.0.0.1:7401` */
  readonly peer: string
  /** What it runs; a node that announces nothing knows the least. */
  readonly release?: Release | undefined
}

/** What a node is, for good: written once, when it forms or joins a cluster. */
export type Identity = { readonly clusterId: string; readonly nodeId: NodeId }

// ---------------------------------------------------------------------------------------------------------------
// Commands: what a log entry asks of the replicated state

/** `ifRevision`: the definition's revision that must stand; 0 means that it must not exist; null means any. */
export type Operation =
  | { readonly op: 'put'; readonly definition: DefinitionInput; readonly ifRevision: number | null }
  | {
      readonly op: 'delete'
      readonly kind: Kind
      readonly name: string
      readonly ifRevision: number | null
    }

/** Who made a write and from where, as the node found that took it. `author` is what people call that. */
export type Origin = {
  /** `local`, `token:ci` or `certificate:n1`. */
  readonly caller: string
  readonly role: string
  /** Address of the client. */
  readonly address: string
}

/** An operation as it is asked for: a put that would change nothing may be left out. */
export type AskedOperation = Operation & { readonly ifChanged?: true }

export type WriteCommand = {
  readonly type: 'write'
  /** Idempotency key: a command with a key that was applied before changes nothing and gives the first result. */
  readonly key: string
  /** Digest of what the client asked, so that a reused key for another write is told apart. */
  readonly fingerprint: string
  /** The leader's clock when it took the write; milliseconds since 1970. */
  readonly atMs: number
  readonly author: string
  /** Left out by versions that did not know it. */
  readonly origin?: Origin
  readonly message: string | null
  readonly operations: readonly Operation[]
  /** The config revision that must stand, or null. */
  readonly ifConfigRevision: number | null
}

/** A member tells its current addresses: it came back under new ones. */
type MemberCommand = { readonly type: 'member'; readonly address: NodeAddress }

/**
 * What lets the first admin in, and lets nodes without certificates vouch for callers to each other. The first leader
 * makes it, and it stays: what comes later changes nothing.
 */
export type ClusterAccess = {
  /** SHA-256 of the bootstrap token's secret, in hex. */
  readonly bootstrapHash: string
  /** 256 bits as base64url. */
  readonly forwardingSecret: string
  /** When it was made, by the clock of the leader that made it; milliseconds since 1970. */
  readonly atMs: number
}

/** A command of the system's own: it makes no revision and no definition. */
type AccessCommand = { readonly type: 'access'; readonly access: ClusterAccess }

export type Command = WriteCommand | MemberCommand | AccessCommand

export type WriteResult =
  | {
      readonly ok: true
      readonly revision: number
      /** One a definition, in the order of the operations. */
      readonly results: readonly OperationResult[]
      /** The same key was applied before; this is the first result. */
      readonly isRepeat: boolean
    }
  | {
      readonly ok: false
      readonly code: 'REVISION_CONFLICT' | 'DEFINITION_NOT_FOUND' | 'IDEMPOTENCY_KEY_REUSED'
      readonly detail: string
      /** Which operation, or null for the whole command. */
      readonly at: number | null
      /** The revision that stands: of the definition, or of the config when `at` is null. */
      readonly currentRevision: number
    }

export type OperationResult = {
  readonly op: 'put' | 'delete'
  readonly kind: Kind
  readonly name: string
  readonly revision: number
  /** For a put: it did not exist before. */
  readonly created: boolean
}

// ---------------------------------------------------------------------------------------------------------------
// Replicated state, as it is read

/** One revision as history keeps it. */
export type HistoryRecord = {
  readonly revision: number
  readonly atMs: number
  readonly author: string
  /** Left out of revisions that were made before it was kept. */
  readonly origin?: Origin
  readonly message: string | null
  readonly changes: readonly HistoryChange[]
}

/** `before` is what the change replaced or took away; null when it did not exist. */
export type HistoryChange = {
  readonly op: 'put' | 'delete'
  readonly kind: Kind
  readonly name: string
  readonly after: Definition | null
  readonly before: Definition | null
}

/** One applied revision, as it leaves the state machine: in order, exactly once a process life. */
export type AppliedChange = {
  readonly revision: number
  /** Config hash after the change. */
  readonly hash: string
  readonly changes: readonly DefinitionChange[]
  readonly atMs: number
}

/** The applied state of this node. Answers never wait and are never older than what `ControlPlane.applied` says. */
export type StateReader = {
  readonly revision: number
  readonly hash: string
  /** Changes up to and with this revision are no longer kept. */
  readonly compactedRevision: number
  readonly count: number
  /** Null until a leader has made it. */
  readonly access: ClusterAccess | null
  get(kind: Kind, name: string): Definition | undefined
  /** Every definition of a kind, or of all kinds, in order of kind and name. The array is the caller's. */
  list(kind?: Kind): Definition[]
  /** Revisions low < revision ≤ high in ascending order, read from disk; throws REVISION_COMPACTED. */
  history(range: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
  }): Promise<HistoryRecord[]>
  /** Newest first; of one definition when kind and name are given. */
  historyOf(filter: {
    readonly kind?: Kind
    readonly name?: string
    readonly before?: number
    readonly limit: number
  }): Promise<HistoryRecord[]>
  /** Every definition at a revision; throws REVISION_COMPACTED, REVISION_NOT_FOUND. */
  configAt(revision: number): Promise<Definition[]>
  explain(request: RequestView): Explanation
}

// ---------------------------------------------------------------------------------------------------------------
// The node, as the HTTP API sees it

export type WriteRequest = {
  /** The client's Idempotency-Key, or null: the node makes one. */
  readonly key: string | null
  readonly author: string
  readonly origin?: Origin
  readonly message: string | null
  readonly action:
    | { readonly type: 'operations'; readonly operations: readonly AskedOperation[] }
    /** Replace the whole config; what is not named is deleted; what does not differ is left alone. */
    | { readonly type: 'replace'; readonly definitions: readonly DefinitionInput[] }
    /** Become what the config was at a revision. */
    | { readonly type: 'rollback'; readonly revision: number }
  readonly ifConfigRevision: number | null
  /** Validate and answer as if it were done; change nothing. */
  readonly dryRun: boolean
}

/** `issues` of INVALID_DEFINITION begin at the action: `operations.0.spec.routes.0.path`, `definitions.3.spec…`. */
export type WriteAnswer = {
  readonly revision: number
  readonly results: readonly OperationResult[]
  /** Nothing differed; no new revision was made. */
  readonly unchanged: boolean
}

export type MemberStatus = {
  readonly id: NodeId
  readonly name: string
  readonly role: 'voter' | 'learner'
  readonly state: 'leader' | 'follower' | 'candidate' | 'unknown'
  readonly api: string
  readonly peer: string
  readonly matchIndex: number
  readonly healthy: boolean
  /** Milliseconds since this node last heard from it; null for itself and when never. */
  readonly lastHeardMs: number | null
  /** How much room its disk has, by its own word; null when it said nothing lately. */
  readonly disk: Room | null
  /** Whether its config is the same as this node's at the same revision; null when that is not known. */
  readonly sameConfig: boolean | null
  /** Of the program that it runs; null when it never said. */
  readonly version: string | null
  /** What it knows: see `shared/features.ts`. */
  readonly featureLevel: number
}

export type ClusterStatus = {
  readonly clusterId: string
  readonly node: string
  readonly leader: string | null
  readonly term: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly revision: number
  readonly hash: string
  /** What every member knows. */
  readonly featureLevel: number
  readonly members: readonly MemberStatus[]
}

/** One gateway as the whole cluster knows it. */
export type GatewayStatus = {
  readonly name: string
  /** Name of the node that it watches. */
  readonly node: string
  readonly connected: boolean
  readonly lastReportMs: number
  readonly report: GatewayReport | null
}

/** A control-plane node, as its HTTP API sees it. Errors are RaftwayError. */
export type ControlPlane = {
  /** Null until the node has formed or joined a cluster. */
  readonly identity: Identity | null
  readonly self: NodeAddress
  readonly state: StateReader
  readonly isLeader: boolean
  /** Null while no leader is known. */
  leader(): NodeAddress | null
  /** Waits up to `timeoutMs` for a leader; NO_LEADER. */
  waitForLeader(timeoutMs: number): Promise<NodeAddress>
  /**
   * Proposes on this node, which must lead, and resolves when the write is committed and applied here. NOT_LEADER,
   * NO_LEADER, INVALID_DEFINITION, REVISION_CONFLICT, OVERLOADED, WRITE_UNCERTAIN (leadership was lost meanwhile).
   */
  write(request: WriteRequest): Promise<WriteAnswer>
  /** Linearizable read point: resolves when this node's state is at least as new as the call. NO_LEADER, TIMEOUT. */
  readBarrier(timeoutMs: number): Promise<void>
  /** Resolves when this node has applied `revision`; TIMEOUT. */
  waitForRevision(revision: number, timeoutMs: number): Promise<void>
  status(): ClusterStatus
  /** Members that this node has taken out by itself, because they were silent for long, since it started. */
  readonly deadMembersRemoved: number
  /** A leader is known and the state has caught up with it. */
  isReady(): boolean
  /** Membership; on the leader only (NOT_LEADER elsewhere). Resolve when the change is applied. */
  addMember(peer: string): Promise<NodeAddress>
  removeMember(name: string): Promise<void>
  promoteMember(name: string): Promise<void>
  /** To the named voter, or the most caught-up one. Resolves with the new leader's name. */
  transferLeadership(name: string | null): Promise<string>
  /** Called for every applied revision, synchronously, in order. Returns the way to stop. */
  onApplied(listener: (change: AppliedChange) => void): () => void
  /** Called when the state was replaced by a snapshot: changes in between will never be listed. */
  onReset(listener: () => void): () => void
  /** Cuts a backup of what is applied here now. Close it. */
  openBackup(): Promise<OutgoingBackup>
  /** What this node knows of its own gateways goes to the other nodes; soft state, never in the log. */
  publishGateways(gateways: readonly GatewayStatus[]): void
  /** What this node answers when another one asks which gateways are connected to it: their names. */
  answerGatewaysWith(read: () => readonly string[]): void
  /** Asks the other nodes which gateways are connected to them now, by node; leaves out who is away. Never rejects. */
  askGateways(timeoutMs: number): Promise<ReadonlyMap<string, readonly string[]>>
  /** Called with what another node published. */
  onGateways(listener: (node: string, gateways: readonly GatewayStatus[]) => void): () => void
}

// ---------------------------------------------------------------------------------------------------------------
// Disk, as the driver sees it

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

// ---------------------------------------------------------------------------------------------------------------
// Peer links, as the driver sees them

/** Soft messages between nodes beside consensus. `body` is JSON. */
export type PeerNote = { readonly type: string; readonly body: unknown }

export type PeerHandler = {
  /** A consensus message from a member; never a local one. */
  onMessage(message: Message): void
  /** A note that asks for nothing. */
  onNote(from: NodeId, note: PeerNote): void
  /** A note that asks for an answer; a rejection travels back as an error. */
  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown>
  /** A snapshot begins to arrive; resolves when it is staged, and then the `snap` message is handed to onMessage. */
  onSnapshot(
    message: Extract<Message, { type: 'snap' }>,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void>
  onUnreachable(id: NodeId): void
}

/** Who is on the other end of a link, by its own words. */
export type PeerIdentity = NodeAddress & { readonly clusterId: string | null }

/** Best-effort links to other nodes: may drop, delay or repeat, never corrupt, and never reorder on one link. */
export type Transport = {
  /** Returns false when the peer's queue is full or the peer is unknown, and the message was dropped. */
  send(message: Message): boolean
  sendNote(to: NodeId, note: PeerNote): boolean
  /** Asks a node by address, member or not; PEER_UNREACHABLE, TIMEOUT, or the error that the peer answered with. */
  call(
    peer: string,
    note: PeerNote,
    timeoutMs: number,
  ): Promise<{ readonly from: PeerIdentity; readonly body: unknown }>
  /** Streams a snapshot beside its `snap` message; rejects when it did not arrive whole. */
  sendSnapshot(
    message: Extract<Message, { type: 'snap' }>,
    snapshot: OutgoingSnapshot,
  ): Promise<void>
  /** Who is a member now: links to others are closed, links to new ones opened. */
  setPeers(peers: readonly NodeAddress[]): void
  /**
   * A member is somewhere else than membership says, by its own word: its link goes there from now on, until membership
   * says something new of it. Nodes that are no members are ignored.
   */
  learn(address: NodeAddress): void
  /** Where a member is by its own word, if that is not what membership says; else null. */
  learned(id: NodeId): NodeAddress | null
  /** Milliseconds since anything came from a peer; null when nothing ever did. */
  lastHeardMs(id: NodeId): number | null
  close(): Promise<void>
}

// ---------------------------------------------------------------------------------------------------------------
// Certificates, as links and the API see them

/** This node's certificate and key, another pair after each renewal. */
export type NodeCredentials = PairSource & {
  /** Of the authority that vouches for every node and gateway of the cluster; it stands behind the node's own. */
  readonly authority: X509Certificate
}

/** A certificate and key, PEM, that may be exchanged while they are used. */
export type PairSource = {
  readonly pair: { readonly key: string; readonly cert: string }
  /** Calls after each exchange; returns the way to stop. */
  onRenewal(listener: () => void): () => void
}

/** What the other end of a connection has proved about itself. */
export type Proof =
  /** The connection is plain: nothing can be proved. */
  | { readonly type: 'plain' }
  | { readonly type: 'certificate'; readonly certificate: CertificateIdentity }
  /** It has shown none. */
  | { readonly type: 'no-certificate' }
  /** It has shown one that is not believed, or spoke in another way than this port: for people. */
  | { readonly type: 'refused'; readonly reason: string }

/** Certificates that the cluster has taken back. */
export type Revocations = {
  /** Why this certificate is no longer believed; null while it is. */
  reasonFor(certificate: CertificateIdentity): string | null
  /** Calls when there may be more of them; returns the way to stop. */
  onChange(listener: () => void): () => void
}

export type { ConfState, Entry, HardState, Message, NodeId, SnapshotMeta }
