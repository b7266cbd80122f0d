import { describeError, RaftwayError } from '../../shared/errors.ts'
import { MEMBER_CALL_MS_MAX } from '../../shared/limits.ts'
import type {
  AppliedChange,
  ClusterStatus,
  ControlPlane,
  GatewayStatus,
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
import { encodeCommand } from '../state-machine/command.ts'
import { Applier, membersOf, type ApplierHooks } from './applier.ts'
import { Audience } from './audience.ts'
import { keepBootstrapped } from './bootstrap.ts'
import { ClusterView } from './cluster-view.ts'
import { ConsensusLoop, type LoopHooks, type Written } from './consensus-loop.ts'
import { coreOptions } from './core-options.ts'
import { DiskGuard } from './disk-guard.ts'
import { Housekeeping } from './housekeeping.ts'
import { lostEntries } from './lost-entries.ts'
import { Leadership } from './leadership.ts'
import { MemberDesk } from './member-desk.ts'
import { MembershipChanges } from './membership-changes.ts'
import type { NodeParts } from './node-parts.ts'
import { NodeState } from './node-state.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { noteRemoval } from './removal.ts'
import { Snapshots } from './snapshots.ts'
import { Standings } from './standings.ts'
import { TableCompiler } from './table-compiler.ts'
import { Waiters } from './waiters.ts'
import { Whereabouts } from './whereabouts.ts'

const LEARNER_CHECK_MS = 100
const PROGRESS_NOTE_MS = 200

/** A control-plane node: consensus, state and disk tied together, and the face that the HTTP API sees. */
export class Node implements ControlPlane, PeerHandler {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly state: NodeState
  readonly #parts: NodeParts
  readonly #raw: RawNode
  readonly #loop: ConsensusLoop
  readonly #applier: Applier
  readonly #proposals: Proposals
  readonly #reads: Reads
  readonly #membership: MembershipChanges
  readonly #desk: MemberDesk
  readonly #snapshots: Snapshots
  readonly #leadership: Leadership
  readonly #view: ClusterView
  readonly #whereabouts: Whereabouts
  readonly #housekeeping: Housekeeping
  readonly #standings: Standings
  readonly #guard: DiskGuard
  readonly #compiler: TableCompiler
  readonly #applied: Waiters
  readonly #revisions: Waiters
  readonly #audience = new Audience()
  readonly #stops: (() => void)[] = []
  #isStopping = false

  /** Takes up where the disk left off, and takes part at once. The transport must deliver to this node. */
  constructor(parts: NodeParts) {
    const { store, clock, transport, logger, self } = parts
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
      makeId: parts.makeId,
      state: this.#applier.state,
      propose: (payloads) => this.#raw.propose(payloads) === 'ok',
      wake,
      confirm: (revision) => this.#confirm(revision),
    })
    this.#reads = new Reads(clock, `${self.id}-${parts.seed}`, (context) => {
      this.#raw.readIndex(context)
      wake()
    })
    this.#leadership = new Leadership({
      raw: this.#raw,
      clock,
      wake,
      address: (id) => this.#address(id),
    })
    this.#standings = new Standings({
      ...parts,
      id: self.id,
      state: this.state,
      members: () => this.#applier.state.members.keys(),
      onDifference: (id, revision) => this.#onDifference(id, revision),
    })
    this.#guard = new DiskGuard({
      ...parts,
      leadership: this.#leadership,
      withRoom: () => this.#standings.withRoom(this.#applier.confState.voters),
    })
    this.#snapshots = new Snapshots({ ...parts, raw: this.#raw, wake })
    this.#membership = new MembershipChanges({
      raw: this.#raw,
      applier: this.#applier,
      clock,
      logger,
      timeoutMs: 4 * parts.electionMs + MEMBER_CALL_MS_MAX,
      makeId: parts.makeId,
      proposeMember: (address) => this.#raw.propose([encodeCommand({ type: 'member', address })]),
      wake,
    })
    const around = {
      ...parts,
      state: () => this.#applier.state,
      leadership: this.#leadership,
      membership: this.#membership,
      onRemoved: () => this.#endAsRemoved(),
    }
    this.#desk = new MemberDesk({
      ...around,
      known: () => this.#whereabouts.known(),
      readBarrier: (timeoutMs) => this.readBarrier(timeoutMs),
    })
    this.#whereabouts = new Whereabouts(around)
    this.#view = new ClusterView({
      ...parts,
      raw: this.#raw,
      applier: this.#applier,
      standings: this.#standings,
    })
    this.#housekeeping = new Housekeeping({ ...parts, applier: this.#applier })
    this.#compiler = new TableCompiler(clock, this.#applier, (error) => this.#fail(error))
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
    await this.#leadership.untilWritable(this.#parts.electionMs)
    await this.#guard.admitWrite()
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
    return this.#view.status()
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
    return this.#desk.add(peer)
  }

  removeMember(name: string): Promise<void> {
    return this.#desk.remove(name)
  }

  promoteMember(name: string): Promise<void> {
    return this.#desk.promote(name)
  }

  async transferLeadership(name: string | null): Promise<string> {
    this.#leadership.assertLeading()
    const members = this.#applier.state.members
    const wanted =
      name === null ? null : ([...members.values()].find((one) => one.name === name) ?? null)
    if (name !== null && wanted === null)
      throw new RaftwayError('MEMBER_NOT_FOUND', `no member is called ${name}`)
    const leader = await this.#leadership.transfer(wanted?.id ?? null, 2 * this.#parts.electionMs)
    return leader.name
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

  publishGateways(gateways: readonly GatewayStatus[]): void {
    for (const id of this.#applier.state.members.keys()) {
      if (id !== this.self.id)
        this.#parts.transport.sendNote(id, { type: 'gateways', body: gateways })
    }
  }

  onGateways(listener: (node: string, gateways: readonly GatewayStatus[]) => void): () => void {
    return this.#audience.onGateways(listener)
  }

  // What other nodes send

  onMessage(message: Message): void {
    // Writes are forwarded above consensus, where they are planned: no node of this version sends a proposal.
    if (isLocalMessage(message.type) || message.type === 'prop' || message.to !== this.self.id)
      return
    const lost = lostEntries(message, this.#raw)
    if (lost !== null) return this.#fail(lost)
    this.#raw.step(message)
    this.#loop.wake()
  }

  onNote(from: NodeId, note: PeerNote): void {
    if (note.type === 'progress') this.#view.onProgressNote(note.body)
    if (note.type === 'standing') this.#standings.onNote(from, note.body)
    if (note.type === 'gateways') {
      const name = this.#applier.state.members.get(from)?.name
      // A peer of the same cluster is trusted to send what publishGateways was given.
      if (name !== undefined) this.#audience.gateways(name, note.body as readonly GatewayStatus[])
    }
  }

  onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    return this.#desk.onCall(from, call)
  }

  onSnapshot(message: MessageOf<'snap'>, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#snapshots.receive(message, chunks)
  }

  onUnreachable(id: NodeId): void {
    this.#raw.reportUnreachable(id)
    this.#loop.wake()
  }

  /** Hands leadership over if it can within `transferMs`, then stops; resolves when the disk holds all of it. */
  async stop(transferMs: number): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    if (this.isLeader && this.#applier.confState.voters.length > 1) {
      await this.#leadership.transfer(null, transferMs).catch((error: unknown) => {
        this.#parts.logger.warn(
          { reason: describeError(error) },
          'stopping without handing leadership over',
        )
      })
    }
    this.#rejectAll(new RaftwayError('STOPPING', 'this node is stopping'))
    this.#whereabouts.stop()
    for (const stop of this.#stops) stop()
    await this.#housekeeping.stop()
    const stopped = this.#loop.stop()
    // What waits for room on the disk is given up, after the loop knows that it has ended.
    this.#guard.stop()
    await stopped
  }

  async #confirm(revision: number): Promise<void> {
    const timeoutMs = 2 * this.#parts.electionMs
    await this.readBarrier(timeoutMs)
    await this.waitForRevision(revision, timeoutMs)
  }

  #onDifference(id: NodeId, revision: number): void {
    const member = this.#address(id)?.name ?? String(id)
    this.#parts.logger.error({ member, revision }, 'a member has another config than this node')
  }

  #endAsRemoved(): void {
    if (this.#isStopping) return
    this.#isStopping = true
    const { self, identity } = this
    const { store, clock } = this.#parts
    // It never rejects.
    void noteRemoval(store.notes, { name: self.name, identity, atMs: clock.now() }).then((error) =>
      this.#fail(error),
    )
  }

  #applierHooks(): ApplierHooks {
    return {
      applyConfChange: (change) => this.#raw.applyConfChange(change),
      onWrite: (command, result) => this.#proposals.onApplied(command, result),
      onChange: (change) => {
        this.#standings.applied(change)
        this.#audience.applied(change)
      },
      onMembership: (request) => this.#onMembership(request),
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
      untilRoom: () => this.#guard.untilRoom(),
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
      this.#proposals.abandon(error)
      this.#membership.abandon(error)
    }
    const leader = this.#address(softState.leader)?.name ?? null
    this.#parts.logger.info(
      { role: softState.role, leader, term: this.#raw.term },
      'role or leader changed',
    )
  }

  async #onCommitted(entries: readonly Entry[]): Promise<Written> {
    const batch = await this.#applier.apply(entries)
    this.#leadership.onApplied(batch.appliedTerm)
    this.#revisions.reach(this.#applier.state.revision)
    this.#applied.reach(batch.appliedIndex)
    this.#compiler.wake()
    return { written: this.#parts.store.apply(batch) }
  }

  async #install(message: MessageOf<'storage-append'>): Promise<RestoredState> {
    if (message.snapshot === null) throw new RaftwayError('INTERNAL', 'no snapshot to install')
    const hardState = message.hardState ?? this.#parts.store.log.initialState().hardState
    const restored = await this.#snapshots.install(message.snapshot, hardState)
    this.#applier.reset(restored)
    this.#proposals.abandon(
      new RaftwayError('NOT_LEADER', 'this node follows'),
      this.#applier.state,
    )
    this.#setPeers()
    this.#leadership.onApplied(restored.appliedTerm)
    this.#revisions.reach(restored.revision)
    this.#applied.reach(restored.appliedIndex)
    this.#standings.reset()
    this.#audience.reset()
    this.#compiler.wake()
    return restored
  }

  #onMembership(request: string | null): void {
    this.#setPeers()
    this.#membership.onApplied(request)
    const members = membersOf(this.#applier.confState)
    if (members.size === 0 || members.has(this.self.id)) return
    // The others must hear of the commit that removes this node before it goes silent.
    this.#stops.push(
      this.#parts.clock.after(2 * this.#parts.electionMs, () => this.#endAsRemoved()),
    )
  }

  #setPeers(): void {
    const known = this.#applier.state.members
    const members = known.size > 0 ? [...known.values()] : this.#parts.hints
    this.#parts.transport.setPeers(members.filter(({ id }) => id !== this.self.id))
  }

  #address(id: NodeId): NodeAddress | null {
    return (
      this.#parts.transport.learned(id) ??
      this.#applier.state.members.get(id) ??
      this.#parts.hints.find((hint) => hint.id === id) ??
      null
    )
  }

  #startTimers(): void {
    const { clock, tickMs, transport } = this.#parts
    this.#stops.push(
      clock.every(tickMs, () => {
        this.#raw.tick()
        this.#reads.onTick()
        this.#loop.wake()
      }),
      keepBootstrapped({ ...this.#parts, raw: this.#raw, applier: this.#applier }),
      clock.every(LEARNER_CHECK_MS, () => {
        if (this.isLeader) this.#membership.checkLearners()
        void this.#snapshots.dropUnused(this.#applier.index)
      }),
      clock.every(PROGRESS_NOTE_MS, () => {
        this.#standings.tell()
        const body = this.#view.progressNote()
        if (body === null) return
        for (const { id } of body.members)
          if (id !== this.self.id) transport.sendNote(id, { type: 'progress', body })
      }),
    )
  }

  #begin(): void {
    this.#compiler.wake()
    this.#setPeers()
    this.#startTimers()
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
    this.#membership.abandon(uncertain)
    this.#reads.rejectAll(error)
    this.#applied.rejectAll(error)
    this.#revisions.rejectAll(error)
    this.#leadership.rejectAll(error)
  }

  #fail(error: unknown): void {
    this.#isStopping = true
    this.#rejectAll(new RaftwayError('STOPPING', 'this node is stopping', { cause: error }))
    this.#whereabouts.stop()
    for (const stop of this.#stops) stop()
    // Nothing is written any more; its end is nobody's to wait for.
    void this.#loop.stop()
    this.#guard.stop()
    this.#parts.onFatal(error)
  }

  #assertRunning(): void {
    if (this.#isStopping) throw new RaftwayError('STOPPING', 'this node is stopping')
  }
}
