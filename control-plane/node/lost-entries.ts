import { RaftwayError } from '../../shared/errors.ts'
import type { Message } from '../raft/messages.ts'

/**
 * STORAGE_CORRUPT when a leader counts on entries that this node does not have; null otherwise. A heartbeat carries no
 * higher commit than what its receiver has acknowledged, so what is missing was on this disk and is gone: nothing that
 * the node still holds can say so, and the leader would wait for ever.
 */
export function lostEntries(
  message: Message,
  own: { readonly term: number; readonly lastIndex: number },
): RaftwayError | null {
  if (message.type !== 'heartbeat' || message.term < own.term) return null
  if (message.commit <= own.lastIndex) return null
  const detail = `the log ends at entry ${own.lastIndex}, and this node had acknowledged entry ${message.commit}: what the disk held is lost`
  return new RaftwayError('STORAGE_CORRUPT', detail)
}
