import { assert } from '../../shared/assert.ts'
import { countWithin } from './entry.ts'
import type { LogStorage } from './log-storage.ts'
import type { Entry, EntryId, MessageOf, SnapshotMeta } from './messages.ts'
import type { RaftLogger } from './options.ts'
import { UnstableLog } from './unstable-log.ts'

const NOTHING: readonly Entry[] = []

/**
 * The whole log as one: the durable part in storage, the rest in `unstable`, and how far it is committed and applied.
 * Source: Raft thesis 3.5; etcd-io/raft log.go.
 */
export class RaftLog {
  readonly unstable: UnstableLog
  /** Highest index known to be committed. It never falls. */
  committed: number
  /** Highest index handed out to be applied. applied ≤ applying ≤ committed. */
  applying: number
  /** Highest index that the state machine has applied. */
  applied: number
  readonly #storage: LogStorage
  readonly #log: RaftLogger | null
  readonly #applyingBytesMax: number
  /** Bytes handed out and not yet applied. */
  #applyingBytes = 0
  /** Nothing more is handed out until something was applied. */
  #isApplyingPaused = false

  constructor(storage: LogStorage, applyingBytesMax: number, log: RaftLogger | null) {
    this.#storage = storage
    this.#log = log
    this.#applyingBytesMax = applyingBytesMax
    this.unstable = new UnstableLog(storage.lastIndex() + 1, log)
    const compacted = storage.firstIndex() - 1
    this.committed = compacted
    this.applying = compacted
    this.applied = compacted
  }

  firstIndex(): number {
    const snapshot = this.unstable.snapshot
    return snapshot === null ? this.#storage.firstIndex() : snapshot.index + 1
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex()
  }

  last(): EntryId {
    const index = this.lastIndex()
    return { term: this.termOrZero(index), index }
  }

  /** The term at `index`, for firstIndex - 1 ≤ index ≤ lastIndex; null elsewhere. */
  term(index: number): number | null {
    const unstable = this.unstable.term(index)
    if (unstable !== null) return unstable
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return null
    const term = this.#storage.term(index)
    return typeof term === 'number' ? term : null
  }

  termOrZero(index: number): number {
    return this.term(index) ?? 0
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term
  }

  /** Whether a log that ends in `last` may lead this one: the election restriction, Raft thesis 3.6.1. */
  isUpToDate(last: EntryId): boolean {
    const own = this.last()
    return last.term > own.term || (last.term === own.term && last.index >= own.index)
  }

  /** Entries from `low` on, as many as fit; null when they were compacted away. */
  entries(low: number, bytesMax: number): readonly Entry[] | null {
    const last = this.lastIndex()
    return low > last ? NOTHING : this.slice(low, last + 1, bytesMax)
  }

  /** Entries low ≤ index < high, as many as fit and at least one; null when they were compacted away. */
  slice(low: number, high: number, bytesMax: number): readonly Entry[] | null {
    if (low < this.firstIndex()) return null
    assert(low <= high && high <= this.lastIndex() + 1, 'a slice lies within the log')
    const offset = this.unstable.offset
    if (low >= offset) return within(this.unstable.slice(low, high), bytesMax)

    const storedHigh = Math.min(high, offset)
    const stored = this.#storage.entries(low, storedHigh, bytesMax)
    if (stored === 'compacted') return null
    assert(stored !== 'unavailable', 'storage holds what is not unstable')
    if (high <= offset || stored.length < storedHigh - low) return stored
    return within(stored.concat(this.unstable.slice(offset, high)), bytesMax)
  }

  /** Appends a leader's own entries. */
  append(entries: readonly Entry[]): void {
    this.#append(entries, 0)
  }

  /**
   * Takes a leader's append if `prev` matches (Raft thesis 3.5) and returns the last index it covers; null otherwise.
   * Entries that are already here stay: the message may be an old one, and truncating would lose what followed it.
   */
  maybeAppend(message: MessageOf<'app'>): number | null {
    const { prev, entries } = message
    if (!this.matches(prev)) return null
    const lastNew = prev.index + entries.length
    const conflict = this.#findConflict(entries)
    if (conflict < entries.length) this.#append(entries, conflict)
    this.commitTo(Math.min(message.commit, lastNew))
    return lastNew
  }

  commitTo(index: number): void {
    if (index <= this.committed) return
    assert(index <= this.lastIndex(), 'only entries that are here are committed')
    this.committed = index
  }

  /** Commits up to `at.index` if its entry is of the given term: the rule of Raft thesis 3.6.2, Figure 3.7. */
  maybeCommit(at: EntryId): boolean {
    if (at.index <= this.committed || at.term === 0 || !this.matches(at)) return false
    this.commitTo(at.index)
    return true
  }

  /**
   * A guess of where this log ends matching another that has `term` at `index`: the highest entry at or below `index`
   * whose term is not above it. Term 0 in the answer means unknown. Lets both sides skip whole terms at once.
   */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let guess = index; guess > 0; guess--) {
      const own = this.term(guess)
      if (own === null) return { term: 0, index: guess }
      if (own <= term) return { term: own, index: guess }
    }
    return { term: 0, index: 0 }
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#isApplyingPaused || this.unstable.snapshot !== null) return false
    return this.applying < this.#appliableIndex(allowUnstable)
  }

  /** Committed entries to apply next, in index order, within the byte limit. Nothing beside a pending snapshot. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return NOTHING
    const bytesMax = this.#applyingBytesMax - this.#applyingBytes
    assert(bytesMax > 0, 'applying is paused when its bytes are used up')
    const high = this.#appliableIndex(allowUnstable) + 1
    const entries = this.slice(this.applying + 1, high, bytesMax)
    assert(entries !== null, 'entries are compacted only after they were applied')
    return entries
  }

  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    assert(index <= this.committed, 'only committed entries are applied')
    this.applying = index
    this.#applyingBytes += bytes
    // When not everything appliable was handed out, the next entry would not have fitted either.
    this.#isApplyingPaused =
      this.#applyingBytes >= this.#applyingBytesMax || index < this.#appliableIndex(allowUnstable)
  }

  appliedTo(index: number, bytes: number): void {
    assert(index <= this.committed && index >= this.applied, 'applied rises up to committed')
    this.applied = index
    this.applying = Math.max(this.applying, index)
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes)
    this.#isApplyingPaused = this.#applyingBytes >= this.#applyingBytesMax
  }

  snapshot(): SnapshotMeta | null {
    return this.unstable.snapshot ?? this.#storage.snapshot()
  }

  /** Replaces the log by a snapshot, which counts as committed. */
  restore(snapshot: SnapshotMeta): void {
    this.#log?.info(
      `log [${this.#describe()}] starts to restore snapshot ` +
        `[index: ${snapshot.index}, term: ${snapshot.term}]`,
    )
    this.committed = snapshot.index
    this.unstable.restore(snapshot)
  }

  /** Whether a membership change is committed but not applied: whoever campaigns now may count wrong voters. */
  hasUnappliedConfChange(): boolean {
    let low = this.applied + 1
    while (low <= this.committed) {
      const page = this.slice(low, this.committed + 1, this.#applyingBytesMax)
      assert(page !== null, 'entries are compacted only after they were applied')
      for (const entry of page) if (entry.type !== 'normal') return true
      low += page.length
    }
    return false
  }

  #append(entries: readonly Entry[], from: number): void {
    const first = entries[from]
    if (first === undefined) return
    assert(first.index > this.committed, 'committed entries are never replaced')
    this.unstable.truncateAndAppend(entries, from)
  }

  /** Position of the first entry that is missing here or has another term; the length if there is none. */
  #findConflict(entries: readonly Entry[]): number {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]
      if (entry === undefined || this.matches(entry)) continue
      if (this.#log !== null && entry.index <= this.lastIndex()) {
        this.#log.info(
          `found conflict at index ${entry.index} [existing term: ` +
            `${this.termOrZero(entry.index)}, conflicting term: ${entry.term}]`,
        )
      }
      return i
    }
    return entries.length
  }

  #appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1)
  }

  #describe(): string {
    const { offset, offsetInProgress, length } = this.unstable
    return (
      `committed=${this.committed}, applied=${this.applied}, applying=${this.applying}, ` +
      `unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, ` +
      `len(unstable.Entries)=${length}`
    )
  }
}

function within(entries: Entry[], bytesMax: number): readonly Entry[] {
  const count = countWithin(entries, bytesMax)
  return count === entries.length ? entries : entries.slice(0, count)
}
