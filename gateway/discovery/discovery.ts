import { CALLS_WAITING_PER_TARGET_MAX } from '../../shared/limits.ts'
import type { DiscoveryOptions } from '../../shared/routing/types.ts'
import { KnownEndpoints, type Endpoint } from './known-endpoints.ts'
import { sourceOf, type Ask } from './sources.ts'

/** Begins to look for the endpoints of an upstream; `onChange` hears of every change of what is known. */
export type Discover = (options: DiscoveryOptions, onChange: () => void) => Discovery

/** Looks for the endpoints of one upstream, again and again, until it is stopped. */
export class Discovery {
  readonly options: DiscoveryOptions
  readonly #ask: Ask
  readonly #now: () => number
  readonly #onChange: () => void
  readonly #known = new KnownEndpoints()
  readonly #stopped = new AbortController()
  readonly #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | null = null
  #hasAsked = false

  constructor(
    options: DiscoveryOptions,
    parts: { readonly now: () => number; readonly onChange: () => void },
  ) {
    this.options = options
    this.#ask = sourceOf(options)
    this.#now = parts.now
    this.#onChange = parts.onChange
    // Hears every failure itself.
    void this.#look()
  }

  /** Null before the first answer. */
  get endpoints(): readonly Endpoint[] | null {
    return this.#known.endpoints
  }

  /** The first look is still under way, so that nobody knows whether there is anything, and one more may wait for it. */
  get mayWait(): boolean {
    return !this.#hasAsked && this.#waiting.size < CALLS_WAITING_PER_TARGET_MAX
  }

  /** When the endpoints were last known for certain, and why they are not now. */
  get standing(): { readonly foundAtMs: number | null; readonly failure: string | null } {
    return { foundAtMs: this.#known.foundAtMs, failure: this.#known.failure }
  }

  /** Runs something once the first look is over, unless what it returns is called before. */
  whenKnown(run: () => void): () => void {
    this.#waiting.add(run)
    return () => void this.#waiting.delete(run)
  }

  stop(): void {
    this.#stopped.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const finding = await this.#ask(this.#stopped.signal)
    if (this.#stopped.signal.aborted) return
    const moment = { nowMs: this.#now(), ttlMsMin: this.options.ttlMsMin }
    const { isChanged, askAfterMs } = this.#known.take(finding, moment)
    this.#hasAsked = true
    if (isChanged) this.#onChange()
    for (const run of this.#waiting) run()
    this.#waiting.clear()
    this.#timer = setTimeout(() => void this.#look(), askAfterMs)
    this.#timer.unref()
  }
}
