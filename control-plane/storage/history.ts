import { definitionKey } from '../../shared/changes.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { HistoryChange, HistoryRecord } from '../ports.ts'
import { byKindAndName } from '../state-machine/overlay.ts'
import type { Disk, DiskSnapshot } from './disk.ts'
import {
  historyIndexSuffix,
  historyPlaceOf,
  historyRange,
  numberOf,
  stateKey,
  suffixOf,
} from './keys.ts'
import { unsealJson } from './seal.ts'
import type { HistoryHead } from './state-records.ts'

/** Where history is read: the revisions compacted < revision ≤ newest of one generation of the state. */
export type HistoryPlace = {
  readonly disk: Disk
  /** What is read is what stood when this was taken, whatever is compacted or replaced meanwhile. */
  readonly snapshot: DiskSnapshot
  readonly generation: number
  readonly compactedRevision: number
  readonly revision: number
}

export type HistoryFilter = {
  readonly kind?: Kind
  readonly name?: string
  /** Only revisions below this one. */
  readonly before?: number
  readonly limit: number
}

/** Revisions after < revision ≤ upTo, ascending, at most `limit`. REVISION_COMPACTED; STORAGE_CORRUPT on a gap. */
export async function readHistory(
  place: HistoryPlace,
  range: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<HistoryRecord[]> {
  if (range.after < place.compactedRevision) throw compacted(range.after, place)
  const records: HistoryRecord[] = []
  const high = Math.min(range.upTo, place.revision)
  if (range.limit < 1 || high <= range.after) return records
  for await (const record of ascending(place, range.after + 1, high)) {
    if (record.revision !== range.after + 1 + records.length)
      throw gap(range.after + 1 + records.length, place)
    if (records.push(record) >= range.limit) return records
  }
  if (records.length < high - range.after) throw gap(range.after + 1 + records.length, place)
  return records
}

/** Newest first, at most `limit`: every revision, or those that changed a kind or one definition. */
export async function readHistoryOf(
  place: HistoryPlace,
  filter: HistoryFilter,
): Promise<HistoryRecord[]> {
  const { kind, name, limit } = filter
  const newest = Math.min(place.revision, (filter.before ?? Infinity) - 1)
  if (limit < 1) return []
  if (kind !== undefined && name !== undefined) {
    const records: HistoryRecord[] = []
    for (const revision of await revisionsOf(place, { kind, name }, { newest, limit })) {
      for await (const record of ascending(place, revision, revision)) records.push(record)
    }
    return records
  }
  const records: HistoryRecord[] = []
  for await (const record of descending(place, newest)) {
    // A cluster that was made from a backup begins with a revision without changes.
    const isWanted =
      (kind === undefined && name === undefined) ||
      record.changes.some(
        (change) => (kind ?? change.kind) === change.kind && (name ?? change.name) === change.name,
      )
    if (isWanted && records.push(record) >= limit) break
  }
  return records
}

/**
 * The config at a revision, made by undoing history from `current`, which must be the whole config at its revision.
 * REVISION_COMPACTED, REVISION_NOT_FOUND. Costs the changes since, not the revisions before.
 */
export async function readConfigAt(
  place: HistoryPlace,
  revision: number,
  current: { readonly revision: number; readonly definitions: readonly Definition[] },
): Promise<Definition[]> {
  if (revision < place.compactedRevision) throw compacted(revision, place)
  if (revision > current.revision) {
    const detail = `revision ${revision} lies in the future, the config is at ${current.revision}`
    throw new RaftwayError('REVISION_NOT_FOUND', detail, {
      extra: { currentRevision: current.revision },
    })
  }
  const config = new Map<string, Definition>()
  for (const definition of current.definitions) {
    config.set(definitionKey(definition.kind, definition.name), definition)
  }
  let expected = current.revision
  for await (const record of descending(place, current.revision, revision + 1)) {
    if (record.revision !== expected) throw gap(expected, place)
    expected--
    for (const { kind, name, before } of record.changes.toReversed()) {
      if (before === null) config.delete(definitionKey(kind, name))
      else config.set(definitionKey(kind, name), before)
    }
  }
  if (expected !== revision) throw gap(expected, place)
  return [...config.values()].sort(byKindAndName)
}

/** When the oldest kept revisions were made, ascending, at most `limit`, none above `upTo`. */
export async function readOldest(
  place: HistoryPlace,
  { upTo, limit }: { readonly upTo: number; readonly limit: number },
): Promise<{ readonly revision: number; readonly atMs: number }[]> {
  const oldest: { readonly revision: number; readonly atMs: number }[] = []
  if (upTo <= place.compactedRevision) return oldest
  const { disk, generation, snapshot } = place
  for await (const page of disk.pages(
    historyRange(generation, place.compactedRevision + 1, upTo + 1),
    { snapshot },
  )) {
    for (const [key, sealed] of page) {
      if (historyPlaceOf(key).at > 0) continue
      const { revision, atMs } = valueOf(key, sealed, disk.path) as HistoryHead
      if (oldest.push({ revision, atMs }) >= limit) return oldest
    }
  }
  return oldest
}

async function revisionsOf(
  { disk, snapshot, generation, compactedRevision }: HistoryPlace,
  { kind, name }: { readonly kind: Kind; readonly name: string },
  { newest, limit }: { readonly newest: number; readonly limit: number },
): Promise<readonly number[]> {
  const revisions: number[] = []
  if (newest <= compactedRevision) return revisions
  const range = {
    gte: stateKey(generation, historyIndexSuffix(kind, name, compactedRevision + 1)),
    lt: stateKey(generation, historyIndexSuffix(kind, name, newest + 1)),
  }
  for await (const page of disk.pages(range, { snapshot, reverse: true })) {
    for (const [key] of page) if (revisions.push(numberOf(key)) >= limit) return revisions
  }
  return revisions
}

async function* ascending(
  place: HistoryPlace,
  low: number,
  high: number,
): AsyncGenerator<HistoryRecord> {
  let head: HistoryHead | null = null
  let changes: HistoryChange[] = []
  for await (const { revision, at, value } of values(place, low, high, false)) {
    if (at === 0) {
      head = value as HistoryHead
      changes = []
    } else changes.push(value as HistoryChange)
    if (head?.revision !== revision) throw gap(revision, place)
    if (changes.length === head.count) yield recordOf(head, changes)
  }
}

/** Backwards the changes of a revision come before its head. */
async function* descending(
  place: HistoryPlace,
  high: number,
  low = place.compactedRevision + 1,
): AsyncGenerator<HistoryRecord> {
  let changes: HistoryChange[] = []
  if (high < low) return
  for await (const { revision, at, value } of values(place, low, high, true)) {
    if (at > 0) {
      changes.push(value as HistoryChange)
      continue
    }
    const head = value as HistoryHead
    if (head.revision !== revision || head.count !== changes.length) throw gap(revision, place)
    yield recordOf(head, changes.toReversed())
    changes = []
  }
}

async function* values(
  { disk, snapshot, generation }: HistoryPlace,
  low: number,
  high: number,
  reverse: boolean,
): AsyncGenerator<{ readonly revision: number; readonly at: number; readonly value: unknown }> {
  for await (const page of disk.pages(historyRange(generation, low, high + 1), {
    snapshot,
    reverse,
  })) {
    for (const [key, sealed] of page)
      yield { ...historyPlaceOf(key), value: valueOf(key, sealed, disk.path) }
  }
}

function valueOf(key: Buffer, sealed: Buffer, path: string): unknown {
  const { revision } = historyPlaceOf(key)
  return unsealJson(suffixOf(key), sealed, `revision ${revision} of the history in ${path}`)
}

function recordOf(head: HistoryHead, changes: readonly HistoryChange[]): HistoryRecord {
  const { revision, atMs, author, origin, message } = head
  const who = origin === undefined ? { author } : { author, origin }
  return { revision, atMs, ...who, message, changes }
}

function compacted(revision: number, { compactedRevision }: HistoryPlace): RaftwayError {
  const detail = `history up to revision ${compactedRevision} is no longer kept, revision ${revision} was asked for`
  return new RaftwayError('REVISION_COMPACTED', detail, { extra: { compactedRevision } })
}

function gap(revision: number, { disk }: HistoryPlace): RaftwayError {
  return new RaftwayError(
    'STORAGE_CORRUPT',
    `revision ${revision} is not whole in the history in ${disk.path}`,
  )
}
