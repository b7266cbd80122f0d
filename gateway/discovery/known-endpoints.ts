import {
  DISCOVERY_EMPTY_CONFIRMED,
  DISCOVERY_RETRY_MS_MAX,
  DISCOVERY_RETRY_MS_MIN,
} from '../../shared/limits.ts'

/** One address that discovery found for an upstream. */
export type Endpoint = {
  /** Address or name to connect to. */
  readonly host: string
  readonly port: number
  readonly weight: number
  /** Name that it was found under, for TLS and Host; null: `host`. */
  readonly name: string | null
}

/** What one round of discovery came to. */
export type Finding =
  | { readonly type: 'found'; readonly endpoints: readonly Endpoint[]; readonly ttlMs: number }
  | { readonly type: 'nothing'; readonly ttlMs: number }
  | { readonly type: 'failed'; readonly reason: string }

/**
 * What is known of the endpoints of an upstream. A source that fails changes nothing: old answers are kept for as long as
 * it takes. One that says "nothing" is believed only when it has said so several times in a row.
 */
export class KnownEndpoints {
  #endpoints: readonly Endpoint[] | null = null
  #foundAtMs: number | null = null
  #failure: string | null = null
  /** Failed rounds in a row. */
  #failures = 0
  /** Rounds in a row that said "nothing". */
  #empty = 0

  /** In order of host and port; null before the first answer. */
  get endpoints(): readonly Endpoint[] | null {
    return this.#endpoints
  }

  /** When it was last known for certain; null before the first answer. */
  get foundAtMs(): number | null {
    return this.#foundAtMs
  }

  /** Why the last round failed; null when it did not. */
  get failure(): string | null {
    return this.#failure
  }

  /** Takes a round in. Returns whether the endpoints are others now, and after which time to ask again. */
  take(
    finding: Finding,
    moment: { readonly nowMs: number; readonly ttlMsMin: number },
  ): { readonly isChanged: boolean; readonly askAfterMs: number } {
    if (finding.type === 'failed') {
      this.#failure = finding.reason
      this.#failures += 1
      const askAfterMs = DISCOVERY_RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 16)
      return { isChanged: false, askAfterMs: Math.min(askAfterMs, DISCOVERY_RETRY_MS_MAX) }
    }
    this.#failure = null
    this.#failures = 0
    this.#empty = finding.type === 'nothing' ? this.#empty + 1 : 0
    const askAfterMs = Math.max(moment.ttlMsMin, finding.ttlMs)
    if (finding.type === 'nothing') {
      const isBelieved = this.#endpoints === null || this.#empty >= DISCOVERY_EMPTY_CONFIRMED
      if (!isBelieved) return { isChanged: false, askAfterMs }
      return { isChanged: this.#become([], moment.nowMs), askAfterMs }
    }
    return { isChanged: this.#become(finding.endpoints, moment.nowMs), askAfterMs }
  }

  #become(endpoints: readonly Endpoint[], nowMs: number): boolean {
    const before = this.#endpoints
    this.#foundAtMs = nowMs
    this.#endpoints = endpoints.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1))
    return before === null || before.map(textOf).join() !== this.#endpoints.map(textOf).join()
  }
}

function textOf({ host, port, weight, name }: Endpoint): string {
  return `${host} ${port} ${weight} ${name ?? ''}`
}
