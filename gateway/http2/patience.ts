import { HTTP2_PATIENCE_MAX, HTTP2_PATIENCE_PER_SECOND } from '../../shared/limits.ts'

/**
 * How much useless work one connection may still cause: streams that are reset before their answer, pings, settings. It
 * comes back with time, and with every answer that was taken whole, so that clients that cancel now and then are never cut
 * off, however busy they are, and those that do nothing else soon are.
 */
export class Patience {
  /** 0 ≤ left ≤ HTTP2_PATIENCE_MAX, but below 0 once it is over. */
  #left = HTTP2_PATIENCE_MAX
  #asOfMs: number

  constructor(nowMs: number) {
    this.#asOfMs = nowMs
  }

  /** False: it is over, and the connection is to be closed. */
  take(cost: number, nowMs: number): boolean {
    this.#earn(((nowMs - this.#asOfMs) / 1_000) * HTTP2_PATIENCE_PER_SECOND)
    this.#asOfMs = nowMs
    this.#left -= cost
    return this.#left >= 0
  }

  /** Something useful was done. */
  giveBack(cost: number): void {
    this.#earn(cost)
  }

  #earn(amount: number): void {
    this.#left = Math.min(HTTP2_PATIENCE_MAX, this.#left + amount)
  }
}
