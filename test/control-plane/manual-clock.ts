import type { Clock } from '../../control-plane/clock.ts'

/** Time that passes only when a test says so. Timers fire in order of their time, then of their making. */
export class ManualClock implements Clock {
  #nowMs = 0
  #sequence = 0
  readonly #timers = new Map<number, { at: number; everyMs: number | null; action: () => void }>()

  now(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  every(ms: number, action: () => void): () => void {
    return this.#add(ms, ms, action)
  }

  after(ms: number, action: () => void): () => void {
    return this.#add(ms, null, action)
  }

  defer(action: () => void): void {
    this.#add(0, null, action)
  }

  /** Timers that are still set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets `ms` pass, firing what falls due. */
  pass(ms: number): void {
    const until = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { at }]) => at <= until)
        .toSorted(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (due === undefined) break
      const [id, timer] = due
      this.#nowMs = Math.max(this.#nowMs, timer.at)
      if (timer.everyMs === null) this.#timers.delete(id)
      else timer.at += timer.everyMs
      timer.action()
    }
    this.#nowMs = until
  }

  #add(ms: number, everyMs: number | null, action: () => void): () => void {
    const id = ++this.#sequence
    this.#timers.set(id, { at: this.#nowMs + ms, everyMs, action })
    return () => this.#timers.delete(id)
  }
}
