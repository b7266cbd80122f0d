import type { DefinitionChange } from '../../shared/changes.ts'
import { redact } from '../../shared/definitions/redact.ts'
import type { WatchLine } from '../../shared/watch-protocol.ts'
import type { AppliedChange } from '../ports.ts'

/** One applied revision as every watcher gets it: encoded once. */
export type EncodedChange = {
  readonly revision: number
  readonly hash: string
  readonly line: Buffer
  /** For those who may not see secrets, sealed as they are: the same bytes where there are none. */
  readonly redacted: Buffer
}

/** Encodes a change once, for whoever watches. */
export function encodeChange(change: {
  readonly revision: number
  readonly hash: string
  readonly changes: readonly DefinitionChange[]
}): EncodedChange {
  const { revision, hash, changes } = change
  const line = encodeLine({ type: 'change', revision, hash, changes })
  const shown = changes.map(redactChange)
  const isSame = shown.every((each, at) => each === changes[at])
  const redacted = isSame ? line : encodeLine({ type: 'change', revision, hash, changes: shown })
  return { revision, hash, line, redacted }
}

function redactChange(change: DefinitionChange): DefinitionChange {
  if (change.op === 'delete') return change
  const definition = redact(change.definition)
  return definition === change.definition ? change : { op: 'put', definition }
}

/** A revision and the config hash after it. */
export type ConfigPoint = { readonly revision: number; readonly hash: string }

/** One line of a watch, ready to be sent. */
export function encodeLine(line: WatchLine): Buffer {
  const text = `${JSON.stringify(line)}\n`
  // Not from the pool that small buffers share: a line that is kept would keep 64 KiB of what has long been dropped.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

/**
 * The newest changes, encoded, in revision order without a gap, so that a short reconnect needs no disk. Bounded by
 * the bytes of the lines; the newest one is always kept.
 */
export class RecentChanges {
  readonly #bytesMax: number
  #entries: EncodedChange[] = []
  /** Entries before this place were evicted; they are dropped for good when they are half of the array. */
  #first = 0
  #bytes = 0
  #floor: ConfigPoint

  constructor(start: ConfigPoint, bytesMax: number) {
    this.#floor = start
    this.#bytesMax = bytesMax
  }

  /** The config before the oldest change that is kept. */
  get floor(): ConfigPoint {
    return this.#floor
  }

  /** The newest config. */
  get newest(): ConfigPoint {
    return this.#entries.at(-1) ?? this.#floor
  }

  push(change: AppliedChange): EncodedChange {
    const entry = encodeChange(change)
    this.#entries.push(entry)
    this.#bytes += entry.line.length
    this.#evict()
    return entry
  }

  /** Changes after `revision` in order; null when some of them are no longer here. */
  since(revision: number): readonly EncodedChange[] | null {
    if (revision < this.#floor.revision) return null
    return this.#entries.slice(this.#placeAfter(revision))
  }

  /** The config hash at `revision`, as far back as it is known. */
  hashAt(revision: number): string | null {
    if (revision === this.#floor.revision) return this.#floor.hash
    const entry = this.#entries[this.#placeAfter(revision) - 1]
    return entry?.revision === revision ? entry.hash : null
  }

  /** Forgets everything: the state was replaced. */
  restart(from: ConfigPoint): void {
    this.#entries = []
    this.#first = 0
    this.#bytes = 0
    this.#floor = from
  }

  /** The place of the first kept change that is newer than `revision`. */
  #placeAfter(revision: number): number {
    let low = this.#first
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.revision ?? 0) > revision) high = middle
      else low = middle + 1
    }
    return low
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.#first < this.#entries.length - 1) {
      const oldest = this.#entries[this.#first]
      if (oldest === undefined) break
      this.#floor = { revision: oldest.revision, hash: oldest.hash }
      this.#bytes -= oldest.line.length
      this.#first++
    }
    if (this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }
}
