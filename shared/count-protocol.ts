import { z } from 'zod'
import { COUNTS_MAX, LIMIT_MAX, LIMIT_WINDOW_MS_MAX } from './limits.ts'

/** Ways to count that gateways can share, by their numbers in what they tell each other. */
export const SHARED_ALGORITHMS = ['sliding-window', 'fixed-window', 'token-bucket'] as const

const halfSchema = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1)

/** How often something was counted: both halves of its key, algorithm, limit, window, burst, count. */
const countedSchema = z.tuple([
  halfSchema,
  halfSchema,
  z
    .int()
    .min(0)
    .max(SHARED_ALGORITHMS.length - 1),
  z.int().min(0).max(LIMIT_MAX),
  z.int().min(1).max(LIMIT_WINDOW_MS_MAX),
  z.int().min(0).max(LIMIT_MAX),
  z.int().min(1),
])

/** What one gateway has counted since its last report; nothing: it only asks what others have. */
export const countsReportSchema = z.strictObject({ counts: z.array(countedSchema).max(COUNTS_MAX) })

export type Counted = z.infer<typeof countedSchema>

/** What the other gateways have counted since the last answer, and what all of them begin their keys with. */
export type CountsAnswer = {
  readonly seed: readonly [number, number]
  readonly counts: readonly Counted[]
}

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
