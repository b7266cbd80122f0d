import type { ApiContext } from './context.ts'
import type { Query } from './query.ts'

/** The parameter that every read of the replicated state knows. */
export const CONSISTENCY = 'consistency'

/** Takes `consistency` from a query: whether this node may answer from what it has. */
export function readsStale(query: Query): boolean {
  return query.oneOf(CONSISTENCY, ['linearizable', 'stale']) === 'stale'
}

/** What a read point needs of the API. */
export type ReadContext = Pick<ApiContext, 'plane' | 'patienceMs' | 'bounds'>

/** After this, the state of this node is as new as the call, unless the client asked for less. NO_LEADER, TIMEOUT. */
export async function readPoint(api: ReadContext, isStale: boolean): Promise<void> {
  if (isStale) return
  const { plane, patienceMs, bounds } = api
  // Without a leader a read is refused as soon as a write would be.
  if (plane.leader() === null) await plane.waitForLeader(patienceMs)
  await plane.readBarrier(bounds.catchUpMs)
}
