import { HISTORY_HOURS_MIN, HISTORY_REVISIONS_MIN } from '../../shared/limits.ts'

/** A revision and when it was made, in milliseconds since 1970. */
export type RevisionAge = { readonly revision: number; readonly atMs: number }

/** The part of a store that says how old its history is. */
export type HistoryAges = {
  /** The oldest kept revisions, ascending, at most `limit`, none above `upTo`. */
  oldestRevisions(range: {
    readonly upTo: number
    readonly limit: number
  }): Promise<readonly RevisionAge[]>
}

/** Revisions looked at in one go: compaction goes on at the next call. */
const PAGE = 20_000
const RETAINED_MS = HISTORY_HOURS_MIN * 3_600_000

/**
 * The highest revision that may go, so that HISTORY_REVISIONS_MIN revisions and HISTORY_HOURS_MIN hours stay; 0 when
 * none may. `oldest` are the oldest kept revisions, ascending. Clocks of leaders differ: the first revision that is
 * too young ends it, whatever comes after.
 */
export function compactedUpTo(
  oldest: readonly RevisionAge[],
  { revision, nowMs }: { readonly revision: number; readonly nowMs: number },
): number {
  let upTo = 0
  for (const old of oldest) {
    if (old.revision > revision - HISTORY_REVISIONS_MIN || old.atMs > nowMs - RETAINED_MS) break
    upTo = old.revision
  }
  return upTo
}

/** The same, of a store: at most a page of revisions at once, nothing read while there is nothing to let go. */
export async function compactionPoint(
  ages: HistoryAges,
  at: { readonly revision: number; readonly nowMs: number },
): Promise<number> {
  const upTo = at.revision - HISTORY_REVISIONS_MIN
  if (upTo < 1) return 0
  return compactedUpTo(await ages.oldestRevisions({ upTo, limit: PAGE }), at)
}
