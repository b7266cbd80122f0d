import type { ConfState, Entry, HardState, SnapshotMeta } from './messages.ts'

/**
 * What the core reads of the durable log, synchronously: the shell keeps the retained entries in memory.
 * Indexes: `firstIndex - 1` is the snapshot's index, the last one whose term is known without its entry.
 */
export type LogStorage = {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState }
  /** First index still held; 1 on a log that was never compacted. */
  firstIndex(): number
  /** Last durable index; `firstIndex() - 1` when no entry is held. */
  lastIndex(): number
  /** Term of the entry at `index`, for `firstIndex - 1` ≤ index ≤ `lastIndex`; otherwise why not. */
  term(index: number): number | 'compacted' | 'unavailable'
  /** Entries low ≤ index < high, at least one even if larger than `bytesMax`; or why not. */
  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | 'compacted' | 'unavailable'
  /** The snapshot that a follower too far behind is sent, or null while none can be made. */
  snapshot(): SnapshotMeta | null
}
