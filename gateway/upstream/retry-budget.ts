import { RETRY_TOKENS_MAX } from '../../shared/limits.ts'
import type { RetryBudgetOptions } from '../../shared/routing/types.ts'

/**
 * How many retries an upstream may have: a share of its requests, and some each second for when there are few. Keeps a
 * failing upstream from being asked a multiple of what it cannot answer once. Source: Finagle's RetryBudget.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions
  #tokens: number
  #filledAtMs: number

  constructor(options: RetryBudgetOptions, nowMs: number) {
    this.#options = options
    this.#tokens = options.perSecond
    this.#filledAtMs = nowMs
  }

  get options(): RetryBudgetOptions {
    return this.#options
  }

  /** A request came: it brings its share. */
  requestCame(): void {
    this.#tokens = Math.min(RETRY_TOKENS_MAX, this.#tokens + this.#options.percent / 100)
  }

  /** Whether a further attempt may be made, which is then counted. */
  take(nowMs: number): boolean {
    const seconds = Math.max(0, nowMs - this.#filledAtMs) / 1_000
    // As much as comes in a second is kept for a quiet time, not more.
    const filled = Math.max(
      this.#tokens,
      Math.min(this.#options.perSecond, this.#tokens + seconds * this.#options.perSecond),
    )
    this.#filledAtMs = nowMs
    this.#tokens = filled
    if (filled < 1) return false
    this.#tokens = filled - 1
    return true
  }
}
