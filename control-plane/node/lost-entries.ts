import { RaftwayError } from '../../shared/errors.ts'
import type { Message } from '../raft/messages.ts'

const KEY = 'lost-entries'

/** Small values that outlive the process. */
type Notes = {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
}

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

/** Writes down what `lostEntries` found, so that the next start treats the store as damaged; gives it back. */
export async function noteLostEntries(notes: Notes, loss: RaftwayError): Promise<RaftwayError> {
  // If it cannot be written the node learns it again from its leader.
  await notes.put(KEY, loss.message).catch(() => {})
  return loss
}

/** Throws STORAGE_CORRUPT if this store is known to have lost entries. */
export async function assertNothingLost(notes: Notes): Promise<void> {
  const note = await notes.get(KEY)
  if (typeof note === 'string') throw new RaftwayError('STORAGE_CORRUPT', note)
}
