import type { RawNode } from '../raft/raw-node.ts'

/**
 * The first log entry that a member which was heard lately needs next; Infinity when this node does not lead. One that
 * is so far behind that it gets a snapshot needs what follows the snapshot.
 */
export function neededFrom(raw: Pick<RawNode, 'status' | 'firstIndex'>): number {
  const { id, progress } = raw.status()
  let needed = Infinity
  for (const [member, { match, pendingSnapshot, recentActive }] of progress ?? []) {
    const next = Math.max(match, pendingSnapshot) + 1
    // What is gone already is not kept for anybody.
    if (member !== id && recentActive && next >= raw.firstIndex) needed = Math.min(needed, next)
  }
  return needed
}
