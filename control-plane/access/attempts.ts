import { ATTEMPT_ADDRESSES_MAX, ATTEMPTS_BURST, ATTEMPTS_PER_SECOND } from '../../shared/limits.ts'

export type AttemptBounds = {
  readonly burst: number
  readonly perSecond: number
  readonly addressesMax: number
}

const DEFAULT_BOUNDS: AttemptBounds = {
  burst: ATTEMPTS_BURST,
  perSecond: ATTEMPTS_PER_SECOND,
  addressesMax: ATTEMPT_ADDRESSES_MAX,
}

/**
 * Counts failed attempts by client address: a token bucket each, in bounded memory. Good tokens pass whatever the
 * count, so that nobody is locked out by what others try from the same address; with 256 bits to guess, what has to be
 * held down is the work and the noise, not the chance.
 */
export class Attempts {
  readonly #addressesMax: number
  readonly #intervalMs: number
  readonly #burstMs: number
  /** When an address will have paid for all of its failures; the one that failed last comes last. */
  readonly #paidAtMs = new Map<string, number>()

  constructor({ burst, perSecond, addressesMax }: AttemptBounds = DEFAULT_BOUNDS) {
    this.#addressesMax = addressesMax
    this.#intervalMs = Math.ceil(1_000 / perSecond)
    this.#burstMs = burst * this.#intervalMs
  }

  get size(): number {
    return this.#paidAtMs.size
  }

  /** Milliseconds until this address may fail again; 0 if it may now. */
  waitMs(address: string, nowMs: number): number {
    const paidAtMs = this.#paidAtMs.get(address) ?? nowMs
    return Math.max(0, Math.ceil(paidAtMs + this.#intervalMs - nowMs - this.#burstMs))
  }

  /** An attempt failed. `nowMs` is of a clock that only grows. */
  fail(address: string, nowMs: number): void {
    const paidAtMs = Math.max(this.#paidAtMs.get(address) ?? 0, nowMs) + this.#intervalMs
    this.#paidAtMs.delete(address)
    // What is refused while held back is not paid for a second time.
    this.#paidAtMs.set(address, Math.min(paidAtMs, nowMs + this.#burstMs))
    if (this.#paidAtMs.size <= this.#addressesMax) return
    const [quietest] = this.#paidAtMs.keys()
    if (quietest !== undefined) this.#paidAtMs.delete(quietest)
  }
}
