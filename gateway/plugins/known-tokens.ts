import { hash } from 'node:crypto'
import { KNOWN_TOKENS_CHARS_MAX, KNOWN_TOKENS_MAX } from '../../shared/limits.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { Identity } from '../consumers/identity.ts'
import type { Reply } from '../reply.ts'
import type { Claims } from './claims.ts'
import type { Identify } from './token-identity.ts'

type Known = {
  readonly claims: Claims
  readonly untilMs: number
  readonly chars: number
  result: Identity | Reply
  /** `version` of the Consumers that `result` was found among. */
  version: number
}

/** What stands for a token in memory: nobody can use it in its place. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64')
}

/**
 * Tokens that were found good, by their hash, so that the usual request verifies nothing. Bounded in number and size, the
 * oldest are forgotten first. Who bears a token is looked at again once any Consumer has changed.
 */
export class KnownTokens {
  readonly #identify: Identify
  readonly #consumers: Consumers
  readonly #known = new Map<string, Known>()
  #chars = 0

  constructor(identify: Identify, consumers: Consumers) {
    this.#identify = identify
    this.#consumers = consumers
  }

  /** Null for a token that is not known, or not any more. */
  find(tokenHashed: string, nowMs: number): Identity | Reply | null {
    const known = this.#known.get(tokenHashed)
    if (known === undefined) return null
    if (known.untilMs <= nowMs) {
      this.#remove(tokenHashed, known)
      return null
    }
    if (known.version !== this.#consumers.version) this.#identifyAgain(known)
    return known.result
  }

  /** Remembers a token until a moment, in milliseconds since 1970. Returns who bears it. */
  keep(
    tokenHashed: string,
    { claims, untilMs, chars }: Pick<Known, 'claims' | 'untilMs' | 'chars'>,
  ): Identity | Reply {
    this.forget(tokenHashed)
    const result = this.#identify(claims)
    const { version } = this.#consumers
    this.#known.set(tokenHashed, { claims, untilMs, chars, result, version })
    this.#chars += chars
    for (const [oldest, entry] of this.#known) {
      if (this.#known.size <= KNOWN_TOKENS_MAX && this.#chars <= KNOWN_TOKENS_CHARS_MAX) break
      this.#remove(oldest, entry)
    }
    return result
  }

  forget(tokenHashed: string): void {
    const known = this.#known.get(tokenHashed)
    if (known !== undefined) this.#remove(tokenHashed, known)
  }

  clear(): void {
    this.#known.clear()
    this.#chars = 0
  }

  #identifyAgain(known: Known): void {
    known.result = this.#identify(known.claims)
    known.version = this.#consumers.version
  }

  #remove(tokenHashed: string, { chars }: Known): void {
    this.#known.delete(tokenHashed)
    this.#chars -= chars
  }
}
