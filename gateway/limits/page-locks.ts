import { LOCK_SPINS_MAX, LOCK_WAITS_MAX } from '../../shared/limits.ts'
import { WORDS_PER_PAGE } from './counter-memory.ts'

/** Between two looks at a lock whose owner does not run at the moment. */
const WAIT_MS = 1

/**
 * Locks of pages. The owner writes its number, so that locks of a thread that died can be told apart and freed. Whoever
 * needs several takes them in ascending order.
 */
export class PageLocks {
  readonly #words: Int32Array
  /** 1 ≤ owner. */
  readonly #owner: number

  constructor(words: Int32Array, owner: number) {
    this.#words = words
    this.#owner = owner
  }

  /** False: somebody has held it for longer than anything takes. */
  take(page: number): boolean {
    const at = page * WORDS_PER_PAGE
    for (let spins = 0; spins < LOCK_SPINS_MAX; spins++) {
      if (Atomics.compareExchange(this.#words, at, 0, this.#owner) === 0) return true
    }
    for (let waits = 0; waits < LOCK_WAITS_MAX; waits++) {
      const holder = Atomics.load(this.#words, at)
      // Nobody is woken: an owner that runs is done within a microsecond, and then pays nothing for those who wait.
      if (holder !== 0) Atomics.wait(this.#words, at, holder, WAIT_MS)
      if (Atomics.compareExchange(this.#words, at, 0, this.#owner) === 0) return true
    }
    return false
  }

  release(page: number): void {
    Atomics.store(this.#words, page * WORDS_PER_PAGE, 0)
  }

  /** Frees the lock if another one has it, which is gone for good. */
  free(page: number, owner: number): void {
    Atomics.compareExchange(this.#words, page * WORDS_PER_PAGE, owner, 0)
  }
}
