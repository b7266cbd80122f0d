import type { Random } from '../../shared/random.ts'
import type { LogStorage } from './log-storage.ts'
import type { NodeId } from './messages.ts'

/** Where the core says what it decides. A null logger costs nothing: the texts are not even built. */
export type RaftLogger = {
  debug(text: string): void
  info(text: string): void
  warning(text: string): void
  error(text: string): void
}

/**
 * Settings of one replica, fixed for its life. Times are ticks, sizes are bytes.
 * Source: etcd-io/raft `Config`; 0 means "unbounded" where a field says so.
 */
export type RaftOptions = {
  readonly id: NodeId
  /** Ticks without a leader before a follower campaigns; the real wait is in [n, 2n - 1]. Above `heartbeatTicks`. */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly storage: LogStorage
  /** Highest index the state machine holds already: entries up to it are not emitted again. */
  readonly applied: number
  /** Whether `storage-append` and `storage-apply` messages replace `advance()`. */
  readonly asyncStorageWrites: boolean
  /** Bytes of entries in one append message; 0 sends one entry at a time. */
  readonly messageBytesMax: number
  /** Bytes of committed entries handed out but not yet applied; 0 stands for `messageBytesMax`. */
  readonly committedBytesMax: number
  /** Payload bytes a leader takes beyond the commit index before it drops proposals; 0 = unbounded. */
  readonly uncommittedBytesMax: number
  /** Append messages in flight to one follower; at least 1. */
  readonly inflightMessagesMax: number
  /** Payload bytes in flight to one follower; 0 = unbounded, otherwise at least `messageBytesMax`. */
  readonly inflightBytesMax: number
  /** A leader that hears no quorum for an election timeout steps down (Raft thesis 6.2). */
  readonly checkQuorum: boolean
  /** Ask whether an election could be won before disturbing the term (Raft thesis 9.6). */
  readonly preVote: boolean
  /** `lease` trusts clocks and demands `checkQuorum`; `quorum` trusts nothing (Raft thesis 6.4). */
  readonly readOnly: 'quorum' | 'lease'
  readonly random: Random
  readonly disableProposalForwarding: boolean
  /** Accept membership changes that the core believes to be premature; for tests of what then happens. */
  readonly disableConfChangeValidation: boolean
  /** A leader that applies its own removal becomes a follower (Raft thesis 4.2.2). */
  readonly stepDownOnRemoval: boolean
  readonly log: RaftLogger | null
}

/** The first contradiction in `options`, in words, or null. */
export function optionsIssue(options: RaftOptions): string | null {
  if (!Number.isSafeInteger(options.id) || options.id <= 0) {
    return 'id must be a positive safe integer'
  }
  if (options.heartbeatTicks <= 0) return 'heartbeatTicks must be greater than 0'
  if (options.electionTicks <= options.heartbeatTicks) {
    return 'electionTicks must be greater than heartbeatTicks'
  }
  if (options.inflightMessagesMax <= 0) return 'inflightMessagesMax must be greater than 0'
  if (options.inflightBytesMax !== 0 && options.inflightBytesMax < options.messageBytesMax) {
    return 'inflightBytesMax must be at least messageBytesMax'
  }
  if (options.readOnly === 'lease' && !options.checkQuorum) {
    return 'checkQuorum must be enabled when reads are answered from the lease'
  }
  return null
}

/** 0 stands for "no bound" in several options. */
export function boundOf(limit: number): number {
  return limit === 0 ? Number.MAX_SAFE_INTEGER : limit
}
