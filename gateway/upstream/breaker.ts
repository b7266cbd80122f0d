import type { BreakerOptions } from '../../shared/routing/types.ts'

/**
 * ```
 *            failures ≥ share of a window
 *   closed ──────────────────────────────► open ◄─────────────────┐
 *     ▲                                      │ after its time      │ one probe fails: twice as long
 *     └───────── all probes good ──── half-open ───────────────────┘
 * ```
 */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** What a request came to; `none` says nothing about the targets: its client went away. */
export type BreakerOutcome = 'good' | 'bad' | 'none'

/** A request that may not pass. Any other permit is given back by `settle`. */
export const REFUSED = -1

/** Parts of the rolling window. */
const BUCKETS = 10

/**
 * The circuit breaker of one upstream in one worker: when too many of its requests fail, further ones are refused at once
 * for a while, so that targets that cannot keep up are left alone. Moments are milliseconds of the worker's clock.
 */
export class Breaker {
  readonly #options: BreakerOptions
  readonly #good = new Uint32Array(BUCKETS)
  readonly #bad = new Uint32Array(BUCKETS)
  /** Number of the newest bucket, counted from moment 0. */
  #newest = 0
  #goodSum = 0
  #badSum = 0
  #state: BreakerState = 'closed'
  /** Permits carry the stretch they were given in: what a request of an earlier one comes to is old news. */
  #stretch = 0
  #openUntilMs = 0
  /** Openings since it was last closed. */
  #openings = 0
  #probesUnderWay = 0
  #probesGood = 0

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  get options(): BreakerOptions {
    return this.#options
  }

  /** A permit to go on with a request, or REFUSED. */
  admit(nowMs: number): number {
    if (this.#state === 'closed') return this.#stretch
    if (this.#state === 'open') {
      if (nowMs < this.#openUntilMs) return REFUSED
      this.#become('half-open')
    }
    if (this.#probesUnderWay + this.#probesGood >= this.#options.probes) return REFUSED
    this.#probesUnderWay += 1
    return this.#stretch
  }

  /** What the request with a permit came to. Once for each permit. */
  settle(permit: number, outcome: BreakerOutcome, nowMs: number): void {
    if (permit !== this.#stretch) return
    if (this.#state === 'half-open') this.#settleProbe(outcome, nowMs)
    else if (outcome !== 'none') this.#count(outcome, nowMs)
  }

  /** Until it is worth another try; at least 1. */
  retryAfterMs(nowMs: number): number {
    // Half open: a probe is under way, and its end cannot be known.
    return this.#state === 'open' ? Math.max(1, this.#openUntilMs - nowMs) : 1_000
  }

  stateAt(nowMs: number): BreakerState {
    return this.#state === 'open' && nowMs >= this.#openUntilMs ? 'half-open' : this.#state
  }

  #settleProbe(outcome: BreakerOutcome, nowMs: number): void {
    this.#probesUnderWay -= 1
    if (outcome === 'bad') {
      this.#open(nowMs)
      return
    }
    if (outcome === 'good') this.#probesGood += 1
    if (this.#probesGood < this.#options.probes) return
    this.#openings = 0
    this.#become('closed')
  }

  #count(outcome: 'good' | 'bad', nowMs: number): void {
    this.#forget(nowMs)
    const bucket = this.#newest % BUCKETS
    if (outcome === 'good') {
      this.#good[bucket] = (this.#good[bucket] ?? 0) + 1
      this.#goodSum += 1
      return
    }
    this.#bad[bucket] = (this.#bad[bucket] ?? 0) + 1
    this.#badSum += 1
    const all = this.#goodSum + this.#badSum
    const { requestsMin, failurePercent } = this.#options
    if (all >= requestsMin && this.#badSum * 100 >= all * failurePercent) this.#open(nowMs)
  }

  /** Takes out of the sums what is older than the window. */
  #forget(nowMs: number): void {
    const current = Math.floor((nowMs * BUCKETS) / this.#options.windowMs)
    const passed = Math.min(BUCKETS, current - this.#newest)
    for (let i = 1; i <= passed; i++) {
      const bucket = (this.#newest + i) % BUCKETS
      this.#goodSum -= this.#good[bucket] ?? 0
      this.#badSum -= this.#bad[bucket] ?? 0
      this.#good[bucket] = 0
      this.#bad[bucket] = 0
    }
    // What was cleared in a gap longer than the window is all of it, wherever the newest then lies.
    if (passed > 0) this.#newest = current
  }

  #open(nowMs: number): void {
    const { openMs, openMsMax } = this.#options
    this.#openUntilMs = nowMs + Math.min(openMs * 2 ** this.#openings, openMsMax)
    this.#openings += 1
    this.#become('open')
  }

  #become(state: BreakerState): void {
    this.#state = state
    this.#stretch += 1
    this.#probesUnderWay = 0
    this.#probesGood = 0
    if (state !== 'closed') return
    this.#good.fill(0)
    this.#bad.fill(0)
    this.#goodSum = 0
    this.#badSum = 0
  }
}
