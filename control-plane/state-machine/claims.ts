import type { HistoryChange } from '../ports.ts'
import { claimsOf } from './credentials.ts'
import type { ReplicatedState } from './state.ts'

type Claim = {
  /** Null: given up. */
  readonly name: string | null
  /** Whose change this is; the newest wins. */
  readonly owner: object
}

/** Who will have which credential once the writes in flight are applied. O(changes) to put on and off. */
export class Claims {
  readonly #state: Pick<ReplicatedState, 'ownerOf'>
  readonly #claims = new Map<string, Claim>()

  constructor(state: Pick<ReplicatedState, 'ownerOf'>) {
    this.#state = state
  }

  ownerOf(digest: string): string | null {
    const claim = this.#claims.get(digest)
    return claim === undefined ? this.#state.ownerOf(digest) : claim.name
  }

  /** Lays what changes claim on top, in `owner`'s name. */
  put(changes: readonly HistoryChange[], owner: object): void {
    for (const { digest, to } of claimsOf(changes)) this.#claims.set(digest, { name: to, owner })
  }

  /** Takes off what `owner` laid and nobody covered since: the applied state now says the same. */
  settle(changes: readonly HistoryChange[], owner: object): void {
    for (const { digest } of claimsOf(changes)) {
      if (this.#claims.get(digest)?.owner === owner) this.#claims.delete(digest)
    }
  }

  clear(): void {
    this.#claims.clear()
  }
}
