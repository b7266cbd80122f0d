import type { Write } from '../../control-plane/storage/disk.ts'
import type { KeyRange } from '../../control-plane/storage/keys.ts'
import type { Random } from '../../shared/random.ts'

type Undo = { readonly key: string; readonly before: Buffer | null }

/** An immutable list of keys and values in order. */
export type Content = { readonly keys: readonly string[]; readonly values: readonly Buffer[] }

/** Keys as text of one character a byte: their order is the order of the bytes. */
function textOf(key: Buffer): string {
  return key.toString('latin1')
}

/**
 * What is on a machine's disk, as LevelDB keeps it: batches are atomic and in order. A crash of the process loses
 * nothing that was written; a power failure loses any number of the last batches that were never synced.
 */
export class Platter {
  #keys: string[] = []
  #values: Buffer[] = []
  /** Somebody looks at the arrays: they are copied before the next write. */
  #isShared = false
  /** How to take back each batch since the last sync, oldest first. */
  #unsynced: Undo[][] = []
  /** Bytes of values: what a full disk is full of. */
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#keys.length
  }

  get unsynced(): number {
    return this.#unsynced.length
  }

  write(batch: readonly Write[]): void {
    const undo: Undo[] = []
    for (const write of batch) {
      const key = textOf(write.key)
      // What was handed over may be reused by its owner.
      undo.push({
        key,
        before: this.#put(key, write.type === 'put' ? Buffer.from(write.value) : null),
      })
    }
    this.#unsynced.push(undo)
  }

  /** Everything written so far lasts. */
  sync(): void {
    this.#unsynced = []
  }

  /** The power fails: of what was not synced the first `kept` batches happen to be there. */
  lose(kept: number): void {
    while (this.#unsynced.length > kept) {
      for (const { key, before } of (this.#unsynced.pop() ?? []).toReversed())
        this.#put(key, before)
    }
    this.#unsynced = []
  }

  wipe(): void {
    this.#keys = []
    this.#values = []
    this.#unsynced = []
    this.#bytes = 0
    this.#isShared = false
  }

  get(key: Buffer): Buffer | null {
    const text = textOf(key)
    const at = this.#placeOf(text)
    return this.#keys[at] === text ? (this.#values[at] ?? null) : null
  }

  /** As it is now, whatever is written later. */
  view(): Content {
    this.#isShared = true
    return { keys: this.#keys, values: this.#values }
  }

  /** Flips one bit of one value below `prefix`. Says of which key; null when there is none. */
  rot(prefix: string, random: Random): string | null {
    const fitting = this.#keys.filter((key) => key.startsWith(prefix))
    const key = fitting[random.below(Math.max(1, fitting.length))]
    const at = key === undefined ? -1 : this.#keys.indexOf(key)
    const value = this.#values[at]
    if (key === undefined || value === undefined || value.length === 0) return null
    const flipped = Buffer.from(value)
    const byte = random.below(value.length)
    flipped[byte] = (flipped[byte] ?? 0) ^ (1 << random.below(8))
    this.#own()
    this.#values[at] = flipped
    return key
  }

  /** Puts or takes away, and says what stood there before. */
  #put(key: string, value: Buffer | null): Buffer | null {
    this.#own()
    const at = this.#placeOf(key)
    const isThere = this.#keys[at] === key
    const before = isThere ? (this.#values[at] ?? null) : null
    this.#bytes += (value?.length ?? 0) - (before?.length ?? 0)
    if (value === null) {
      if (!isThere) return null
      this.#keys.splice(at, 1)
      this.#values.splice(at, 1)
    } else if (isThere) {
      this.#values[at] = value
    } else {
      this.#keys.splice(at, 0, key)
      this.#values.splice(at, 0, value)
    }
    return before
  }

  #own(): void {
    if (!this.#isShared) return
    this.#keys = [...this.#keys]
    this.#values = [...this.#values]
    this.#isShared = false
  }

  #placeOf(key: string): number {
    return placeOf(this.#keys, key)
  }
}

/** The part of `content` within a range, as half-open places. */
export function placesOf(content: Content, { gte, lt }: KeyRange): readonly [number, number] {
  return [placeOf(content.keys, textOf(gte)), placeOf(content.keys, textOf(lt))]
}

function placeOf(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] ?? '') < key) low = middle + 1
    else high = middle
  }
  return low
}
