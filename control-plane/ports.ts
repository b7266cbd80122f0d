import type { Counted } from '../shared/count-protocol.ts'
import type { Definition, DefinitionInput, Kind } from '../shared/definitions/kinds.ts'
import type { GatewayReport } from '../shared/watch-protocol.ts'
import type { AskedOperation, OperationResult, Origin } from './ports/commands.ts'
import type { OutgoingBackup, Room } from './ports/disk.ts'
import type { Identity, NodeAddress } from './ports/members.ts'
import type { AppliedChange, StateReader } from './ports/state.ts'
import type { UsagePort } from './ports/usage.ts'
import type { NodeId } from './raft/messages.ts'

// The types on which the rooms meet. What a node is to its HTTP API stands here, the rest beside it by role; every
// room takes them all from this door.
export type * from './ports/certificates.ts'
export type * from './ports/commands.ts'
export type * from './ports/disk.ts'
export type * from './ports/members.ts'
export type * from './ports/peers.ts'
export type * from './ports/state.ts'
export type * from './ports/usage.ts'
export type { ConfState, Entry, HardState, Message, NodeId, SnapshotMeta } from './raft/messages.ts'

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
    /**
     * Change one definition from how it stands when the write has its turn. `change` is a function of what stands (and may
     * be asked again), or throws a RaftwayError; a repeat is told by `asked`, which goes into a digest: nothing secret.
     */
    | {
        readonly type: 'edit'
        readonly kind: Kind
        readonly name: string
        readonly asked: Readonly<Record<string, unknown>>
        readonly change: (standing: Definition | undefined) => DefinitionInput
      }
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

/** What nodes tell each other of the gateways that are connected to them. */
export type GatewayTalk = {
  /** What the gateways of this node have counted of shared limits goes to the other nodes; soft state, never in the log. */
  publishCounts(counts: readonly Counted[]): void
  /** Called with what another node published. */
  onCounts(listener: (counts: readonly Counted[]) => void): () => void
  /** What this node knows of its own gateways goes to the other nodes; soft state, never in the log. */
  publish(gateways: readonly GatewayStatus[]): void
  /** What this node answers when another one asks which gateways are connected to it: their names. */
  answerWith(read: () => readonly string[]): void
  /** Asks the other nodes which gateways are connected to them now, by node; leaves out who is away. Never rejects. */
  ask(timeoutMs: number): Promise<ReadonlyMap<string, readonly string[]>>
  /** Called with what another node published. */
  onGateways(listener: (node: string, gateways: readonly GatewayStatus[]) => void): () => void
}

/** A control-plane node, as its HTTP API sees it. Errors are RaftwayError. */
export type ControlPlane = {
  /** Null until the node has formed or joined a cluster. */
  readonly identity: Identity | null
  readonly self: NodeAddress
  readonly state: StateReader
  readonly usage: UsagePort
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
  readonly gateways: GatewayTalk
}
