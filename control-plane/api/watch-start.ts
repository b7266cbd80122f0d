import { readPoint, type ReadContext } from './reads.ts'
import type { WatchStart } from './watcher.ts'

/**
 * Where a watch begins that asks for the changes after `from`, or for a snapshot.
 *
 * A revision that this node has not seen is either one that it will have in a moment, or one of a cluster that was
 * since restored from an older copy. A read point tells which. NO_LEADER, TIMEOUT.
 */
export async function watchStart(api: ReadContext, from: number | undefined): Promise<WatchStart> {
  if (from === undefined) return { type: 'snapshot' }
  const { state } = api.plane
  if (from > state.revision) await readPoint(api, false)
  return from > state.revision ? { type: 'reset' } : { type: 'after', revision: from }
}
