import { assert } from '../../shared/assert.ts'
import type { Random } from '../../shared/random.ts'
import { Inflights } from './inflights.ts'
import type { Newcomer } from './membership.ts'
import { NO_NODE, type HardState, type Message, type MessageOf, type NodeId } from './messages.ts'
import { boundOf, type RaftLogger, type RaftOptions } from './options.ts'
import { Progress } from './progress.ts'
import { RaftLog } from './raft-log.ts'
import { ReadIndex, type PendingRead } from './read-index.ts'
import type { ReadState, Role } from './ready.ts'
import { Tracker } from './tracker.ts'

/**
 * One replica's consensus state, shared by the files that each own a part of the algorithm:
 *
 *   step.ts         term rules, then one file a role: step-leader, step-follower, step-candidate
 *   election.ts     changes of role        replication.ts  appends, commit      proposal.ts  what a leader takes in
 *   reads.ts        ReadIndex              configure.ts    membership in force  clock.ts     ticks
 *
 * Nothing here reads a clock, a disk or chance: the same calls give the same messages.
 */
export class Raft {
  readonly id: NodeId
  readonly log: RaftLogger | null
  readonly options: RaftOptions
  readonly raftLog: RaftLog
  readonly tracker = new Tracker()
  readonly messageBytesMax: number
  readonly uncommittedBytesMax: number
  readonly #random: Random

  /** Latest term seen; never falls. Persisted before anything that depends on it is promised. */
  term = 0
  /** Whom this node voted for in `term`; at most one candidate a term (Raft thesis 3.4). */
  vote: NodeId = NO_NODE
  role: Role = 'follower'
  /** The leader of `term` if known. */
  leader: NodeId = NO_NODE
  /** To whom leadership is being handed over; proposals are refused meanwhile. */
  leadTransferee: NodeId = NO_NODE
  /** A membership change may be proposed only once this index is applied: one at a time. */
  pendingConfIndex = 0
  /** Payload bytes proposed in this term and not yet applied; an underestimate, never more than there are. */
  uncommittedBytes = 0

  /** Ticks since a leader was heard, or since a leader last checked its quorum. */
  electionElapsed = 0
  heartbeatElapsed = 0
  /** The wait before this node campaigns, drawn anew with every change of role. */
  electionTimeout = 0

  /** Messages that promise nothing about this node's disk. Never to this node itself. */
  messages: Message[] = []
  /** Votes and acknowledgements: they leave after everything unstable so far is durable (Raft thesis 3.8). */
  messagesAfterPersist: Message[] = []
  readStates: ReadState[] = []
  /** Reads that arrived before this leader committed an entry of its term (Raft thesis 6.4). */
  postponedReads: PendingRead[] = []
  reads = new ReadIndex()

  constructor(options: RaftOptions) {
    this.id = options.id
    this.log = options.log
    this.options = options
    this.messageBytesMax = options.messageBytesMax
    this.uncommittedBytesMax = boundOf(options.uncommittedBytesMax)
    this.#random = options.random
    const applyingBytesMax = boundOf(options.committedBytesMax || options.messageBytesMax)
    this.raftLog = new RaftLog(options.storage, applyingBytesMax, options.log)
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.raftLog.committed }
  }

  /**
   * Takes over what was persisted. The commit index may lag behind what was compacted: with asynchronous writes,
   * entries are applied without waiting for it.
   */
  loadHardState(state: HardState): void {
    assert(state.commit <= this.raftLog.lastIndex(), 'committed entries are never lost')
    this.raftLog.commitTo(state.commit)
    this.term = state.term
    this.vote = state.vote
  }

  send(message: Message): void {
    assert(message.to !== this.id, 'only votes and acknowledgements go to oneself')
    this.messages.push(message)
  }

  /**
   * Queues a vote or an acknowledgement until the state it speaks of is durable. Rejections wait as well: they may
   * rest on a vote or on entries that are not durable yet, and are too rare to deserve a proof that this is safe.
   */
  sendAfterPersist(message: MessageOf<'app-resp' | 'vote-resp' | 'pre-vote-resp'>): void {
    this.messagesAfterPersist.push(message)
  }

  /** Forgets what belonged to the old role, and the vote if the term is new. */
  reset(term: number): void {
    if (this.term !== term) {
      assert(term > this.term, 'terms never fall')
      this.term = term
      this.vote = NO_NODE
    }
    this.leader = NO_NODE
    this.leadTransferee = NO_NODE
    this.electionElapsed = 0
    this.heartbeatElapsed = 0
    this.drawElectionTimeout()
    const lastIndex = this.raftLog.lastIndex()
    this.tracker.reset((id, isLearner) => {
      const match = id === this.id ? lastIndex : 0
      return new Progress({ match, next: lastIndex + 1, isLearner, inflights: this.#window() })
    })
    this.pendingConfIndex = 0
    this.uncommittedBytes = 0
    this.reads = new ReadIndex()
    this.postponedReads = []
  }

  /** In [n, 2n - 1] ticks, so that two nodes rarely campaign at once (Raft thesis 3.4). */
  drawElectionTimeout(): void {
    const { electionTicks } = this.options
    this.electionTimeout = electionTicks + this.#random.below(electionTicks)
  }

  /** Whether this node may become a leader: a voter, and with no snapshot half installed. */
  isPromotable(): boolean {
    const progress = this.tracker.get(this.id)
    return progress !== undefined && !progress.isLearner && this.raftLog.unstable.snapshot === null
  }

  newcomer(): Newcomer {
    return {
      lastIndex: this.raftLog.lastIndex(),
      inflightMessagesMax: this.options.inflightMessagesMax,
      inflightBytesMax: this.options.inflightBytesMax,
    }
  }

  #window(): Inflights {
    return new Inflights(this.options.inflightMessagesMax, this.options.inflightBytesMax)
  }
}
