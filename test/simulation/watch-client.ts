import type { WatchSink } from '../../control-plane/api/watcher.ts'
import type { Random } from '../../shared/random.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'
import { checkWatch, type WatchEvent } from '../checkers/watch-history.ts'
import type { Life } from './life.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { Timeline } from './timeline.ts'

/** Bytes that a connection takes before it asks for a pause. */
const HIGH_WATER_BYTES = 600
/** A client that hears nothing for this long goes elsewhere; bookmarks come much more often. */
const SILENCE_MS_MAX = 4_000

type Listeners = { readonly drain: Set<() => void>; readonly close: Set<() => void> }

/** The server's end of one watch: bytes go to a client at the client's pace, until either end is gone. */
export class Sink implements WatchSink {
  readonly #life: Life
  readonly #listeners: Listeners = { drain: new Set(), close: new Set() }
  readonly #onPush: () => void
  /** What waits, oldest first. */
  readonly #queue: Buffer[] = []
  #bytes = 0
  #mustDrain = false
  #isEnded = false
  #isClosed = false

  /** `onPush`: there is something to take. */
  constructor(life: Life, onPush: () => void) {
    this.#life = life
    this.#onPush = onPush
  }

  get writableLength(): number {
    return this.#bytes
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** No more will come. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Everything was taken and no more will come. */
  get isSpent(): boolean {
    return this.#isEnded && this.#queue.length === 0
  }

  write(bytes: Buffer): boolean {
    if (this.#isClosed || this.#isEnded) return false
    this.#queue.push(bytes)
    this.#bytes += bytes.length
    this.#onPush()
    this.#mustDrain ||= this.#bytes > HIGH_WATER_BYTES
    return !this.#mustDrain
  }

  end(bytes: Buffer): void {
    if (this.#isClosed || this.#isEnded) return
    this.write(bytes)
    this.#isEnded = true
    this.#onPush()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue.length = 0
    this.#bytes = 0
    this.#life.soon('', () => this.#tell('close'))
    this.#onPush()
  }

  on(): void {
    // This end never fails but by being destroyed.
  }

  once(event: 'drain' | 'close', listener: () => void): void {
    this.#listeners[event].add(listener)
  }

  off(event: 'drain' | 'close', listener: () => void): void {
    this.#listeners[event].delete(listener)
  }

  /** The network takes what it can carry at once. */
  take(): Buffer | null {
    const bytes = this.#queue.shift() ?? null
    this.#bytes -= bytes?.length ?? 0
    if (this.#mustDrain && this.#bytes === 0) {
      this.#mustDrain = false
      this.#life.soon('', () => this.#tell('drain'))
    }
    return bytes
  }

  #tell(event: 'drain' | 'close'): void {
    const listeners = [...this.#listeners[event]]
    this.#listeners[event].clear()
    for (const listener of listeners) listener()
  }
}

export type WatchClientParts = {
  readonly name: string
  readonly timeline: Timeline
  readonly network: Network
  readonly random: Random
  readonly oracle: Oracle
  readonly machines: () => readonly Machine[]
}

/** How a client behaves. Changed by the weather. */
export type WatchHabits = {
  /** Longest time that it takes for one piece. Milliseconds. */
  readMsMax: number
  /** Pieces after which it breaks off by itself, of a thousand. */
  breaksOfThousand: number
  /** New connections that begin without anything, of a hundred. */
  forgetsPercent: number
}

/** Follows the config from node to node, and keeps every line for the checker. */
export class WatchClient {
  readonly habits: WatchHabits = { readMsMax: 2, breaksOfThousand: 0, forgetsPercent: 0 }
  readonly #parts: WatchClientParts
  readonly #events: WatchEvent[] = []
  /** Connections whose bytes are on their way. */
  readonly #pumping = new Set<Sink>()
  #connection = 0
  #at = 0
  #isInSnapshot = false
  #sink: Sink | null = null
  #heardMs = 0
  #rest = ''
  lines = 0

  constructor(parts: WatchClientParts) {
    this.#parts = parts
  }

  /** The revision that it has reached; what is half here does not count. */
  get revision(): number {
    return this.#at
  }

  start(): void {
    const { timeline } = this.#parts
    this.#connect()
    const look = (): void => {
      timeline.after(SILENCE_MS_MAX / 4, '', () => {
        if (timeline.nowMs - this.#heardMs > SILENCE_MS_MAX) this.#reconnect('is not heard of')
        look()
      })
    }
    look()
  }

  /** The connection breaks; the client comes again, elsewhere. */
  breakOff(): void {
    this.#reconnect('breaks off')
  }

  /** Everything that is wrong with what it saw. */
  check(): string[] {
    const changes = this.#parts.oracle.revisions
    return checkWatch(this.#events, { changes })
  }

  #reconnect(why: string): void {
    const { timeline, random, name } = this.#parts
    timeline.note(`${name} ${why} at ${this.#at}`)
    this.#connection++
    this.#heardMs = timeline.nowMs
    const sink = this.#sink
    this.#sink = null
    // The server learns of it a little later.
    if (sink !== null) timeline.after(random.below(50), '', () => sink.destroy())
    timeline.after(5 + random.below(100), '', () => this.#connect())
  }

  #connect(): void {
    const { random, machines, network, name, timeline } = this.#parts
    const all = machines()
    const machine = all[random.below(all.length)]
    if (machine === undefined) return
    const connection = ++this.#connection
    if (random.below(100) < this.habits.forgetsPercent) {
      this.#events.push({ type: 'forgot' })
      this.#at = 0
    }
    const from = this.#at === 0 ? null : this.#at
    const isGone = () => this.#connection !== connection
    this.#rest = ''
    this.#isInSnapshot = false
    const onRefused = (): void => {
      timeline.after(network.delayMs(), '', () => {
        if (!isGone()) this.#reconnect('is refused')
      })
    }
    network.send({
      from: name,
      to: machine.name,
      label: `${name}>${machine.name} watch ${from ?? ''}`,
      arrive: () => {
        const { life, nodeApi } = machine
        if (isGone()) return
        if (life === null || nodeApi === null) {
          onRefused()
          return
        }
        life.enter(() => {
          if (isGone()) return
          const sink: Sink = new Sink(life, () => this.#pump(machine, sink, connection))
          const onOpened = (): void => {
            if (isGone()) sink.destroy()
            else this.#sink = sink
          }
          nodeApi.watch(from ?? undefined, sink, isGone).then(onOpened, onRefused)
          life.onEnd(() => sink.destroy())
          this.#events.push({ type: 'open', from })
        })
      },
    })
  }

  /** Brings one piece at a time to the client. */
  #pump(machine: Machine, sink: Sink, connection: number): void {
    if (this.#pumping.has(sink)) return
    const { timeline, network, random, name } = this.#parts
    this.#pumping.add(sink)
    const step = (): void => {
      const isGone = this.#connection !== connection
      if (isGone || sink.isClosed || sink.isSpent) {
        this.#pumping.delete(sink)
        if (!isGone) this.#reconnect(sink.isClosed ? 'is cut off' : 'is at the end')
        return
      }
      if (network.isCut(machine.name, name)) {
        timeline.after(50, '', step)
        return
      }
      const piece = sink.take()
      if (piece === null) {
        this.#pumping.delete(sink)
        return
      }
      const delayMs = network.delayMs() + random.below(this.habits.readMsMax * 1_000) / 1_000
      timeline.after(delayMs, `${machine.name}>${name} ${piece.length} bytes`, () => {
        if (this.#connection === connection) this.#read(piece)
        step()
      })
    }
    timeline.after(network.delayMs(), '', step)
  }

  #read(piece: Buffer): void {
    const { random, oracle, timeline } = this.#parts
    this.#heardMs = timeline.nowMs
    const lines = (this.#rest + piece.toString()).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const text of lines) {
      const line = JSON.parse(text) as WatchLine
      this.lines++
      this.#events.push({ type: 'line', line, committed: oracle.newest })
      this.#take(line)
    }
    if (random.below(1_000) < this.habits.breaksOfThousand) this.#reconnect('has enough')
  }

  #take(line: WatchLine): void {
    if (line.type === 'snapshot') this.#isInSnapshot = true
    if (line.type === 'snapshot-end') this.#isInSnapshot = false
    if (line.type === 'snapshot-end' || line.type === 'change') this.#at = line.revision
    if (line.type === 'change' && this.#isInSnapshot)
      this.#parts.oracle.fail(`${this.#parts.name} got a change inside a snapshot`)
  }
}
