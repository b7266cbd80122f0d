import { DIGEST_CHARS } from './credentials.ts'

const WORDS = DIGEST_CHARS / 4
const SLOTS_MIN = 64
/** Share of the slots that are taken at most: searches stay short. */
const LOAD_MAX = 0.75

/**
 * Who has which credential, a million of them in some 40 MB: digests as numbers in one block of memory, with the names
 * of Consumers beside them, which their definitions hold anyway. A map of strings takes twice as much. Open addressing
 * with linear probing (Knuth 6.4): digests are as good as random, so that their first word is a place. `set` and
 * `delete` are O(1), but for growing by doubling.
 *
 *   slot    │ 0        │ 1        │ 2        │ …
 *   words   │ d0 d1 d2 │ -        │ d0 d1 d2 │
 *   owners  │ "alice"  │ null     │ "bob"    │
 */
export class CredentialTable {
  #words = new Uint32Array(SLOTS_MIN * WORDS)
  #owners: (string | null)[] = emptyOwners(SLOTS_MIN)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Name of the Consumer that has it; null if nobody has. */
  ownerOf(digest: string): string | null {
    return this.#owners[this.#find(digest)] ?? null
  }

  /** Says whose it is; of two that claim it, the last. */
  set(digest: string, owner: string): void {
    if (this.#count + 1 > this.#owners.length * LOAD_MAX) this.#grow()
    const slot = this.#find(digest)
    if (this.#owners[slot] === null) {
      this.#count++
      for (let at = 0; at < WORDS; at++) this.#words[slot * WORDS + at] = wordOf(digest, at)
    }
    this.#owners[slot] = owner
  }

  /** Takes it from `owner`; nothing happens when somebody else has it. */
  delete(digest: string, owner: string): void {
    let hole = this.#find(digest)
    if (this.#owners[hole] !== owner) return
    const mask = this.#owners.length - 1
    this.#count--
    // Whatever follows without a gap moves up if its own place is not behind the hole: no search may end too early.
    for (let slot = (hole + 1) & mask; this.#owners[slot] !== null; slot = (slot + 1) & mask) {
      const home = (this.#words[slot * WORDS] ?? 0) & mask
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      this.#words.copyWithin(hole * WORDS, slot * WORDS, (slot + 1) * WORDS)
      this.#owners[hole] = this.#owners[slot] ?? null
      hole = slot
    }
    this.#owners[hole] = null
  }

  /** The slot where a digest stands, or the free one where it would. */
  #find(digest: string): number {
    const mask = this.#owners.length - 1
    const first = wordOf(digest, 0)
    let slot = first & mask
    while (this.#owners[slot] !== null) {
      if (this.#words[slot * WORDS] === first && this.#isAt(slot, digest)) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #isAt(slot: number, digest: string): boolean {
    for (let at = 1; at < WORDS; at++)
      if (this.#words[slot * WORDS + at] !== wordOf(digest, at)) return false
    return true
  }

  #grow(): void {
    const words = this.#words
    const owners = this.#owners
    this.#owners = emptyOwners(owners.length * 2)
    this.#words = new Uint32Array(this.#owners.length * WORDS)
    const mask = this.#owners.length - 1
    // Plain loops: a million entries have to move within less than an election timeout.
    for (let from = 0; from < owners.length; from++) {
      const owner = owners[from] ?? null
      if (owner === null) continue
      let slot = (words[from * WORDS] ?? 0) & mask
      while (this.#owners[slot] !== null) slot = (slot + 1) & mask
      this.#owners[slot] = owner
      for (let at = 0; at < WORDS; at++)
        this.#words[slot * WORDS + at] = words[from * WORDS + at] ?? 0
    }
  }
}

function emptyOwners(slots: number): (string | null)[] {
  // oxlint-disable-next-line unicorn/no-new-array -- in one go: made one by one, they take longer than all else of growing
  return new Array<string | null>(slots).fill(null)
}

function wordOf(digest: string, at: number): number {
  const from = at * 4
  return (
    ((digest.charCodeAt(from) << 24) |
      (digest.charCodeAt(from + 1) << 16) |
      (digest.charCodeAt(from + 2) << 8) |
      digest.charCodeAt(from + 3)) >>>
    0
  )
}
