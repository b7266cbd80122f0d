import { NONCES_MAX } from '../../shared/access-limits.ts'

/** Nonces of signatures that are still good, so that none is used twice. Bounded: when it is full, nothing new is taken. */
export class Nonces {
  /** → until when it is remembered, in seconds since 1970; in that order. */
  readonly #used = new Map<string, number>()

  /** Takes a nonce, whose end is no earlier than that of the one before; `used` when it was there before, `full` when there is no room to remember it. */
  take(nonce: string, untilSeconds: number, nowSeconds: number): 'taken' | 'used' | 'full' {
    const until = this.#used.get(nonce)
    if (until !== undefined && until >= nowSeconds) return 'used'
    if (this.#used.size >= NONCES_MAX) this.#forget(nowSeconds)
    if (this.#used.size >= NONCES_MAX) return 'full'
    this.#used.delete(nonce)
    this.#used.set(nonce, untilSeconds)
    return 'taken'
  }

  #forget(nowSeconds: number): void {
    for (const [nonce, until] of this.#used) {
      if (until >= nowSeconds) return
      this.#used.delete(nonce)
    }
  }
}
