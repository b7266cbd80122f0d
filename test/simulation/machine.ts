import { hash } from 'node:crypto'
import type { Answer } from '../../control-plane/api/answer.ts'
import type { ApiBounds } from '../../control-plane/api/context.ts'
import type { ForwardedRequest } from '../../control-plane/api/forward.ts'
import { formOrJoin, FormingResponder } from '../../control-plane/cluster/forming.ts'
import { LateNode } from '../../control-plane/node/late-node.ts'
import { Node } from '../../control-plane/node/node.ts'
import { PeerSwitch } from '../../control-plane/node/peer-switch.ts'
import { assertNotRemoved } from '../../control-plane/node/removal.ts'
import type { ConfState, Message, NodeAddress, NodeId } from '../../control-plane/ports.ts'
import { NodeStore } from '../../control-plane/storage/node-store.ts'
import type { Retention } from '../../control-plane/storage/retention.ts'
import { describeError, isRaftwayError } from '../../shared/errors.ts'
import type { Release } from '../../shared/features.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Random } from '../../shared/random.ts'
import { Life, MachineTime } from './life.ts'
import type { Network } from './network.ts'
import { NodeApi } from './node-api.ts'
import { Platter } from './platter.ts'
import { VirtualSpace } from './virtual-space.ts'
import type { Timeline } from './timeline.ts'
import { VirtualDisk, type DiskStep, type DiskWeather, type DiskWitness } from './virtual-disk.ts'
import { VirtualTransport, type Listener } from './virtual-transport.ts'

const CLUSTER_ID = 'c'.repeat(32)
const TICK_MS = 20
const HEARTBEAT_MS = 60
const ELECTION_MS = 300
const TRANSFER_MS = 2_000

/** The world around a machine. */
export type Surroundings = {
  readonly timeline: Timeline
  readonly network: Network
  readonly random: Random
  readonly retention: Retention
  readonly bounds: Partial<ApiBounds>
  /** Milliseconds that the clock goes on at each look at it: how slow a machine is. */
  readonly workMs: number
  listenerAt(peer: string): Listener | null
  machineAt(peer: string): string
  /** Peer addresses that a process is told to look for members at. */
  seeds(): readonly string[]
  /** Brings a forwarded call to whoever answers at its origin. */
  forward(from: Machine, life: Life, request: ForwardedRequest): Promise<Answer>
  readonly witness: Witness
}

/** Who checks what machines do. */
export type Witness = {
  onMessage(machine: Machine, message: Message): void
  onStart(machine: Machine, node: Node): void
  /** The process ended by itself. */
  onExit(machine: Machine, error: unknown): void
  /** Something in the log says that stored data is damaged. */
  onDamage(machine: Machine): void
  /** The audit log says that a membership is in force from an index on; the disk may say so later. */
  onMembership(index: number, confState: ConfState): void
  diskWitness(machine: Machine): DiskWitness
}

/** What a process needs to begin with when its disk is empty. */
export type Beginning =
  | { readonly type: 'found'; readonly founders: readonly NodeAddress[] }
  /** `replaces`: the member that this machine was before it lost its disk. */
  | { readonly type: 'join'; readonly peers: readonly string[]; readonly replaces: NodeId | null }

type Running = {
  readonly life: Life
  readonly api: NodeApi
  readonly transport: VirtualTransport
  readonly peers: PeerSwitch
  readonly end: AbortController
  store: NodeStore | null
  node: Node | null
}

/** A box: its clock, its disk, and at most one process of the control plane. */
export class Machine {
  readonly name: string
  readonly id: NodeId
  readonly time: MachineTime
  readonly platter = new Platter()
  readonly space = new VirtualSpace()
  readonly diskWeather: DiskWeather = { syncMsMax: 1, isFull: false, pageItemsMax: 8 }
  peer: string
  api: string
  /** What its next process is; exchanged only between two processes. */
  release: Release
  /** Crash at this step of the next writes, after so many; null for not. */
  armed: { readonly step: DiskStep; left: number; readonly crash: 'process' | 'power' } | null =
    null
  readonly #world: Surroundings
  readonly #beginning: Beginning
  #running: Running | null = null
  #lives = 0

  constructor(
    world: Surroundings,
    parts: {
      readonly name: string
      readonly id: NodeId
      readonly beginning: Beginning
      readonly release: Release
    },
  ) {
    this.#world = world
    this.name = parts.name
    this.id = parts.id
    this.#beginning = parts.beginning
    this.release = parts.release
    this.peer = `${parts.name}:7401`
    this.api = `http://${parts.name}:7400`
    this.time = new MachineTime(world.timeline)
  }

  get address(): NodeAddress {
    const { id, name, api, peer, release } = this
    return { id, name, api, peer, release }
  }

  get isUp(): boolean {
    return this.#running !== null
  }

  get life(): Life | null {
    return this.#running?.life ?? null
  }

  get lives(): number {
    return this.#lives
  }

  /** Null until the process has found its cluster. */
  get node(): Node | null {
    return this.#running?.node ?? null
  }

  get store(): NodeStore | null {
    return this.#running?.store ?? null
  }

  get nodeApi(): NodeApi | null {
    return this.#running?.api ?? null
  }

  get listener(): Listener | null {
    const running = this.#running
    if (running === null || running.store === null) return null
    const { life, transport, peers, store } = running
    const clusterId = () => store.identity?.clusterId ?? null
    return {
      machine: this.name,
      life,
      handler: peers,
      transport,
      self: () => ({ ...this.address, clusterId: clusterId() }),
    }
  }

  /** Starts the process on whatever the disk holds. */
  start(): void {
    if (this.#running !== null) return
    const { timeline, random, workMs } = this.#world
    this.#lives++
    const name = `${this.name}.${this.#lives}`
    const life = new Life({ name, timeline, time: this.time, random, workMs })
    timeline.note(`${this.name} starts, life ${this.#lives}`)
    this.#boot(life).catch((error: unknown) => this.#exit(life, error))
  }

  /** The process is gone; with the power, whatever was not synced may be. */
  crash(kind: 'process' | 'power'): void {
    const running = this.#running
    if (running === null) return
    this.#running = null
    this.armed = null
    this.#world.timeline.note(`${this.name} crashes (${kind}), unsynced ${this.platter.unsynced}`)
    running.life.end()
    this.space.forget()
    if (kind === 'power') this.losePower()
  }

  /** What a power failure leaves of a disk. */
  losePower(): void {
    this.platter.lose(this.#world.random.below(this.platter.unsynced + 1))
  }

  /** SIGTERM: hands over, finishes, and ends. Never rejects. */
  async stop(): Promise<void> {
    const running = this.#running
    if (running === null) return
    const { life, node, api, store, end } = running
    end.abort()
    await node?.stop(TRANSFER_MS)
    await api.close()
    await store?.close()
    if (this.#running !== running) return
    this.#running = null
    this.#world.timeline.note(`${this.name} stopped`)
    life.end()
  }

  async #boot(life: Life): Promise<void> {
    const { network, random, witness, retention } = this.#world
    const logger = this.#logger(life)
    const late = new LateNode(() => this.address)
    const api = new NodeApi({
      plane: late,
      life,
      logger,
      bounds: this.#world.bounds,
      electionMs: ELECTION_MS,
      send: (request) => this.#world.forward(this, life, request),
    })
    const running: Running = {
      life,
      api,
      end: new AbortController(),
      peers: new PeerSwitch({ onCall: (from, call) => responder.onCall(from, call) }),
      transport: new VirtualTransport({
        machine: this.name,
        life,
        network,
        handler: {
          onMessage: (message) => running.peers.onMessage(message),
          onNote: (from, note) => running.peers.onNote(from, note),
          onCall: (from, call) => running.peers.onCall(from, call),
          onSnapshot: (message, chunks) => running.peers.onSnapshot(message, chunks),
          onUnreachable: (id) => running.peers.onUnreachable(id),
        },
        self: () => ({ ...this.address, clusterId: running.store?.identity?.clusterId ?? null }),
        listenerAt: (peer) => this.#world.listenerAt(peer),
        machineAt: (peer) => this.#world.machineAt(peer),
        onSend: (message) => witness.onMessage(this, message),
      }),
      store: null,
      node: null,
    }
    this.#running = running
    const disk = new VirtualDisk({
      life,
      platter: this.platter,
      weather: this.diskWeather,
      witness: witness.diskWitness(this),
      random,
      path: `/${this.name}/db`,
    })
    const store = await NodeStore.open(disk, {
      logger,
      clock: life,
      retention,
      makeNodeId: () => this.id,
      release: this.release,
    })
    await assertNotRemoved(store.notes)
    const responder = new FormingResponder({ self: () => this.address, notes: store.notes, logger })
    running.store = store
    const hints = await this.#findCluster(running, responder, logger)
    if (store.identity === null) throw new Error('a machine has found its cluster')
    let ids = 0
    const makeId = () => `${life.name}-${++ids}`
    const node = new Node({
      identity: store.identity,
      self: this.address,
      hints,
      seeds: () => Promise.resolve(this.#world.seeds()),
      removeDead: null,
      store,
      transport: running.transport,
      clock: life,
      space: this.space,
      logger,
      seed: random.next(),
      makeId,
      bootstrap: {
        newSecret: () => hash('sha256', makeId(), 'base64url'),
        fingerprint: () => '',
        announce() {},
      },
      tickMs: TICK_MS,
      heartbeatMs: HEARTBEAT_MS,
      electionMs: ELECTION_MS,
      onFatal: (error) => this.#exit(life, error),
    })
    running.node = node
    witness.onStart(this, node)
    running.peers.deliverTo(node)
    late.arrive(node)
  }

  async #findCluster(
    { store, transport, life, end }: Running,
    responder: FormingResponder,
    logger: Logger,
  ): Promise<readonly NodeAddress[]> {
    if (store === null || store.identity !== null) return []
    const beginning = this.#beginning
    if (beginning.type === 'found') {
      const { founders } = beginning
      const voters = founders.map(({ id }) => id)
      await store.bootstrap({
        identity: { clusterId: CLUSTER_ID, nodeId: this.id },
        confState: { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
        members: founders,
      })
      return founders
    }
    if (beginning.replaces !== null) await responder.beginJoin(CLUSTER_ID)
    const formation = await formOrJoin({
      responder,
      join: beginning.peers,
      lookup: null,
      expect: null,
      ...(beginning.replaces === null ? {} : { replaces: beginning.replaces }),
      call: (peer, note, timeoutMs) => transport.call(peer, note, timeoutMs),
      clock: life,
      random: this.#world.random,
      logger,
      signal: end.signal,
    })
    await store.saveIdentity(formation.identity)
    return formation.type === 'joined' ? formation.members : formation.founders
  }

  #exit(life: Life, error: unknown): void {
    if (life.isOver) return
    this.#world.timeline.note(`${this.name} ends: ${describeError(error)}`)
    this.crash('process')
    this.#world.witness.onExit(this, error)
  }

  #logger(life: Life): Logger {
    const { timeline, witness } = this.#world
    const hear = (level: string) => (fields: object, message: string) => {
      if (life.isOver) return
      const error = 'err' in fields ? fields.err : null
      const why = error === null ? '' : ` (${describeError(error)})`
      timeline.note(`${this.name} ${level}: ${message}${why}`)
      if (isRaftwayError(error, 'STORAGE_CORRUPT')) witness.onDamage(this)
      if ('confState' in fields && 'index' in fields)
        witness.onMembership(Number(fields.index), fields.confState as ConfState)
    }
    return { debug() {}, info: hear('info'), warn: hear('warn'), error: hear('error') }
  }
}
