import { RaftwayError } from '../../shared/errors.ts'
import { makeEntry } from '../raft/entry.ts'
import type { Entry, EntryId, EntryType } from '../raft/messages.ts'
import type { Disk, Write } from './disk.ts'
import { logIndexOf, logKey, logRange } from './keys.ts'
import { seal, unseal } from './seal.ts'

/** Position is the stored number: append only. */
const TYPES: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2']
const HEAD_BYTES = 9

/** What a log holds of its past: everything up to and with this entry was compacted. */
export type LogBase = EntryId

/** One entry as it is stored: term, type, data, under a checksum that covers the index as well. */
export function putEntry(entry: Entry): Write {
  const key = logKey(entry.index)
  const payload = Buffer.allocUnsafe(HEAD_BYTES + entry.data.length)
  payload.writeBigUInt64BE(BigInt(entry.term), 0)
  payload[8] = TYPES.indexOf(entry.type)
  payload.set(entry.data, HEAD_BYTES)
  return { type: 'put', key, value: seal(key, payload) }
}

/**
 * Reads every retained entry. STORAGE_CORRUPT with the index when one is damaged or missing in the middle, or when
 * terms go back: a log is never silently cut.
 */
export async function loadEntries(disk: Disk, base: LogBase): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  let last: EntryId = base
  for await (const page of disk.pages(logRange(base.index + 1))) {
    for (const [key, value] of page) {
      const entry = decodeEntry(key, value, disk.path)
      if (entry.index !== last.index + 1) {
        throw corrupt(disk.path, last.index + 1, `is missing, the next one is ${entry.index}`)
      }
      if (entry.term < last.term) {
        throw corrupt(disk.path, entry.index, `has term ${entry.term} after term ${last.term}`)
      }
      entries.push(entry)
      last = entry
    }
  }
  return entries
}

function decodeEntry(key: Buffer, value: Buffer, path: string): Entry {
  const index = logIndexOf(key)
  const payload = unseal(key, value, `log entry ${index} in ${path}`)
  const type = TYPES[payload[8] ?? TYPES.length]
  if (type === undefined) throw corrupt(path, index, 'has an unknown type')
  const term = Number(payload.readBigUInt64BE(0))
  return makeEntry({ term, index }, type, payload.subarray(HEAD_BYTES))
}

function corrupt(path: string, index: number, how: string): RaftwayError {
  const detail = `log entry ${index} in ${path} ${how}`
  return new RaftwayError('STORAGE_CORRUPT', detail, { extra: { index, path } })
}
