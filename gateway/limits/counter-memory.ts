import { HOLDS_PER_WORKER_MAX } from '../../shared/limits.ts'
import { NUMBERS_PER_COUNTER } from './rules.ts'

/** The counters of all workers of a gateway. Made by the supervisor, goes to every worker. */
export type CounterMemory = {
  readonly buffer: SharedArrayBuffer
  readonly pages: number
  /** Counters under way: of each worker those that it must give back, as place + 1; 0 for none. */
  readonly holds: SharedArrayBuffer
  /** What key hashes begin with: the same in all workers. */
  readonly seed: readonly [number, number]
}

/**
 * One page: a lock, the keys of its counters in two halves, their numbers.
 *
 *     lock … │ 64 × 32 bit │ 64 × 32 bit │ 64 × 4 × 64 bit
 */
export const COUNTERS_PER_PAGE = 64
const LOCK_WORDS = 16
const PAGE_BYTES = 4 * LOCK_WORDS + 8 * COUNTERS_PER_PAGE * (1 + NUMBERS_PER_COUNTER)

export const WORDS_PER_PAGE = PAGE_BYTES / 4
export const KEY_A_AT = LOCK_WORDS
export const KEY_B_AT = KEY_A_AT + COUNTERS_PER_PAGE
export const NUMBERS_PER_PAGE = PAGE_BYTES / 8
export const NUMBERS_AT = (4 * LOCK_WORDS + 8 * COUNTERS_PER_PAGE) / 8

/** Room for at least so many counters, and what each worker may hold of them. */
export function makeCounterMemory(
  counters: number,
  workers: number,
  seed: readonly [number, number],
): CounterMemory {
  const pages = 2 ** Math.max(0, Math.ceil(Math.log2(counters / COUNTERS_PER_PAGE)))
  return {
    buffer: new SharedArrayBuffer(pages * PAGE_BYTES),
    pages,
    holds: new SharedArrayBuffer(workers * HOLDS_PER_WORKER_MAX * 4),
    seed,
  }
}

/** The part of the holds of one worker. */
export function holdsOf({ holds }: CounterMemory, worker: number): Int32Array {
  return new Int32Array(holds, worker * HOLDS_PER_WORKER_MAX * 4, HOLDS_PER_WORKER_MAX)
}
