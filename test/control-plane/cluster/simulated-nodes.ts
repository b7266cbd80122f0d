// A small world for forming: nodes with disks, a network that delays, loses and cuts, and one clock that jumps from
// event to event. Everything below is decided by one seed. The network is a value of Transport['call'], not a copy of ours.
import { RaftwayError } from '../../../shared/errors.ts'
import { SILENT } from '../../../shared/logger.ts'
import { Random } from '../../../shared/random.ts'
import { formOrJoin, FormingResponder } from '../../../control-plane/cluster/forming.ts'
import type { Notes } from '../../../control-plane/cluster/forming-responder.ts'
import type { Formation } from '../../../control-plane/cluster/standing.ts'
import type { Clock } from '../../../control-plane/clock.ts'
import type {
  NodeAddress,
  PeerIdentity,
  PeerNote,
  Transport,
} from '../../../control-plane/ports.ts'

type Timer = { readonly atMs: number; readonly order: number; readonly action: () => void }

/** Time that passes only when everything that was due has happened. */
export class JumpingClock implements Clock {
  #nowMs = 0
  #order = 0
  #timers: Timer[] = []

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  every(ms: number, action: () => void): () => void {
    let cancel: () => void = () => {}
    const repeat = (): void => {
      cancel = this.after(ms, repeat)
      action()
    }
    cancel = this.after(ms, repeat)
    return () => cancel()
  }

  after(ms: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  defer(action: () => void): void {
    this.after(0, action)
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve)
    })
  }

  /** Runs until `isDone` or until `untilMs`; whether it was done. */
  async run(untilMs: number, isDone: () => boolean): Promise<boolean> {
    for (;;) {
      // Promises that are due settle before time moves on.
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
      if (isDone()) return true
      this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      const [next] = this.#timers
      if (next === undefined || next.atMs > untilMs) return false
      this.#timers.shift()
      this.#nowMs = next.atMs
      next.action()
    }
  }
}

/** What the network does to calls at the moment. */
export type Weather = {
  lossPercent: number
  /** Of questions and answers that take so long that nobody waits for them any more. */
  latePercent: number
  delayMsMax: number
  isCut: (a: string, b: string) => boolean
}

export class World {
  readonly clock = new JumpingClock()
  readonly random: Random
  readonly nodes = new Map<string, SimulatedNode>()
  readonly weather: Weather = { lossPercent: 0, latePercent: 0, delayMsMax: 5, isCut: () => false }
  readonly #ids = new Set<number>()

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  freshId(): number {
    for (;;) {
      const id = 1 + this.random.below(1_000_000)
      if (this.#ids.has(id)) continue
      this.#ids.add(id)
      return id
    }
  }

  add(name: string, join: readonly string[], expect: number | null): SimulatedNode {
    const node = new SimulatedNode(this, name, join, expect)
    this.nodes.set(node.peer, node)
    return node
  }

  chance(percent: number): boolean {
    return this.random.below(100) < percent
  }

  delay(): Promise<void> {
    const { delayMsMax, latePercent } = this.weather
    const lateMs = this.chance(latePercent) ? this.random.below(3_000) : 0
    return this.clock.wait(this.random.below(delayMsMax + 1) + lateMs)
  }

  isReachable(from: string, to: string): boolean {
    return !this.weather.isCut(from, to) && !this.chance(this.weather.lossPercent)
  }

  /** A call from one life of a node; what comes back after that life is never heard of. */
  callFrom(caller: SimulatedNode, isAlive: () => boolean): Transport['call'] {
    return async (peer, note, timeoutMs) => {
      const late = Promise.withResolvers<Carried>()
      const cancel = this.clock.after(timeoutMs, () =>
        late.resolve({ error: new RaftwayError('TIMEOUT', `${peer} did not answer`) }),
      )
      const outcome = await Promise.race([this.#carry(caller, peer, note), late.promise])
      cancel()
      if (!isAlive()) return NEVER
      if ('error' in outcome) throw outcome.error
      return outcome
    }
  }

  /** Settles only if something comes back. */
  async #carry(caller: SimulatedNode, peer: string, note: PeerNote): Promise<Carried> {
    const from = caller.identity()
    const body: unknown = structuredClone(note.body)
    await this.delay()
    const target = this.nodes.get(peer)
    if (!this.isReachable(caller.peer, peer)) return NEVER
    if (target?.isUp !== true) {
      return { error: new RaftwayError('PEER_UNREACHABLE', `${peer} is down`) }
    }
    const { life } = target
    const answer = await settle(target.onCall(from, { type: note.type, body }))
    const identity = target.identity()
    await this.delay()
    if (target.life !== life || !this.isReachable(peer, caller.peer)) return NEVER
    if ('error' in answer) return answer
    return { from: identity, body: structuredClone(answer.value) }
  }
}

type Carried = { readonly error: unknown } | { readonly from: PeerIdentity; readonly body: unknown }

const NEVER = new Promise<never>(() => {})

/** One node across its crashes: an id and a disk that stay, and a life that does not. */
export class SimulatedNode {
  readonly name: string
  readonly peer: string
  id: number
  life = 0
  isUp = false
  /** What it came to; written once. */
  formation: Formation | null = null
  disk = new Map<string, string>()
  readonly #world: World
  readonly #join: readonly string[]
  readonly #expect: number | null
  #responder: FormingResponder | null = null
  #end = new AbortController()

  constructor(world: World, name: string, join: readonly string[], expect: number | null) {
    this.#world = world
    this.name = name
    this.peer = `${name}:7401`
    this.#join = join
    this.#expect = expect
    this.id = world.freshId()
  }

  address(): NodeAddress {
    return { id: this.id, name: this.name, api: `http://${this.name}:7400`, peer: this.peer }
  }

  identity(): PeerIdentity {
    return { ...this.address(), clusterId: this.formation?.identity.clusterId ?? null }
  }

  start(): void {
    if (this.isUp) return
    this.isUp = true
    const life = ++this.life
    const isAlive = () => this.isUp && this.life === life
    this.#end = new AbortController()
    this.#responder = new FormingResponder({
      self: () => this.address(),
      notes: this.#notes(isAlive),
      logger: SILENT,
    })
    if (this.formation !== null) return
    const { signal } = this.#end
    // A life that ends early hears STOPPING; anything else it may not reject with ends the test run.
    void this.#search(this.#responder, isAlive, signal)
  }

  async #search(
    responder: FormingResponder,
    isAlive: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random } = this.#world
    try {
      const formation = await formOrJoin({
        responder,
        join: this.#join,
        lookup: null,
        expect: this.#expect,
        call: this.#world.callFrom(this, isAlive),
        clock,
        random: new Random(random.next()),
        logger: SILENT,
        signal,
      })
      if (isAlive()) this.formation = formation
    } catch (error) {
      if (isAlive()) throw error
    }
  }

  /** Between two events: nothing that was not durable survives. */
  crash(): void {
    this.isUp = false
    this.#end.abort()
  }

  /** A crash that takes the disk with it. The next life is another node. */
  loseDisk(): void {
    this.crash()
    this.disk = new Map()
    this.formation = null
    this.id = this.#world.freshId()
  }

  async onCall(from: PeerIdentity, call: PeerNote): Promise<unknown> {
    if (this.formation === null) return this.#responder?.onCall(from, call)
    if (call.type === 'hello') return { members: [] }
    if (call.type !== 'join') throw new RaftwayError('MEMBERSHIP_REFUSED', 'has a cluster')
    const { clusterId } = this.formation.identity
    const founders = [...this.#world.nodes.values()].flatMap((node) =>
      node.formation?.type === 'founded' &&
      node.formation.identity.clusterId === clusterId &&
      node.isUp
        ? [node.address()]
        : [],
    )
    const [founded] = [...this.#world.nodes.values()].flatMap(({ formation }) =>
      formation?.type === 'founded' && formation.identity.clusterId === clusterId
        ? [formation]
        : [],
    )
    if (founded === undefined || founders.length <= founded.founders.length / 2) {
      throw new RaftwayError('NO_LEADER', 'no leader is known')
    }
    return { identity: { clusterId, nodeId: from.id }, members: [...founders, this.address()] }
  }

  #notes(isAlive: () => boolean): Notes {
    const { clock, random } = this.#world
    return {
      get: (key) => {
        const text = this.disk.get(key)
        return Promise.resolve(text === undefined ? undefined : JSON.parse(text))
      },
      put: async (key, value) => {
        const text = JSON.stringify(value)
        // A crash may come before the write, or between the write and the word of it.
        await clock.wait(random.below(4))
        if (!isAlive()) return NEVER
        this.disk.set(key, text)
        await clock.wait(random.below(4))
        return isAlive() ? undefined : NEVER
      },
    }
  }
}

async function settle(promise: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error }
  }
}
