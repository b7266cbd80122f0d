import type { Entry, EntryId, EntryType } from './messages.ts'

/** No payload: a leader's first entry, and the entry that leaves a joint membership. */
export const EMPTY = new Uint8Array(0)

/** The place before the first entry of every log. */
export const ZERO_ID: EntryId = { term: 0, index: 0 }

/** Makes an entry and charges it once with the bytes that etcd's protobuf encoding of it would take. */
export function makeEntry(id: EntryId, type: EntryType, data: Uint8Array): Entry {
  return { term: id.term, index: id.index, type, data, size: entrySize(id, data.length) }
}

/** Sum of `size`: what message, page and apply limits are measured in. */
export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entry.size
  return bytes
}

/** Sum of payload lengths: what inflight and uncommitted limits are measured in. Empty entries are free. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entry.data.length
  return bytes
}

/** How many of `entries`, from the start, fit in `bytesMax`; at least one, so that progress is always possible. */
export function countWithin(entries: readonly Entry[], bytesMax: number): number {
  let bytes = 0
  for (let i = 0; i < entries.length; i++) {
    bytes += entries[i]?.size ?? 0
    if (bytes > bytesMax && i > 0) return i
  }
  return entries.length
}

/** Bytes of an entry at `id` with a payload of `dataBytes`: three small fields, then the payload with its length. */
function entrySize(id: EntryId, dataBytes: number): number {
  const head = 2 + 1 + varintBytes(id.term) + 1 + varintBytes(id.index)
  return dataBytes === 0 ? head : head + 1 + varintBytes(dataBytes) + dataBytes
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
