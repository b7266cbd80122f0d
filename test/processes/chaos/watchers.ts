import { setTimeout as pause } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { Random } from '../../../shared/random.ts'
import type { WatchLine } from '../../../shared/watch-protocol.ts'
import type { Truth, WatchEvent } from '../../checkers/watch-history.ts'

const RETRY_PAUSE_MS = 50
/** A stream that says nothing for so long, bookmarks included, is given up. */
const SILENT_MS_MAX = 15_000
const CONNECT_MS_MAX = 1_000
/** How long a watcher stays with one node. */
const STAY_MS = { least: 2_000, most: 15_000 }

/** One revision as a node remembers it. */
export type CommittedChange = Truth['changes'][number]

type Place = { readonly name: string; readonly url: string }

/** Watchers that go from node to node, each going on where its last stream ended, until stopped. */
export class Watchers {
  readonly #agent = new Agent({ connect: { timeout: CONNECT_MS_MAX } })
  readonly #end = new AbortController()
  readonly #watchers: Watcher[]
  readonly #runs: Promise<void>[]

  constructor(options: {
    readonly places: readonly Place[]
    readonly count: number
    readonly seed: number
  }) {
    this.#watchers = Array.from({ length: options.count }, (_, at) => {
      const random = new Random(options.seed + 104_729 * (at + 1))
      return new Watcher(options.places, random)
    })
    this.#runs = this.#watchers.map((watcher) => watcher.run(this.#agent, this.#end.signal))
  }

  /** What each has seen, in its order. */
  get events(): readonly (readonly WatchEvent[])[] {
    return this.#watchers.map(({ events }) => events)
  }

  /** What the watcher that is furthest behind has. */
  get revision(): number {
    return Math.min(...this.#watchers.map(({ revision }) => revision ?? 0))
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#runs)
    await this.#agent.destroy()
  }
}

class Watcher {
  readonly events: WatchEvent[] = []
  /** What it goes on from; null while it has nothing. */
  revision: number | null = null
  readonly #places: readonly Place[]
  readonly #random: Random

  constructor(places: readonly Place[], random: Random) {
    this.#places = places
    this.#random = random
  }

  async run(agent: Agent, end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      if (this.revision !== null && this.#random.below(10) === 0) {
        this.events.push({ type: 'forgot' })
        this.revision = null
      }
      // How a stream ends is nothing to rely on: what came of it counts.
      await this.#read(agent, end).catch(() => null)
      await pause(RETRY_PAUSE_MS)
    }
  }

  async #read(agent: Agent, end: AbortSignal): Promise<void> {
    const place = this.#places[this.#random.below(this.#places.length)]
    const query = this.revision === null ? '' : `?from=${this.revision}`
    const stayMs = STAY_MS.least + this.#random.below(STAY_MS.most - STAY_MS.least)
    const { statusCode, body } = await request(`${place?.url}/v1/watch${query}`, {
      dispatcher: agent,
      headersTimeout: SILENT_MS_MAX,
      bodyTimeout: SILENT_MS_MAX,
      signal: AbortSignal.any([end, AbortSignal.timeout(stayMs)]),
    })
    if (statusCode !== 200) return body.dump()
    this.events.push({ type: 'open', from: this.revision })
    for await (const text of lines(body)) {
      const line = JSON.parse(text) as WatchLine
      this.events.push({ type: 'line', line, committed: null })
      if (line.type === 'change' || line.type === 'snapshot-end') this.revision = line.revision
    }
  }
}

/** Whole lines; one that the end of its stream cut in two is none. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    const whole = text.split('\n')
    text = whole.pop() ?? ''
    yield* whole
  }
}

/** Every change up to `revision` that a node remembers, in its order. */
export async function readLog(url: string, revision: number): Promise<readonly CommittedChange[]> {
  const log: CommittedChange[] = []
  if (revision === 0) return log
  const { body } = await request(`${url}/v1/watch?from=0`, { signal: AbortSignal.timeout(60_000) })
  for await (const text of lines(body)) {
    const line = JSON.parse(text) as WatchLine
    if (line.type === 'compacted') {
      throw new Error(`${url} has compacted its history up to ${line.revision}`)
    }
    if (line.type === 'change') log.push({ revision: line.revision, changes: line.changes })
    if (line.type === 'change' && line.revision >= revision) break
  }
  return log
}
