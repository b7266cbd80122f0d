import { ConfigHash } from '../../shared/config-hash.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { levelOf } from '../../shared/features.ts'
import type {
  AppliedChange,
  ClusterStatus,
  ControlPlane,
  GatewayTalk,
  Identity,
  NodeAddress,
  OutgoingBackup,
  StateReader,
  UsagePort,
  WriteAnswer,
  WriteRequest,
} from '../ports.ts'
import { Audience } from './audience.ts'
import type { Node } from './node.ts'

/** The state of a node that belongs to no cluster: nothing, at revision 0. */
const NOTHING: StateReader = {
  revision: 0,
  hash: new ConfigHash().toHex(),
  compactedRevision: 0,
  count: 0,
  access: null,
  get: () => undefined,
  list: () => [],
  history: () => Promise.resolve([]),
  historyOf: () => Promise.resolve([]),
  configAt: () => Promise.resolve([]),
  explain: () => ({ matched: null, candidates: [] }),
  explainStream: () => ({ matched: null, candidates: [] }),
}

/**
 * A node from the moment its process is up: the HTTP API listens while the node is still looking for its cluster,
 * and says so (NOT_FORMED). Once the node exists everything goes there.
 */
export class LateNode implements ControlPlane {
  readonly #self: () => NodeAddress
  readonly #audience = new Audience()
  #readGateways: () => readonly string[] = () => []
  #node: Node | null = null

  readonly gateways: GatewayTalk = {
    publishCounts: (counts) => this.#node?.gateways.publishCounts(counts),
    onCounts: (listener) => this.#audience.onCounts(listener),
    publish: (gateways) => this.#node?.gateways.publish(gateways),
    answerWith: (read) => {
      this.#readGateways = read
    },
    ask: async (timeoutMs) => (await this.#node?.gateways.ask(timeoutMs)) ?? new Map(),
    onGateways: (listener) => this.#audience.onGateways(listener),
  }

  readonly usage: UsagePort = {
    count: async (report) => this.#formed().usage.count(report),
    adjust: async (adjustment) => this.#formed().usage.adjust(adjustment),
    of: (consumer) => this.#node?.usage.of(consumer) ?? null,
    onGrown: (listener) => this.#audience.onUsageGrown(listener),
  }

  constructor(self: () => NodeAddress) {
    this.#self = self
  }

  /** The node has found its cluster. Called once. */
  arrive(node: Node): void {
    this.#node = node
    node.gateways.answerWith(() => this.#readGateways())
    node.onApplied((change) => this.#audience.applied(change))
    node.onReset(() => this.#audience.reset())
    node.gateways.onGateways((name, gateways) => this.#audience.gateways(name, gateways))
    node.gateways.onCounts((counts) => this.#audience.counts(counts))
    node.usage.onGrown((steps) => this.#audience.usageGrown(steps))
    // What listeners took for the state was nothing; what the node restored they have never heard of.
    this.#audience.reset()
  }

  get identity(): Identity | null {
    return this.#node?.identity ?? null
  }

  get self(): NodeAddress {
    return this.#self()
  }

  get state(): StateReader {
    return this.#node?.state ?? NOTHING
  }

  get isLeader(): boolean {
    return this.#node?.isLeader ?? false
  }

  leader(): NodeAddress | null {
    return this.#node?.leader() ?? null
  }

  async waitForLeader(timeoutMs: number): Promise<NodeAddress> {
    return this.#formed().waitForLeader(timeoutMs)
  }

  async write(request: WriteRequest): Promise<WriteAnswer> {
    return this.#formed().write(request)
  }

  async readBarrier(timeoutMs: number): Promise<void> {
    return this.#formed().readBarrier(timeoutMs)
  }

  async waitForRevision(revision: number, timeoutMs: number): Promise<void> {
    return this.#formed().waitForRevision(revision, timeoutMs)
  }

  status(): ClusterStatus {
    if (this.#node !== null) return this.#node.status()
    const { revision, hash } = NOTHING
    const nowhere = { leader: null, term: 0, commitIndex: 0, appliedIndex: 0 }
    const level = { featureLevel: levelOf(this.self) }
    return {
      clusterId: '',
      node: this.self.name,
      ...nowhere,
      revision,
      hash,
      ...level,
      members: [],
    }
  }

  get deadMembersRemoved(): number {
    return this.#node?.deadMembersRemoved ?? 0
  }

  isReady(): boolean {
    return this.#node?.isReady() ?? false
  }

  async addMember(peer: string): Promise<NodeAddress> {
    return this.#formed().addMember(peer)
  }

  async removeMember(name: string): Promise<void> {
    return this.#formed().removeMember(name)
  }

  async promoteMember(name: string): Promise<void> {
    return this.#formed().promoteMember(name)
  }

  async transferLeadership(name: string | null): Promise<string> {
    return this.#formed().transferLeadership(name)
  }

  async openBackup(): Promise<OutgoingBackup> {
    return this.#formed().openBackup()
  }

  onApplied(listener: (change: AppliedChange) => void): () => void {
    return this.#audience.onApplied(listener)
  }

  onReset(listener: () => void): () => void {
    return this.#audience.onReset(listener)
  }

  #formed(): Node {
    if (this.#node !== null) return this.#node
    throw new RaftwayError('NOT_FORMED', `${this.self.name} is still looking for its cluster`)
  }
}
