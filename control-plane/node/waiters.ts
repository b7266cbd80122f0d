import { RaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'

type Waiter = {
  readonly until: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Calls that wait until a number that only grows has reached theirs. */
export class Waiters {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()
  #reached: number

  constructor(clock: Clock, reached: number) {
    this.#clock = clock
    this.#reached = reached
  }

  /** Resolves once the number is at least `until`; TIMEOUT with `what` in words. */
  wait(until: number, timeoutMs: number, what: string): Promise<void> {
    if (this.#reached >= until) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter = { until, resolve: finish(resolve), reject: finish(reject) }
      const cancel = this.#clock.after(timeoutMs, () =>
        waiter.reject(
          new RaftwayError('TIMEOUT', `${what} was not reached within ${timeoutMs} ms`),
        ),
      )
      this.#waiting.add(waiter)
      const waiting = this.#waiting
      function finish<A extends unknown[]>(settle: (...args: A) => void): (...args: A) => void {
        return (...args) => {
          cancel()
          waiting.delete(waiter)
          settle(...args)
        }
      }
    })
  }

  /** The number has grown to `value`. */
  reach(value: number): void {
    if (value <= this.#reached) return
    this.#reached = value
    if (this.#waiting.size === 0) return
    for (const waiter of this.#waiting) if (waiter.until <= value) waiter.resolve()
  }

  /** Refuses everyone who still waits. */
  rejectAll(error: Error): void {
    for (const waiter of this.#waiting) waiter.reject(error)
  }
}
