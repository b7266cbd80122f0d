import type { Counted } from './count-protocol.ts'
import { COUNTS_MAX } from './limits.ts'

// Apart from the schemas of the protocol, which gateways do without.

/** Ways to count that gateways can share, by their numbers in what they tell each other. */
export const SHARED_ALGORITHMS = ['sliding-window', 'fixed-window', 'token-bucket'] as const

/** Counts of many reports, each key once. */
export class CountSum {
  readonly #counts = new Map<string, Counted>()

  get size(): number {
    return this.#counts.size
  }

  /** Beyond COUNTS_MAX keys a further one is left out: false. */
  add(counted: Counted): boolean {
    const key = `${counted[0]} ${counted[1]}`
    const known = this.#counts.get(key)
    if (known === undefined) {
      if (this.#counts.size >= COUNTS_MAX) return false
      this.#counts.set(key, [...counted])
    } else known[COUNT_AT] += counted[COUNT_AT]
    return true
  }

  /** All of it, and begins anew. */
  take(): Counted[] {
    const counts = [...this.#counts.values()]
    this.#counts.clear()
    return counts
  }
}

const COUNT_AT = 6
