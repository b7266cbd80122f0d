import { assert } from '../../shared/assert.ts'
import { tick } from './clock.ts'
import { encodeConfChange, type ConfChange } from './conf-change.ts'
import { applyConfChange, changeMembers, restoreConfState } from './configure.ts'
import { entriesBytes, makeEntry, ZERO_ID } from './entry.ts'
import { hex } from './log-text.ts'
import { confStateOf } from './membership.ts'
import {
  APPEND_THREAD,
  APPLY_THREAD,
  NO_NODE,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type MessageOf,
  type NodeId,
} from './messages.ts'
import { optionsIssue, type RaftOptions } from './options.ts'
import type { Progress } from './progress.ts'
import { proposeAsLeader, type Draft } from './proposal.ts'
import { Raft } from './raft.ts'
import type { Outcome, ProgressStatus, Ready, Role, SoftState, Status } from './ready.ts'
import { step } from './step.ts'

export { decodeConfChange, type ConfChange, type MemberChange } from './conf-change.ts'
export type { RaftOptions } from './options.ts'
export type { Outcome, ProgressStatus, ReadState, Ready, Role, SoftState, Status } from './ready.ts'

const LOCAL_TYPES: ReadonlySet<Message['type']> = new Set<Message['type']>([
  'hup',
  'beat',
  'check-quorum',
  'forget-leader',
  'unreachable',
  'snap-status',
  'storage-append',
  'storage-append-resp',
  'storage-apply',
  'storage-apply-resp',
])

const RESPONSE_TYPES: ReadonlySet<Message['type']> = new Set<Message['type']>([
  'app-resp',
  'vote-resp',
  'pre-vote-resp',
  'heartbeat-resp',
  'read-index-resp',
  'unreachable',
])

/** Whether messages of `type` never travel: whoever takes messages from the wire refuses them. */
export function isLocalMessage(type: Message['type']): boolean {
  return LOCAL_TYPES.has(type)
}

/**
 * One replica of the consensus, as its shell sees it: events in, `Ready` out. Not for concurrent use; it never waits,
 * and reads nothing but its storage. Source: Raft thesis; etcd-io/raft rawnode.go.
 */
export class RawNode {
  readonly #raft: Raft
  readonly #isAsync: boolean
  #softState: SoftState
  #hardState: HardState
  /** What `advance()` tells the core: that the last Ready was carried out. */
  #stepsOnAdvance: Message[] = []

  /** Restores a replica from its storage. Throws `RangeError` on options that contradict themselves. */
  constructor(options: RaftOptions) {
    const issue = optionsIssue(options)
    if (issue !== null) throw new RangeError(issue)
    this.#raft = restart(options)
    this.#isAsync = options.asyncStorageWrites
    this.#softState = { leader: this.#raft.leader, role: this.#raft.role }
    this.#hardState = this.#raft.hardState()
  }

  get leader(): NodeId {
    return this.#raft.leader
  }

  /** Whether it leads, or has heard the leader that it knows, as a leader, within the shortest election timeout. */
  get hearsLeader(): boolean {
    const { role, leader, electionElapsed, options } = this.#raft
    if (role === 'leader') return true
    return leader !== NO_NODE && electionElapsed < options.electionTicks
  }

  get term(): number {
    return this.#raft.term
  }

  get role(): Role {
    return this.#raft.role
  }

  get commit(): number {
    return this.#raft.raftLog.committed
  }

  get firstIndex(): number {
    return this.#raft.raftLog.firstIndex()
  }

  get lastIndex(): number {
    return this.#raft.raftLog.lastIndex()
  }

  /** Lets one tick pass. */
  tick(): void {
    tick(this.#raft)
  }

  /** Takes a message from another member, or an answer of the storage threads. */
  step(message: Message): Outcome {
    const isStranger =
      RESPONSE_TYPES.has(message.type) && this.#raft.tracker.get(message.from) === undefined
    return isStranger ? 'dropped' : step(this.#raft, message)
  }

  /** Starts an election now, with a pre-vote if that is on. */
  campaign(): void {
    this.#local('hup', NO_NODE)
  }

  /** Proposes one entry a payload, appended in order as one batch. Payloads belong to the log from here on. */
  propose(payloads: readonly Uint8Array[]): Outcome {
    assert(payloads.length > 0, 'a proposal has at least one payload')
    return this.#propose(payloads.map((data) => ({ type: 'normal', data })))
  }

  /**
   * Proposes a membership change. `ok` does not mean that it will happen: a change that may not be made now commits
   * as an empty entry. `confChangeIssue` says so beforehand.
   */
  proposeConfChange(change: ConfChange): Outcome {
    return this.#propose([{ type: 'conf-change-v2', data: encodeConfChange(change) }])
  }

  /** Why the membership in force does not admit `change`, or null. */
  confChangeIssue(change: ConfChange): string | null {
    const changed = changeMembers(this.#raft, change)
    return changed.ok ? null : changed.reason
  }

  /**
   * Puts a membership change into force; called when its entry is applied, before the apply is acknowledged. A shell
   * that decides against the change does not call this at all (or passes it with every id 0).
   */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#raft, change)
  }

  /** Asks for a linearizable read. The answer comes in `Ready.readStates`, or never: the caller times out. */
  readIndex(context: string): void {
    step(this.#raft, { type: 'read-index', from: NO_NODE, to: NO_NODE, term: 0, context })
  }

  /** Asks the leader to hand over to `to`; given up after an election timeout. */
  transferLeader(to: NodeId): void {
    this.#local('transfer-leader', to)
  }

  /** Makes a follower forget its leader, so that it may vote at once. */
  forgetLeader(): void {
    this.#local('forget-leader', NO_NODE)
  }

  /** Says that messages to `id` were probably lost. */
  reportUnreachable(id: NodeId): void {
    this.#local('unreachable', id)
  }

  /** Says how sending the snapshot to `id` ended. Without it no more entries are sent to `id`. */
  reportSnapshot(id: NodeId, outcome: 'finish' | 'failure'): void {
    const reject = outcome === 'failure'
    step(this.#raft, { type: 'snap-status', from: id, to: this.#raft.id, term: 0, reject })
  }

  /** Whether `ready()` would ask for anything. */
  hasReady(): boolean {
    const raft = this.#raft
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterPersist.length > 0 ||
      raft.readStates.length > 0 ||
      raft.raftLog.unstable.hasNext() ||
      raft.raftLog.unstable.nextSnapshot() !== null ||
      raft.raftLog.hasNextCommitted(!this.#isAsync) ||
      this.#isSoftStateNew() ||
      this.#isHardStateNew()
    )
  }

  /** Takes everything that is to be done. In synchronous mode each one is followed by `advance()`. */
  ready(): Ready {
    const raft = this.#raft
    const { raftLog } = raft
    assert(this.#stepsOnAdvance.length === 0, 'each Ready is advanced before the next is taken')
    const before = this.#hardState
    const isSoftStateNew = this.#isSoftStateNew()
    const isHardStateNew = this.#isHardStateNew()
    if (isSoftStateNew) this.#softState = { leader: raft.leader, role: raft.role }
    if (isHardStateNew) this.#hardState = raft.hardState()
    const entries = raftLog.unstable.hasNext() ? raftLog.unstable.nextEntries() : NO_ENTRIES
    const ready: Ready & { readonly messages: Message[] } = {
      softState: isSoftStateNew ? this.#softState : null,
      hardState: isHardStateNew ? this.#hardState : null,
      readStates: raft.readStates,
      entries,
      snapshot: raftLog.unstable.nextSnapshot(),
      committed: raftLog.nextCommitted(!this.#isAsync),
      messages: raft.messages,
      mustSync: entries.length > 0 || raft.vote !== before.vote || raft.term !== before.term,
    }
    if (this.#isAsync) this.#askThreads(ready)
    else this.#holdForAdvance(ready)
    this.#accept(ready)
    return ready
  }

  /** Says that the last Ready was written, sent and applied. Synchronous mode only. */
  advance(): void {
    assert(!this.#isAsync, 'the storage threads answer instead of advance()')
    const steps = this.#stepsOnAdvance
    this.#stepsOnAdvance = []
    for (const message of steps) step(this.#raft, message)
  }

  /** A copy of the state, for people and metrics. */
  status(): Status {
    const raft = this.#raft
    const { membership, ids } = raft.tracker
    let progress: Map<NodeId, ProgressStatus> | null = null
    if (raft.role === 'leader') {
      progress = new Map(ids.map((id) => [id, progressStatus(raft.tracker.must(id))]))
    }
    return {
      id: raft.id,
      term: raft.term,
      vote: raft.vote,
      commit: raft.raftLog.committed,
      applied: raft.raftLog.applied,
      lastIndex: raft.raftLog.lastIndex(),
      leader: raft.leader,
      role: raft.role,
      leadTransferee: raft.leadTransferee,
      confState: confStateOf(membership),
      hasJointMembership: membership.outgoing.length > 0,
      progress,
    }
  }

  /** Replaces the drawn election timeout until the role changes. For tests that script elections. */
  setElectionTimeout(ticks: number): void {
    this.#raft.electionTimeout = ticks
  }

  #propose(drafts: readonly Draft[]): Outcome {
    const raft = this.#raft
    if (raft.role === 'leader') return proposeAsLeader(raft, drafts)
    // Where it belongs in the log is for the leader to say.
    const entries = drafts.map(({ type, data }) => makeEntry(ZERO_ID, type, data))
    return step(raft, { type: 'prop', from: raft.id, to: raft.id, term: 0, entries })
  }

  #local(type: 'hup' | 'transfer-leader' | 'forget-leader' | 'unreachable', from: NodeId): void {
    step(this.#raft, { type, from, to: this.#raft.id, term: 0 })
  }

  #isSoftStateNew(): boolean {
    return this.#softState.leader !== this.#raft.leader || this.#softState.role !== this.#raft.role
  }

  #isHardStateNew(): boolean {
    const { term, vote, raftLog } = this.#raft
    const known = this.#hardState
    return known.commit !== raftLog.committed || known.term !== term || known.vote !== vote
  }

  /** Asynchronous mode: the writes become messages, each with the answers that depend on it. */
  #askThreads(ready: Ready & { readonly messages: Message[] }): void {
    const raft = this.#raft
    const { entries, hardState, snapshot, committed } = ready
    const responses: Message[] = raft.messagesAfterPersist
    const isAnything = entries.length > 0 || hardState !== null || snapshot !== null
    if (isAnything || responses.length > 0) {
      const answer = storageAppendResponse(raft, ready)
      // After the acknowledgements: those still find the terms of the new entries in the unstable log.
      if (answer !== null) responses.push(answer)
      const term = hardState?.term ?? 0
      const base = { from: raft.id, to: APPEND_THREAD, term }
      ready.messages.push({
        type: 'storage-append',
        ...base,
        entries,
        hardState,
        snapshot,
        responses,
      })
    }
    if (committed.length > 0) {
      const base = { from: raft.id, to: APPLY_THREAD, term: 0, entries: committed }
      const responsesOfApply = [storageApplyResponse(raft, committed)]
      ready.messages.push({ type: 'storage-apply', ...base, responses: responsesOfApply })
    }
  }

  /** Synchronous mode: acknowledgements leave with the Ready, whose writes come first; own ones wait for `advance`. */
  #holdForAdvance(ready: Ready & { readonly messages: Message[] }): void {
    const raft = this.#raft
    for (const message of raft.messagesAfterPersist) {
      if (message.to === raft.id) this.#stepsOnAdvance.push(message)
      else ready.messages.push(message)
    }
    const answer = storageAppendResponse(raft, ready)
    if (answer !== null) this.#stepsOnAdvance.push(answer)
    if (ready.committed.length > 0) {
      this.#stepsOnAdvance.push(storageApplyResponse(raft, ready.committed))
    }
  }

  #accept(ready: Ready): void {
    const raft = this.#raft
    if (raft.readStates.length > 0) raft.readStates = []
    raft.messages = []
    raft.messagesAfterPersist = []
    raft.raftLog.unstable.acceptInProgress()
    const last = ready.committed.at(-1)
    if (last === undefined) return
    raft.raftLog.acceptApplying(last.index, entriesBytes(ready.committed), !this.#isAsync)
  }
}

const NO_ENTRIES: readonly Entry[] = []

/** Builds a replica from what its storage persisted. It starts as a follower, whatever it was. */
function restart(options: RaftOptions): Raft {
  const raft = new Raft(options)
  const { hardState, confState } = options.storage.initialState()
  const { raftLog } = raft
  const last = raftLog.last()
  restoreConfState(raft, confState)
  if (hardState.term !== 0 || hardState.vote !== NO_NODE || hardState.commit !== 0) {
    raft.loadHardState(hardState)
  }
  // What was applied was committed, even if the crash came before the commit index was written.
  raftLog.commitTo(options.applied)
  if (options.applied > 0) raftLog.appliedTo(options.applied, 0)
  raft.reset(raft.term)
  raft.log?.info(`${hex(raft.id)} became follower at term ${raft.term}`)
  raft.log?.info(
    `newRaft ${hex(raft.id)} [peers: [${raft.tracker.voters().map(hex).join(',')}], ` +
      `term: ${raft.term}, commit: ${raftLog.committed}, applied: ${raftLog.applied}, ` +
      `lastindex: ${last.index}, lastterm: ${last.term}]`,
  )
  return raft
}

/**
 * The answer that lets go of the unstable log, or null when nothing is unstable. It names the last entry of the whole
 * log and carries the current term, because of a race:
 *
 *   1. entries of leader A are being written here
 *   2. leader B replaces them, its entries are queued for writing
 *   3. A leads again and replaces them back: same terms, same indexes as in 1, queued as well
 *   4. the write of 1 is reported. Its last entry equals the unstable one, but letting go now would expose B's
 *      entries, which are written next
 *
 * So a report of an earlier term is ignored. For entries whose report was ignored not to stay unstable for ever,
 * every append names the last entry, also one that writes only a hard state, as each change of term causes.
 */
function storageAppendResponse(raft: Raft, ready: Ready): MessageOf<'storage-append-resp'> | null {
  const hasUnstable = raft.raftLog.unstable.length > 0
  if (!hasUnstable && ready.snapshot === null) return null
  return {
    type: 'storage-append-resp',
    from: APPEND_THREAD,
    to: raft.id,
    term: raft.term,
    last: hasUnstable ? raft.raftLog.last() : ZERO_ID,
    snapshot: ready.snapshot,
  }
}

function storageApplyResponse(
  raft: Raft,
  entries: readonly Entry[],
): MessageOf<'storage-apply-resp'> {
  // Committed entries are applied under no particular term.
  return { type: 'storage-apply-resp', from: APPLY_THREAD, to: raft.id, term: 0, entries }
}

function progressStatus(progress: Progress): ProgressStatus {
  return {
    match: progress.match,
    next: progress.next,
    state: progress.state,
    pendingSnapshot: progress.pendingSnapshot,
    isLearner: progress.isLearner,
    isPaused: progress.isPaused,
    recentActive: progress.recentActive,
    inflightMessages: progress.inflights.count,
    isInflightFull: progress.inflights.full,
  }
}
