import { assert } from '../../shared/assert.ts'
import { ZERO_ID } from './entry.ts'
import type { LogStorage } from './log-storage.ts'
import type { ConfState, Entry, EntryId, HardState, SnapshotMeta } from './messages.ts'

/** A membership without members: what a replica has before it joined anything. */
export const NO_CONF_STATE: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
}

/**
 * The retained tail of the log in memory, as the core reads it. Alone it is a log for tests and benches; beside a
 * durable store it is the window over it, written in step with it.
 *
 *   … compacted | base | base+1 … last
 *                 term    entries
 */
export class MemoryLog implements LogStorage {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #confState: ConfState = NO_CONF_STATE
  /** The snapshot that `snapshot()` answers with; null until one was made or applied. */
  #snapshot: SnapshotMeta | null = null
  /** The last compacted entry: its term stays known for the log matching check. */
  #base: EntryId = ZERO_ID
  /** `#entries[#head + i]` has index `#base.index + 1 + i`; what lies before `#head` is dead. */
  #entries: (Entry | undefined)[] = []
  #head = 0
  #bytes = 0

  /** Sum of the sizes of the retained entries. */
  get bytes(): number {
    return this.#bytes
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#confState }
  }

  firstIndex(): number {
    return this.#base.index + 1
  }

  lastIndex(): number {
    return this.#base.index + this.#entries.length - this.#head
  }

  term(index: number): number | 'compacted' | 'unavailable' {
    if (index === this.#base.index) return this.#base.term
    if (index < this.#base.index) return 'compacted'
    return this.#at(index)?.term ?? 'unavailable'
  }

  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | 'compacted' | 'unavailable' {
    if (low <= this.#base.index) return 'compacted'
    if (high > this.lastIndex() + 1) return 'unavailable'
    const taken: Entry[] = []
    let bytes = 0
    for (let index = low; index < high; index++) {
      const entry = this.#at(index)
      if (entry === undefined) break
      bytes += entry.size
      if (bytes > bytesMax && taken.length > 0) break
      taken.push(entry)
    }
    return taken
  }

  snapshot(): SnapshotMeta | null {
    return this.#snapshot
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState
  }

  /** The membership that a restarted core begins with: that of the applied index. */
  setConfState(confState: ConfState): void {
    this.#confState = confState
  }

  /**
   * Adds consecutive entries, replacing whatever the log holds from the first of them on. Entries at or below the
   * compacted index are skipped; a gap after the last index is our bug.
   */
  append(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    const next = this.lastIndex() + 1
    assert(first.index <= next, 'a log has no gaps')
    const low = this.#base.index + 1
    if (first.index < next) this.#truncateFrom(Math.max(first.index, low))
    for (const entry of entries) {
      if (entry.index < low) continue
      this.#entries.push(entry)
      this.#bytes += entry.size
    }
  }

  /** Drops entries up to and including `index`, which must be held; at or below the base nothing happens. */
  compact(index: number): void {
    if (index <= this.#base.index) return
    const last = this.#at(index)
    assert(last !== undefined, 'only held entries are compacted')
    const count = index - this.#base.index
    for (let i = 0; i < count; i++) {
      this.#bytes -= this.#entries[this.#head + i]?.size ?? 0
      this.#entries[this.#head + i] = undefined
    }
    this.#head += count
    this.#base = { term: last.term, index }
    // Moving the rest costs O(rest); waiting until half is dead makes that O(1) an entry.
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** Says what a follower too far behind is sent from now on. Keeps the entries: `compact` drops them. */
  createSnapshot(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot
    this.#confState = snapshot.confState
  }

  /** Starts over at a snapshot received from the leader: everything held before is gone. */
  applySnapshot(snapshot: SnapshotMeta): void {
    this.#snapshot = snapshot
    this.#confState = snapshot.confState
    this.#base = { term: snapshot.term, index: snapshot.index }
    this.#entries = []
    this.#head = 0
    this.#bytes = 0
  }

  #at(index: number): Entry | undefined {
    return index <= this.#base.index
      ? undefined
      : this.#entries[this.#head + index - this.#base.index - 1]
  }

  #truncateFrom(index: number): void {
    while (this.lastIndex() >= index) this.#bytes -= this.#entries.pop()?.size ?? 0
  }
}
