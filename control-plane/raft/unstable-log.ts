import { assert } from '../../shared/assert.ts'
import type { Entry, EntryId, SnapshotMeta } from './messages.ts'
import type { RaftLogger } from './options.ts'

/**
 * The tail of the log that is not durable yet, and a snapshot on its way to the disk. It shadows the storage: where
 * both hold an index, this one is right.
 *
 *   storage …      offset          offsetInProgress        last
 *   ───────────────┼───────────────┼───────────────────────┤
 *                  │ being written │ not yet handed out    │
 *
 * Source: etcd-io/raft log_unstable.go.
 */
export class UnstableLog {
  /** Index of the first entry held here. May be at or below the storage's last index: that part is replaced. */
  offset: number
  /** First index not yet handed out for writing. offset ≤ offsetInProgress. */
  offsetInProgress: number
  #entries: Entry[] = []
  #snapshot: SnapshotMeta | null = null
  #isSnapshotInProgress = false
  readonly #log: RaftLogger | null

  constructor(offset: number, log: RaftLogger | null) {
    this.offset = offset
    this.offsetInProgress = offset
    this.#log = log
  }

  get length(): number {
    return this.#entries.length
  }

  /** The snapshot that is not durable yet, in progress or not. */
  get snapshot(): SnapshotMeta | null {
    return this.#snapshot
  }

  /** The last index, if it is decided here. */
  lastIndex(): number | null {
    if (this.#entries.length > 0) return this.offset + this.#entries.length - 1
    return this.#snapshot === null ? null : this.#snapshot.index
  }

  /** The term at `index`, if it is decided here. */
  term(index: number): number | null {
    if (index >= this.offset) return this.#entries[index - this.offset]?.term ?? null
    return this.#snapshot !== null && this.#snapshot.index === index ? this.#snapshot.term : null
  }

  hasNext(): boolean {
    return this.offset + this.#entries.length > this.offsetInProgress
  }

  /** Entries to write that were not handed out before. The caller owns the array. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.offsetInProgress - this.offset)
  }

  /** The snapshot to write, unless it was handed out before. */
  nextSnapshot(): SnapshotMeta | null {
    return this.#isSnapshotInProgress ? null : this.#snapshot
  }

  /** Marks everything held as handed out for writing. */
  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.#entries.length
    this.#isSnapshotInProgress = this.#snapshot !== null
  }

  /**
   * Lets go of the entries up to `last`, now durable. Ignored unless the entry there is still the one that was
   * written: a newer leader may have replaced it in between (see `storageAppendResponse`).
   */
  stableTo(last: EntryId): void {
    const term = this.term(last.index)
    if (term === null) {
      this.#log?.info(`entry at index ${last.index} missing from unstable log; ignoring`)
      return
    }
    if (last.index < this.offset) {
      this.#log?.info(`entry at index ${last.index} matched unstable snapshot; ignoring`)
      return
    }
    if (term !== last.term) {
      this.#log?.info(
        `entry at (index,term)=(${last.index},${last.term}) mismatched with ` +
          `entry at (${last.index},${term}) in unstable log; ignoring`,
      )
      return
    }
    const count = last.index + 1 - this.offset
    this.#entries = count === this.#entries.length ? [] : this.#entries.slice(count)
    this.offset = last.index + 1
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset)
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot === null || this.#snapshot.index !== index) return
    this.#snapshot = null
    this.#isSnapshotInProgress = false
  }

  /** Replaces everything by a snapshot. */
  restore(snapshot: SnapshotMeta): void {
    this.offset = snapshot.index + 1
    this.offsetInProgress = this.offset
    this.#entries = []
    this.#snapshot = snapshot
    this.#isSnapshotInProgress = false
  }

  /** Appends `entries` from position `from` on, dropping whatever is held at and after the first of them. */
  truncateAndAppend(entries: readonly Entry[], from: number): void {
    const first = entries[from]
    if (first === undefined) return
    const next = this.offset + this.#entries.length
    assert(first.index <= next, 'the unstable log has no gaps')
    if (first.index <= this.offset && next !== first.index) {
      this.#log?.info(`replace the unstable entries from index ${first.index}`)
      this.#entries = []
      this.offset = first.index
      this.offsetInProgress = first.index
    } else if (first.index < next) {
      this.#log?.info(`truncate the unstable entries before index ${first.index}`)
      this.#entries.length = first.index - this.offset
      this.offsetInProgress = Math.min(this.offsetInProgress, first.index)
    }
    for (let i = from; i < entries.length; i++) {
      const entry = entries[i]
      if (entry !== undefined) this.#entries.push(entry)
    }
  }

  /** Entries low ≤ index < high, all held here. The caller owns the array. */
  slice(low: number, high: number): Entry[] {
    assert(low >= this.offset && low <= high, 'an unstable slice starts in the unstable log')
    assert(high <= this.offset + this.#entries.length, 'an unstable slice ends in the unstable log')
    return this.#entries.slice(low - this.offset, high - this.offset)
  }
}
