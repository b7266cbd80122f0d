import { describeError, RaftwayError } from '../../shared/errors.ts'
import type {
  AppliedBatch,
  AppliedChange,
  ClusterStatus,
  ControlPlane,
  GatewayTalk,
  Identity,
  NodeAddress,
  OutgoingBackup,
  PeerHandler,
  PeerIdentity,
  PeerNote,
  RestoredState,
  WriteAnswer,
  WriteRequest,
} from '../ports.ts'
import type { Entry, Message, MessageOf, NodeId } from '../raft/messages.ts'
import { isLocalMessage, RawNode, type SoftState } from '../raft/raw-node.ts'
import { Applier, membersOf, type ApplierHooks } from './applier.ts'
import { Audience } from './audience.ts'
import { keepBootstrapped } from './bootstrap.ts'
import { ConsensusLoop, type LoopHooks } from './consensus-loop.ts'
import { coreOptions } from './core-options.ts'
import { Healing } from './healing.ts'
import { Housekeeping } from './housekeeping.ts'
import { lostEntries, noteLostEntries } from './lost-entries.ts'
import { Leadership } from './leadership.ts'
import { Members } from './members.ts'
import type { NodeParts } from './node-parts.ts'
import { NodeState } from './node-state.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { noteRemoval } from './removal.ts'
import { Snapshots } from './snapshots.ts'
import { TableCompiler } from './table-compiler.ts'
import { UsageDesk } from './usage-desk.ts'
import { Waiters } from './waiters.ts'

const SNAPSHOT_CHECK_MS = 100

/** A control-plane node: consensus, state and disk tied together, and the face that the HTTP API sees. */
export class Node implements ControlPlane, PeerHandler {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly state: NodeState
  readonly usage: UsageDesk
  readonly #parts: NodeParts
  readonly #raw: RawNode
  readonly #loop: ConsensusLoop
  readonly #applier: Applier
  readonly #proposals: Proposals
  readonly #reads: Reads
  readonly #snapshots: Snapshots
  readonly #leadership: Leadership
  readonly #members: Members
  readonly #housekeeping: Housekeeping
  readonly #healing: Healing
  readonly #compiler: TableCompiler
  readonly #applied: Waiters
  readonly #revisions: Waiters
  readonly #audience = new Audience()
  readonly #stops: (() => void)[] = []
  #isStopping = false
  #stopped: Promise<void> | null = null

  /** Takes up where the disk left off, and takes part at once. The transport must deliver to this node. */
  constructor(parts: NodeParts) {
    const { store, clock, transport, self } = parts
    this.#parts = parts
    this.identity = parts.identity
    this.self = self
    this.#applier = new Applier(store.restored, this.#applierHooks(), parts)
    this.state = new NodeState(this.#applier, store)
    this.#raw = new RawNode(coreOptions(parts, this.#applier))
    const wake = () => this.#loop.wake()
    this.#loop = new ConsensusLoop({
      raw: this.#raw,
      id: self.id,
      store,
      transport,
      clock,
      hooks: this.#hooks(),
    })
    this.#applied = new Waiters(clock, this.#applier.index)
    this.#revisions = new Waiters(clock, this.#applier.state.revision)
    this.#proposals = new Proposals({
      clock,
      gate: () => this.#members.gate,
      makeId: parts.makeId,
      state: this.#applier.state,
      propose: (payloads) => this.#raw.propose(payloads) === 'ok',
      isClosed: () => this.#leadership.isHandingOver,
      wake,
      confirm: (revision) => this.#confirm(revision),
    })
    this.#reads = new Reads(clock, `${self.id}-${parts.seed}`, (context) => {
      this.#raw.readIndex(context)
      wake()
    })
    const onFatal = (error: unknown) => this.#fail(error)
    const around = { ...parts, raw: this.#raw, applier: this.#applier, wake }
    this.#snapshots = new Snapshots({ ...around, onFatal })
    this.#leadership = new Leadership({
      ...around,
      address: (id) => this.#members.address(id),
      isHeard: (id) => this.#members.isHeard(id),
      flush: () => this.#proposals.flush(),
    })
    this.usage = new UsageDesk({ ...around, gate: () => this.#members.gate })
    this.#members = new Members({
      ...around,
      leadership: this.#leadership,
      readBarrier: (timeoutMs) => this.readBarrier(timeoutMs),
      answerWaiting: (error) => this.#proposals.answerWaiting(error),
      onRemoved: () => this.#endAsRemoved(),
    })
    this.#healing = new Healing({
      ...around,
      loop: this.#loop,
      leadership: this.#leadership,
      standings: this.#members.standings,
      snapshots: this.#snapshots,
      adopt: (restored) => this.#adopt(restored),
    })
    this.#housekeeping = new Housekeeping({ ...parts, applier: this.#applier })
    this.#compiler = new TableCompiler(clock, this.#applier, onFatal)
    this.#begin()
  }

  get isLeader(): boolean {
    return this.#raw.role === 'leader'
  }

  leader(): NodeAddress | null {
    return this.#leadership.leader()
  }

  waitForLeader(timeoutMs: number): Promise<NodeAddress> {
    return this.#leadership.waitForLeader(timeoutMs)
  }

  async write(request: WriteRequest): Promise<WriteAnswer> {
    this.#assertRunning()
    await this.#leadership.untilWritable(4 * this.#parts.electionMs)
    await this.#members.guard.admitWrite()
    const { action } = request
    if (action.type !== 'rollback') return this.#proposals.write(request, null)
    const config = await this.state.configAt(action.revision)
    this.#leadership.assertLeading()
    return this.#proposals.write(request, config)
  }

  async readBarrier(timeoutMs: number): Promise<void> {
    this.#assertRunning()
    const index = await this.#reads.point(timeoutMs)
    await this.#applied.wait(index, timeoutMs, `log index ${index}`)
  }

  waitForRevision(revision: number, timeoutMs: number): Promise<void> {
    return this.#revisions.wait(revision, timeoutMs, `revision ${revision}`)
  }

  status(): ClusterStatus {
    return this.#members.view.status()
  }

  get deadMembersRemoved(): number {
    return this.#members.dead.removed
  }

  isReady(): boolean {
    const isMember = membersOf(this.#applier.confState).has(this.self.id)
    return (
      !this.#isStopping &&
      isMember &&
      this.#leadership.leader() !== null &&
      this.#applier.isCaughtUp(this.#raw.commit)
    )
  }

  addMember(peer: string): Promise<NodeAddress> {
    return this.#members.desk.add(peer)
  }

  removeMember(name: string): Promise<void> {
    return this.#members.desk.remove(name)
  }

  promoteMember(name: string): Promise<void> {
    return this.#members.desk.promote(name)
  }

  transferLeadership(name: string | null): Promise<string> {
    return this.#members.desk.transferLeadership(name)
  }

  openBackup(): Promise<OutgoingBackup> {
    const { store, clock } = this.#parts
    const { clusterId } = this.identity
    return store.openBackup({ clusterId, node: this.self.name, nowMs: clock.now() })
  }

  onApplied(listener: (change: AppliedChange) => void): () => void {
    return this.#audience.onApplied(listener)
  }

  onReset(listener: () => void): () => void {
    return this.#audience.onReset(listener)
  }

  get gateways(): GatewayTalk {
    return this.#members.gateways
  }

  // What other nodes send

  onMessage(message: Message): void {
    // Writes are forwarded above consensus, where they are planned: no node of this version sends a proposal.
    if (isLocalMessage(message.type) || message.type === 'prop' || message.to !== this.self.id)
      return
    const lost = lostEntries(message, this.#raw)
    if (lost !== null) return this.#endAfter(() => noteLostEntries(this.#parts.store.notes, lost))
    this.#raw.step(message)
    this.#loop.wake()
  }

  onNote(from: NodeId, note: PeerNote): void {
    if (note.type === 'progress') this.#members.view.onProgressNote(note.body)
    if (note.type === 'standing') this.#members.standings.onNote(from, note.body)
    if (note.type === 'gateways') this.#members.gateways.onNote(from, note.body)
    if (note.type === 'counts') this.#members.gateways.onCountsNote(note.body)
  }

  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    if (call.type === 'heal') return this.#healing.onCall(from.id, call.body)
    return this.#members.desk.onCall(from, call)
  }

  onSnapshot(message: MessageOf<'snap'>, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#snapshots.receive(message, chunks)
  }

  onUnreachable(id: NodeId): void {
    this.#raw.reportUnreachable(id)
    this.#loop.wake()
  }

  /**
   * Hands leadership over if it can within `transferMs`; nothing happens on a node that does not lead. Writes that come
   * meanwhile wait, and the node goes on as a follower. Never rejects.
   */
  async handOver(transferMs: number): Promise<void> {
    if (this.#isStopping || !this.isLeader || this.#applier.confState.voters.length === 1) return
    const { logger } = this.#parts
    try {
      const { name } = await this.#leadership.transfer(null, transferMs)
      logger.info({ leader: name }, 'handed leadership over')
    } catch (error) {
      if (this.isLeader) {
        logger.warn({ reason: describeError(error) }, 'stopping without handing leadership over')
      }
    }
  }

  /** Hands leadership over as `handOver`, then stops; resolves when the disk holds all of it. */
  stop(transferMs: number): Promise<void> {
    return (this.#stopped ??= this.#stop(transferMs))
  }

  async #stop(transferMs: number): Promise<void> {
    await this.handOver(transferMs)
    if (this.#isStopping) return
    this.#isStopping = true
    this.#rejectAll(new RaftwayError('STOPPING', 'this node is stopping'))
    for (const stop of this.#stops) stop()
    await this.#housekeeping.stop()
    const stopped = this.#loop.stop()
    // What waits for room on the disk is given up, after the loop knows that it has ended.
    this.#members.stop()
    this.#healing.stop()
    await stopped
  }

  async #confirm(revision: number): Promise<void> {
    const timeoutMs = 2 * this.#parts.electionMs
    await this.readBarrier(timeoutMs)
    await this.waitForRevision(revision, timeoutMs)
  }

  #endAsRemoved(): void {
    const { self, identity } = this
    const { store, clock } = this.#parts
    const node = { name: self.name, identity, atMs: clock.now() }
    this.#endAfter(() => noteRemoval(store.notes, node))
  }

  /** Ends with the error that `note` has written down. It must not reject. */
  #endAfter(note: () => Promise<RaftwayError>): void {
    if (this.#isStopping) return
    this.#isStopping = true
    void note().then((error) => this.#fail(error))
  }

  #applierHooks(): ApplierHooks {
    return {
      applyConfChange: (change) => this.#raw.applyConfChange(change),
      onWrite: (command, result) => this.#proposals.onApplied(command, result),
      onChange: (change) => {
        this.#members.standings.applied(change)
        this.#audience.applied(change)
      },
      onMembership: (request) => this.#members.onApplied(request),
      onUsage: (id, applied) => this.usage.onApplied(id, applied),
    }
  }

  #hooks(): LoopHooks {
    return {
      onGather: () => this.#proposals.flush(),
      onSoftState: (softState) => this.#onSoftState(softState),
      onReadState: (readState) => this.#reads.onReadState(readState),
      onCommitted: (entries) => this.#onCommitted(entries),
      // Its outcome reaches the core through reportSnapshot; it never rejects.
      onSnapshotNeeded: (message) => void this.#snapshots.send(message),
      onSnapshotAccepted: (message) => this.#install(message),
      untilRoom: () => this.#members.guard.untilRoom(),
      onFatal: (error) => this.#fail(error),
    }
  }

  #onSoftState(softState: SoftState): void {
    const wasLeading = this.#leadership.isLeading
    this.#leadership.onSoftState(softState)
    if (wasLeading !== this.#leadership.isLeading) {
      const error = new RaftwayError(
        'WRITE_UNCERTAIN',
        'leadership changed while the write was under way',
      )
      if (wasLeading && this.#leadership.isHandingOver) {
        this.#proposals.handOff(error, 4 * this.#parts.electionMs)
      } else {
        this.#proposals.abandon(error)
      }
      this.#members.abandon(error)
      this.usage.abandon(error)
    }
    const leader = this.#members.address(softState.leader)?.name ?? null
    this.#parts.logger.info(
      { audit: true, role: softState.role, leader, term: this.#raw.term },
      'role or leader changed',
    )
  }

  async #onCommitted(entries: readonly Entry[]): Promise<AppliedBatch> {
    const batch = await this.#applier.apply(entries)
    this.#leadership.onApplied(batch.appliedTerm)
    this.#revisions.reach(this.#applier.state.revision)
    this.#applied.reach(batch.appliedIndex)
    this.#compiler.wake()
    return batch
  }

  async #install(message: MessageOf<'storage-append'>): Promise<RestoredState> {
    if (message.snapshot === null) throw new RaftwayError('INTERNAL', 'no snapshot to install')
    const hardState = message.hardState ?? this.#parts.store.log.initialState().hardState
    const restored = await this.#snapshots.install(message.snapshot, hardState)
    this.#adopt(restored)
    return restored
  }

  #adopt(restored: RestoredState): void {
    this.#applier.reset(restored)
    this.#proposals.abandon(
      new RaftwayError('NOT_LEADER', 'this node follows'),
      this.#applier.state,
    )
    this.#members.setPeers()
    this.#leadership.onApplied(restored.appliedTerm)
    this.#revisions.reach(restored.revision)
    this.#applied.reach(restored.appliedIndex)
    this.#members.standings.reset()
    this.#audience.reset()
    this.#compiler.wake()
  }

  #startTimers(): void {
    const { clock, tickMs } = this.#parts
    this.#stops.push(
      clock.every(tickMs, () => {
        this.#raw.tick()
        this.#reads.onTick()
        this.#loop.wake()
      }),
      keepBootstrapped(this.#parts, {
        raw: this.#raw,
        applier: this.#applier,
        gate: this.#members.gate,
      }),
      clock.every(SNAPSHOT_CHECK_MS, () => void this.#snapshots.dropUnused(this.#applier.index)),
    )
  }

  #begin(): void {
    this.#compiler.wake()
    this.#members.setPeers()
    this.#startTimers()
    // It may have crashed between the entry that removed it and its end.
    this.#members.endIfRemoved()
    // A cluster of one has nobody to wait for.
    const { voters, votersOutgoing } = this.#applier.confState
    if (voters.length !== 1 || voters[0] !== this.self.id || votersOutgoing.length > 0) return
    this.#raw.campaign()
    this.#loop.wake()
  }

  #rejectAll(error: RaftwayError): void {
    // What is in the log of a node that stops may still be committed by the others.
    const uncertain = new RaftwayError(
      'WRITE_UNCERTAIN',
      'the node stopped while the write was under way',
    )
    this.#proposals.abandon(uncertain)
    this.#members.abandon(uncertain)
    this.usage.abandon(uncertain)
    this.#reads.rejectAll(error)
    this.#applied.rejectAll(error)
    this.#revisions.rejectAll(error)
    this.#leadership.rejectAll(error)
  }

  #fail(error: unknown): void {
    this.#isStopping = true
    this.#rejectAll(new RaftwayError('STOPPING', 'this node is stopping', { cause: error }))
    for (const stop of this.#stops) stop()
    // Nothing is written any more; its end is nobody's to wait for.
    void this.#loop.stop()
    this.#members.stop()
    this.#healing.stop()
    this.#parts.onFatal(error)
  }

  #assertRunning(): void {
    if (this.#isStopping) throw new RaftwayError('STOPPING', 'this node is stopping')
  }
}
