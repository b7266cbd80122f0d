import { parseDefinition } from '../../shared/definitions/parse.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'
import { checkWatch, type WatchEvent } from '../checkers/watch-history.ts'
import type { Machine } from './machine.ts'
import type { WriteBody } from './node-api.ts'
import { profileOf, type Profile } from './profiles.ts'
import { Sink } from './watch-client.ts'
import { World } from './world.ts'

/** A world without weather: what goes wrong is what the test does. */
export async function calmWorld(
  machines: number,
  more: Partial<Pick<Profile, 'retention' | 'bounds'>> = {},
): Promise<World> {
  const { retention, bounds, release } = { ...profileOf(0), ...more }
  const world = new World({
    seed: 1,
    machines,
    retention,
    bounds,
    workMs: 0,
    release,
    onLine: null,
  })
  for (const machine of world.machines) machine.start()
  await until(world, 'a leader', () => world.leader !== null)
  await world.pass(200)
  return world
}

/** Lets time pass until something is so; fails if it is not within `ms`. */
export async function until(
  world: World,
  what: string,
  isSo: () => boolean,
  ms = 20_000,
): Promise<void> {
  await world.pass(ms, isSo)
  if (!isSo()) throw new Error(`${what}: not within ${ms} ms`)
}

export function leaderOf(world: World): Machine {
  const { leader } = world
  if (leader === null) throw new Error('nobody leads')
  return leader
}

/** One that does not lead. */
export function followerOf(world: World): Machine {
  const [follower] = othersOf(world, leaderOf(world))
  if (follower === undefined) throw new Error('nobody follows')
  return follower
}

/** Everybody but one. */
function othersOf(world: World, one: Machine): readonly Machine[] {
  return world.machines.filter((machine) => machine !== one)
}

/** Cuts one machine off from the others, both ways. */
export function isolate(world: World, one: Machine): void {
  for (const other of othersOf(world, one)) {
    world.network.cut(one.name, other.name, 'drop')
    world.network.cut(other.name, one.name, 'drop')
  }
}

let ops = 0

/** Writes through a node, the leader unless told otherwise; gives the status of the answer. */
export async function put(
  world: World,
  name: string,
  options: { readonly through?: Machine; readonly ifRevision?: number } = {},
): Promise<{ readonly status: number; readonly revision: number }> {
  const { through = leaderOf(world), ifRevision = null } = options
  const op = `op-${++ops}`
  const parsed = parseDefinition({
    kind: 'Api',
    name,
    labels: { op },
    spec: {
      routes: [{ path: `/${name}/` }],
      upstream: { targets: [{ url: 'http://127.0.0.1:9000' }] },
    },
  })
  if (!parsed.ok || through.nodeApi === null) throw new Error('nothing to write, or nobody there')
  const body: WriteBody = {
    operations: [{ op: 'put', definition: parsed.value, ifRevision }],
    message: op,
  }
  let found: { readonly status: number; readonly revision: number } | null = null
  through.nodeApi
    .answer({
      type: 'write',
      method: 'POST',
      target: '/v1/transactions',
      headers: { 'idempotency-key': op },
      body: Buffer.from(JSON.stringify(body)),
    })
    .then(
      ({ status, revision }) => {
        found = { status, revision }
        return found
      },
      (error: unknown) => world.oracle.fail(String(error)),
    )
  await until(world, 'the write is answered', () => found !== null)
  return found ?? { status: 0, revision: 0 }
}

/** Writes so many revisions, one after another. */
export async function putMany(world: World, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await put(world, `k${at % 3}`)
}

/** One watch on one node, read at the pace of the test. */
export class DirectedWatch {
  readonly lines: WatchLine[] = []
  /** The refusal of the watch, if it was refused. */
  refusal: unknown = null
  /** Whether it takes what comes. */
  isReading = true
  readonly #world: World
  readonly #sink: Sink
  readonly #events: WatchEvent[] = []
  #rest = ''

  constructor(world: World, machine: Machine, from?: number) {
    const { life, nodeApi } = machine
    if (life === null || nodeApi === null) throw new Error(`${machine.name} is not there`)
    this.#world = world
    this.#sink = new Sink(life, () => this.#wake())
    if (from !== undefined) this.#pretend(from)
    this.#events.push({ type: 'open', from: from ?? null })
    nodeApi
      .watch(from, this.#sink, () => false)
      .catch((error: unknown) => {
        this.refusal = error
      })
  }

  get types(): readonly string[] {
    return this.lines.map(({ type }) => type)
  }

  /** The revision of the last change or snapshot. */
  get revision(): number {
    const last = this.lines.findLast(({ type }) => type === 'change' || type === 'snapshot-end')
    return last !== undefined && 'revision' in last ? last.revision : 0
  }

  /** The node has ended it. */
  get isEnded(): boolean {
    return this.#sink.isEnded
  }

  takeAll(): void {
    while (this.#sink.writableLength > 0) this.takeOne()
  }

  /** Takes one piece of what waits. */
  takeOne(): void {
    const piece = this.#sink.take()
    if (piece === null) return
    const texts = (this.#rest + piece.toString()).split('\n')
    this.#rest = texts.pop() ?? ''
    for (const text of texts) {
      const line = JSON.parse(text) as WatchLine
      this.lines.push(line)
      this.#events.push({ type: 'line', line, committed: this.#world.oracle.newest })
    }
  }

  /** Everything that is wrong with what came. */
  problems(): readonly string[] {
    return checkWatch(this.#events, { changes: this.#world.oracle.revisions })
  }

  /** As if it had seen everything up to a revision before. */
  #pretend(revision: number): void {
    const { oracle } = this.#world
    const known = Math.min(revision, oracle.newest)
    const definitions = [...oracle.configAt(known).values()]
    const hash = oracle.revision(known)?.hash ?? ''
    const line = (given: WatchLine): void => {
      this.#events.push({ type: 'line', line: given, committed: oracle.newest })
    }
    if (known !== revision) return
    this.#events.push({ type: 'open', from: null })
    line({ type: 'snapshot', revision, count: definitions.length })
    for (const definition of definitions) line({ type: 'definition', definition })
    line({ type: 'snapshot-end', revision, hash })
  }

  #wake(): void {
    if (!this.isReading) return
    this.#world.timeline.after(0.1, '', () => {
      while (this.isReading && this.#sink.writableLength > 0) this.takeOne()
    })
  }
}
