import {
  HISTORY_BYTES_MAX,
  HISTORY_HOURS_MIN,
  HISTORY_REVISIONS_MIN,
  LOG_BYTES_FOR_MEMBERS_MAX,
  LOG_BYTES_RETAINED,
  LOG_ENTRIES_FOR_MEMBERS_MAX,
  LOG_ENTRIES_RETAINED,
  SNAPSHOT_CHUNK_BYTES,
} from '../../shared/limits.ts'

/** How much of the past a node keeps. A test may tighten it; the defaults are those of `shared/limits.ts`. */
export type Retention = {
  readonly logEntries: number
  readonly logBytes: number
  /** More than that is kept for a member that fetches what came before, but no more than this. */
  readonly logEntriesForMembers: number
  readonly logBytesForMembers: number
  /** How often the log is looked at. */
  readonly logCheckMs: number
  /** Both must be exceeded before history goes; but of more than `historyBytes` only so many revisions stay. */
  readonly historyRevisions: number
  readonly historyMs: number
  readonly historyBytes: number
  readonly historyCheckMs: number
  /** Pieces in which a whole state travels to a follower. */
  readonly snapshotChunkBytes: number
}

export const DEFAULT_RETENTION: Retention = {
  logEntries: LOG_ENTRIES_RETAINED,
  logBytes: LOG_BYTES_RETAINED,
  logEntriesForMembers: LOG_ENTRIES_FOR_MEMBERS_MAX,
  logBytesForMembers: LOG_BYTES_FOR_MEMBERS_MAX,
  logCheckMs: 1_000,
  historyRevisions: HISTORY_REVISIONS_MIN,
  historyMs: HISTORY_HOURS_MIN * 3_600_000,
  historyBytes: HISTORY_BYTES_MAX,
  historyCheckMs: 60_000,
  snapshotChunkBytes: SNAPSHOT_CHUNK_BYTES,
}

/** A revision and when it was made, in milliseconds since 1970. */
export type RevisionAge = { readonly revision: number; readonly atMs: number }

/** The part of a store that says how old its history is. */
export type HistoryAges = {
  /** The oldest kept revisions, ascending, at most `limit`, none above `upTo`. */
  oldestRevisions(range: {
    readonly upTo: number
    readonly limit: number
  }): Promise<readonly RevisionAge[]>
  /** About how many bytes all of it takes on the disk. */
  historyBytes(): Promise<number>
}

/** Revisions looked at in one go: compaction goes on at the next call. */
const PAGE = 20_000

/** The present, against which history is old, and how much of it stays. */
export type RetentionPoint = {
  readonly revision: number
  readonly nowMs: number
  readonly keep: Pick<Retention, 'historyRevisions' | 'historyMs' | 'historyBytes'>
  /** History up to and with this revision is gone already. */
  readonly compactedRevision: number
}

/**
 * The highest revision that may go, so that both as many revisions and as many hours as `keep` says stay; 0 when none
 * may. `oldest` are the oldest kept revisions, ascending. Clocks of leaders differ: the first revision that is
 * too young ends it, whatever comes after.
 */
export function compactedUpTo(
  oldest: readonly RevisionAge[],
  { revision, nowMs, keep }: Omit<RetentionPoint, 'compactedRevision'>,
): number {
  let upTo = 0
  for (const old of oldest) {
    if (old.revision > revision - keep.historyRevisions || old.atMs > nowMs - keep.historyMs) break
    upTo = old.revision
  }
  return upTo
}

/** Of history that takes too much room so much goes that it fills this share of what it may take. */
const FILLED_SHARE = 0.8

/**
 * The highest revision that may go because history takes too many bytes, whatever its age; 0 when none must. Revisions
 * count as equally large.
 */
export function surplusUpTo(
  bytes: number,
  { revision, compactedRevision, keep }: Omit<RetentionPoint, 'nowMs'>,
): number {
  if (bytes <= keep.historyBytes) return 0
  const kept = revision - compactedRevision
  const stays = Math.floor((kept * FILLED_SHARE * keep.historyBytes) / bytes)
  return revision - Math.max(keep.historyRevisions, stays)
}

/** The same, of a store: at most a page of revisions at once, nothing read while there is nothing to let go. */
export async function compactionPoint(ages: HistoryAges, at: RetentionPoint): Promise<number> {
  const upTo = at.revision - at.keep.historyRevisions
  if (upTo <= at.compactedRevision) return 0
  const old = compactedUpTo(await ages.oldestRevisions({ upTo, limit: PAGE }), at)
  return Math.max(old, surplusUpTo(await ages.historyBytes(), at))
}
