import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { RaftwayError } from '../../../shared/errors.ts'
import { canonicalJson } from '../../../shared/canonical-json.ts'
import type { Counted } from '../../../shared/count-protocol.ts'
import type {
  AppliedChange,
  ClusterAccess,
  ClusterStatus,
  ControlPlane,
  GatewayStatus,
  GatewayTalk,
  HistoryRecord,
  Identity,
  NodeAddress,
  OutgoingBackup,
  StateReader,
  UsageCommand,
  UsagePort,
  UsageStep,
  WriteAnswer,
  WriteCommand,
  WriteRequest,
} from '../../../control-plane/ports.ts'
import { Speculation } from '../../../control-plane/state-machine/propose.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import { LoneState } from './lone-state.ts'

type Member = { readonly address: NodeAddress; role: 'voter' | 'learner' }

/**
 * A cluster without consensus: nodes in one process that apply one log, each to a replicated state of its own. Who
 * leads is decided by the test, and a node can be held back, cut off or set back.
 */
export class LoneCluster {
  readonly nodes: readonly LoneNode[]
  readonly log: WriteCommand[] = []
  readonly history: HistoryRecord[] = []
  readonly members: Member[]
  compactedRevision = 0
  #leader: LoneNode | null
  readonly #waiting = new Set<(leader: LoneNode) => void>()

  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, at) => new LoneNode(this, at + 1))
    this.#leader = this.nodes[0] ?? null
    this.members = this.nodes.map(({ self }) => ({ address: self, role: 'voter' }))
  }

  get leader(): LoneNode | null {
    return this.#leader
  }

  /** How many wait for a leader. */
  get waiting(): number {
    return this.#waiting.size
  }

  node(at: number): LoneNode {
    const node = this.nodes[at]
    if (node === undefined) throw new RangeError(`there is no node ${at}`)
    return node
  }

  lead(node: LoneNode | null): void {
    this.#leader = node
    if (node === null) return
    node.onLead()
    for (const hear of this.#waiting) hear(node)
    this.#waiting.clear()
  }

  async waitForLeader(timeoutMs: number): Promise<LoneNode> {
    if (this.#leader !== null) return this.#leader
    const { promise, resolve, reject } = Promise.withResolvers<LoneNode>()
    this.#waiting.add(resolve)
    const timer = setTimeout(
      () => reject(new RaftwayError('NO_LEADER', `no leader within ${timeoutMs} ms`)),
      timeoutMs,
    )
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(resolve)
    }
  }

  /** What a leader makes once, on every node. */
  grantAccess(access: ClusterAccess): void {
    for (const node of this.nodes) node.replica.applyAccess(access)
  }

  append(command: WriteCommand): void {
    this.log.push(command)
    for (const node of this.nodes) node.applyLog()
  }

  compactHistory(upTo: number): void {
    this.compactedRevision = upTo
    for (const node of this.nodes) node.replica.compactHistory(upTo)
  }
}

/** One node of a LoneCluster, as its HTTP API sees it. */
export class LoneNode implements ControlPlane {
  readonly self: { readonly id: number; readonly name: string; api: string; readonly peer: string }
  readonly state: StateReader
  identity: Identity | null
  /** Runs before a write is appended; throws to refuse it. */
  beforeWrite: (request: WriteRequest) => void | Promise<void> = () => {}
  /** Runs when the write is applied, before the writer hears of it; throws to lose the answer. */
  afterWrite: (request: WriteRequest) => void | Promise<void> = () => {}
  /** Runs when leadership was handed over, before the caller hears of it. */
  afterTransfer: () => Promise<void> = () => Promise.resolve()
  writes = 0
  readBarriers = 0
  replica = new ReplicatedState()
  readonly #cluster: LoneCluster
  readonly #onApplied = new Set<(change: AppliedChange) => void>()
  readonly #onReset = new Set<() => void>()
  readonly #onGateways = new Set<(node: string, gateways: readonly GatewayStatus[]) => void>()
  readonly #onCounts = new Set<(counts: readonly Counted[]) => void>()
  readonly #onGrown = new Set<(steps: readonly UsageStep[]) => void>()
  #readGateways: () => readonly string[] = () => []
  readonly #atRevision = new Set<{ readonly revision: number; readonly resolve: () => void }>()
  #speculation: Speculation
  #applied = 0
  #isHeld = false
  /** What this node publishes reaches nobody. */
  isMute = false

  constructor(cluster: LoneCluster, id: number) {
    this.#cluster = cluster
    this.self = { id, name: `n${id}`, api: '', peer: `127.0.0.1:${7400 + id}` }
    this.identity = { clusterId: 'lone', nodeId: id }
    this.#speculation = new Speculation(this.replica)
    this.state = new LoneState(cluster, () => this.replica)
  }

  get isLeader(): boolean {
    return this.#cluster.leader === this
  }

  leader(): NodeAddress | null {
    return this.#cluster.leader?.self ?? null
  }

  async waitForLeader(timeoutMs: number): Promise<NodeAddress> {
    return (await this.#cluster.waitForLeader(timeoutMs)).self
  }

  async write(request: WriteRequest): Promise<WriteAnswer> {
    this.#assertLeading()
    await this.beforeWrite(request)
    this.#assertLeading()
    this.writes++
    const { action, ifConfigRevision, message } = request
    const rollback = action.type === 'rollback' ? await this.state.configAt(action.revision) : null
    const { command, predicted, unchanged } = this.#speculation.plan(request, {
      atMs: Date.now(),
      key: request.key ?? randomUUID(),
      fingerprint: canonicalJson(JSON.parse(JSON.stringify({ action, ifConfigRevision, message }))),
      configAtRollback: rollback,
    })
    if (command === null || request.dryRun) return { ...predicted, unchanged }
    this.#speculation.taken(command)
    this.#cluster.append(command)
    await this.afterWrite(request)
    return { ...predicted, unchanged }
  }

  async readBarrier(timeoutMs: number): Promise<void> {
    this.readBarriers++
    const leader = await this.#cluster.waitForLeader(timeoutMs)
    await this.waitForRevision(leader.state.revision, timeoutMs)
  }

  async waitForRevision(revision: number, timeoutMs: number): Promise<void> {
    if (this.state.revision >= revision) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { revision, resolve }
    this.#atRevision.add(waiting)
    const late = new RaftwayError('TIMEOUT', `revision ${revision} did not come`)
    const timer = setTimeout(() => reject(late), timeoutMs)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#atRevision.delete(waiting)
    }
  }

  status(): ClusterStatus {
    const { log, leader, members } = this.#cluster
    return {
      clusterId: this.identity?.clusterId ?? '',
      node: this.self.name,
      leader: leader?.self.name ?? null,
      term: 1,
      commitIndex: log.length,
      appliedIndex: this.#applied,
      revision: this.state.revision,
      hash: this.state.hash,
      featureLevel: 1,
      members: members.map(({ address, role }) => ({
        ...address,
        role,
        state: address.id === leader?.self.id ? 'leader' : 'follower',
        matchIndex: log.length,
        healthy: true,
        disk: 'plenty' as const,
        sameConfig: true,
        lastHeardMs: address.id === this.self.id ? null : 0,
        version: null,
        featureLevel: 1,
      })),
    }
  }

  readonly deadMembersRemoved = 0

  isReady(): boolean {
    return this.#cluster.leader !== null && this.#applied === this.#cluster.log.length
  }

  async addMember(peer: string): Promise<NodeAddress> {
    this.#assertLeading()
    const { members } = this.#cluster
    if (members.some(({ address }) => address.peer === peer)) {
      throw new RaftwayError('MEMBER_EXISTS', `${peer} is a member`)
    }
    const id = Math.max(...members.map(({ address }) => address.id)) + 1
    const address = { id, name: `n${id}`, api: 'http://127.0.0.1:1', peer }
    members.push({ address, role: 'learner' })
    return address
  }

  async removeMember(name: string): Promise<void> {
    this.#assertLeading()
    const member = this.#member(name)
    this.#cluster.members.splice(this.#cluster.members.indexOf(member), 1)
  }

  async promoteMember(name: string): Promise<void> {
    this.#assertLeading()
    this.#member(name).role = 'voter'
  }

  async transferLeadership(name: string | null): Promise<string> {
    this.#assertLeading()
    if (name !== null) this.#member(name)
    const next = this.#cluster.nodes.find((node) =>
      name === null ? node !== this : node.self.name === name,
    )
    if (next === undefined) throw new RaftwayError('MEMBERSHIP_REFUSED', 'nobody can take over')
    this.#cluster.lead(next)
    await this.afterTransfer()
    return next.self.name
  }

  openBackup(): Promise<OutgoingBackup> {
    const pieces = ['a backup ', 'in pieces'].map((text) => Buffer.from(text))
    return Promise.resolve({
      clusterId: this.identity?.clusterId ?? '',
      revision: this.replica.revision,
      pieces: () => Readable.from(pieces),
      close: () => Promise.resolve(),
    })
  }

  onApplied(listener: (change: AppliedChange) => void): () => void {
    this.#onApplied.add(listener)
    return () => this.#onApplied.delete(listener)
  }

  onReset(listener: () => void): () => void {
    this.#onReset.add(listener)
    return () => this.#onReset.delete(listener)
  }

  readonly gateways: GatewayTalk = {
    publishCounts: (counts) => {
      for (const node of this.#cluster.nodes) {
        if (node === this) continue
        setImmediate(() => {
          for (const hear of node.#onCounts) hear(counts)
        })
      }
    },
    onCounts: (listener) => {
      this.#onCounts.add(listener)
      return () => this.#onCounts.delete(listener)
    },
    publish: (gateways) => {
      if (this.isMute) return
      const text = JSON.stringify(gateways)
      for (const node of this.#cluster.nodes) {
        if (node === this) continue
        setImmediate(() => {
          for (const hear of node.#onGateways) hear(this.self.name, JSON.parse(text))
        })
      }
    },
    answerWith: (read) => {
      this.#readGateways = read
    },
    ask: () => {
      const others = this.#cluster.nodes.filter((node) => node !== this)
      return Promise.resolve(new Map(others.map((node) => [node.self.name, node.#readGateways()])))
    },
    onGateways: (listener) => {
      this.#onGateways.add(listener)
      return () => this.#onGateways.delete(listener)
    },
  }

  readonly usage: UsagePort = {
    count: async (report) => {
      this.#assertLeading()
      this.#applyUsage({ reports: [report], adjustments: [] })
      return { totals: this.replica.usage.totalsOf(report.counts) }
    },
    adjust: async (adjustment) => {
      this.#assertLeading()
      this.#applyUsage({ reports: [], adjustments: [adjustment] })
      return { totals: this.replica.usage.totalsOf([adjustment]) }
    },
    of: (consumer) => this.replica.usage.of(consumer),
    onGrown: (listener) => {
      this.#onGrown.add(listener)
      return () => this.#onGrown.delete(listener)
    },
  }

  #applyUsage(parts: Pick<UsageCommand, 'reports' | 'adjustments'>): void {
    const command = { type: 'usage', id: randomUUID(), atMs: Date.now(), ...parts } as const
    const { grown } = this.replica.applyUsage(command)
    for (const node of this.#cluster.nodes) if (node !== this) node.replica.applyUsage(command)
    for (const hear of this.#onGrown) hear(grown)
  }

  // What tests do to it

  /** Applies nothing more until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.applyLog()
  }

  /** Takes over the state of another node, as a snapshot would bring it. */
  installFrom(other: LoneNode): void {
    const { revision, hash, compactedRevision } = other.replica
    this.replica = ReplicatedState.restore({
      appliedIndex: other.#applied,
      appliedTerm: 1,
      confState: {
        voters: [],
        learners: [],
        votersOutgoing: [],
        learnersNext: [],
        autoLeave: false,
      },
      revision,
      hash,
      compactedRevision,
      members: [],
      access: other.replica.access,
      idempotency: [],
      definitions: other.replica.list(),
    })
    this.#applied = other.#applied
    this.#speculation = new Speculation(this.replica)
    for (const hear of this.#onReset) hear()
  }

  onLead(): void {
    this.#speculation = new Speculation(this.replica)
  }

  applyLog(): void {
    while (!this.#isHeld && this.#applied < this.#cluster.log.length) {
      const command = this.#cluster.log[this.#applied]
      if (command === undefined) return
      this.#applied++
      const { change, records } = this.replica.apply(command, this.#applied)
      this.#speculation.settled(command)
      for (const record of records) {
        if (record.type !== 'revision') continue
        const { history } = this.#cluster
        if ((history.at(-1)?.revision ?? 0) < record.history.revision) history.push(record.history)
      }
      if (change === null) continue
      for (const hear of this.#onApplied) hear(change)
      for (const waiting of this.#atRevision) {
        if (waiting.revision <= change.revision) waiting.resolve()
      }
    }
  }

  #member(name: string): Member {
    const member = this.#cluster.members.find(({ address }) => address.name === name)
    if (member === undefined) throw new RaftwayError('MEMBER_NOT_FOUND', `no member is ${name}`)
    return member
  }

  #assertLeading(): void {
    if (this.isLeader) return
    throw new RaftwayError('NOT_LEADER', `${this.self.name} does not lead`)
  }
}
