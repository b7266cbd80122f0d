import { CALL_WAIT_MS_MAX } from '../../shared/limits.ts'
import type { Deadline, Deadlines } from '../deadlines.ts'
import type { UpstreamFailure } from './upstream-connection.ts'

/** A call that can wait for a connection. */
type Waiting = {
  /** When it began to wait, as the queue counts. */
  waitingSince: number
  onError(failure: UpstreamFailure): void
}

/**
 * Calls that wait for a connection to one target, in their order, each for a bounded time. How many may wait is for the owner to say.
 * One deadline is enough for all of them: whoever came first has waited longest.
 */
export class WaitQueue<T extends Waiting> {
  readonly #deadlines: Deadlines
  readonly #deadline: Deadline
  readonly #limitMs: number
  readonly #onLate: () => void
  #calls: T[] = []

  constructor(parts: {
    readonly deadlines: Deadlines
    readonly connectMs: number
    /** Calls were given up that had waited for too long. */
    readonly onLate: () => void
  }) {
    this.#deadlines = parts.deadlines
    this.#deadline = parts.deadlines.create(this)
    // A connection that is being made has its own time, and what it fails with says more.
    this.#limitMs = Math.max(CALL_WAIT_MS_MAX, 2 * parts.connectMs)
    this.#onLate = parts.onLate
  }

  get length(): number {
    return this.#calls.length
  }

  add(call: T): void {
    this.#begin(call)
    this.#calls.push(call)
  }

  /** Before all others: it had its turn once. */
  addFirst(call: T): void {
    this.#begin(call)
    this.#calls.unshift(call)
  }

  /** The first of them; it does not wait any more. */
  take(): T | undefined {
    return this.#calls.shift()
  }

  takeAll(): T[] {
    return this.#calls.splice(0)
  }

  /** One was given up by whoever made it. */
  forget(call: T): void {
    const at = this.#calls.indexOf(call)
    if (at !== -1) this.#calls.splice(at, 1)
  }

  /** For good. */
  close(): void {
    this.#deadline.remove()
  }

  onDeadline(): void {
    const now = this.#deadlines.now()
    for (;;) {
      const first = this.#calls[0]
      if (first === undefined) break
      const leftMs = first.waitingSince + this.#limitMs - now
      if (leftMs > 0) {
        this.#deadline.set(leftMs)
        break
      }
      this.#calls.shift()
      first.onError({ code: 'UPSTREAM_BUSY', detail: 'no connection had room in time' })
    }
    this.#onLate()
  }

  #begin(call: T): void {
    call.waitingSince = this.#deadlines.now()
    if (this.#calls.length === 0) this.#deadline.set(this.#limitMs)
  }
}
