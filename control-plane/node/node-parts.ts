import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { Command, DiskRoom, Identity, NodeAddress, Transport } from '../ports.ts'
import type { DeadMemberRule } from './dead-members.ts'
import type { NodeStore } from '../storage/node-store.ts'
import type { BootstrapPort } from './bootstrap.ts'

/** What a node is made of. Times are milliseconds. */
export type NodeParts = {
  readonly identity: Identity
  readonly self: NodeAddress
  /** Members known from joining, until the state says who they are. */
  readonly hints: readonly NodeAddress[]
  /** Peer addresses at which members may be found when none answers where it was; looked up at each call. */
  readonly seeds: () => Promise<readonly string[]>
  /** When silent members are taken out; null for never. */
  readonly removeDead: DeadMemberRule | null
  readonly store: NodeStore
  readonly transport: Transport
  readonly space: DiskRoom
  readonly clock: Clock
  readonly logger: Logger
  /** Of the core's timeouts, and of its read contexts: another one at every start. */
  readonly seed: number
  /** A text that nobody ever made before: idempotency keys, requests for membership. */
  readonly makeId: () => string
  /** What a command needs of every member: as this program has it unless given. */
  readonly levelOfCommand?: (command: Command) => number
  readonly tickMs: number
  readonly heartbeatMs: number
  readonly electionMs: number
  /** Where the first admin's token comes from; left out where nobody needs one. */
  readonly bootstrap?: BootstrapPort
  /** The process must end: the disk failed, an invariant broke, or this node is no longer a member. */
  readonly onFatal: (error: unknown) => void
}
