import { GOOD_CREDENTIALS_MAX } from '../../shared/limits.ts'
import type { Identity } from '../consumers/identity.ts'
import { networkText } from './compiled-limit.ts'
import type { Counters } from './counters.ts'
import { KeyHash } from './key-hash.ts'
import type { Rule } from './rules.ts'

/** How many failed attempts an address has, and in what time it gets them back. */
export type AttemptOptions = { readonly limit: number; readonly windowMs: number }

/**
 * Holds back addresses that try out credentials: a token bucket of failures each, in the counters that workers share. An
 * address without tokens is refused whatever it shows, so that nobody learns there what is good; but a credential that was
 * good from there before goes on, so that others behind the same address are not locked out.
 */
export class Attempts {
  readonly #rule: Rule
  readonly #counters: Counters
  readonly #epochMs: () => number
  readonly #hash = new KeyHash()
  /** Credential → where it was good last. */
  readonly #good = new Map<string, string>()

  constructor(
    { limit, windowMs }: AttemptOptions,
    parts: { readonly counters: Counters; readonly epochMs: () => number },
  ) {
    this.#rule = { algorithm: 'token-bucket', limit, windowMs, burst: limit }
    this.#counters = parts.counters
    this.#epochMs = parts.epochMs
  }

  /** An attempt failed: 0, or how many milliseconds the address is held back. */
  failed(address: string): number {
    this.#want(address)
    return this.#counters.decide(this.#epochMs()) < 0 ? 0 : this.#counters.waitMs
  }

  /** Somebody showed something good: 0, or how many milliseconds the address is held back all the same. */
  succeeded(identity: Identity, address: string): number {
    const { key } = identity
    if (key === '' || this.#good.get(key) === address) return 0
    this.#want(address)
    if (this.#counters.peek(this.#epochMs()) >= 0) return this.#counters.waitMs
    if (this.#good.size >= GOOD_CREDENTIALS_MAX) this.#good.clear()
    this.#good.set(key, address)
    return 0
  }

  #want(address: string): void {
    this.#hash.start(...this.#counters.seed)
    // The same for all routes: who fails at one of them is held back at all.
    this.#hash.text('attempts')
    this.#hash.number(this.#rule.limit)
    this.#hash.number(this.#rule.windowMs)
    this.#hash.text(networkText(address))
    this.#counters.clear()
    this.#counters.want(this.#rule, 1, this.#hash, true)
  }
}
