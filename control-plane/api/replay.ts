import type { DefinitionChange } from '../../shared/changes.ts'
import { ConfigHash } from '../../shared/config-hash.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import type { HistoryChange, HistoryRecord, StateReader } from '../ports.ts'
import { encodeChange, type ConfigPoint, type EncodedChange } from './recent-changes.ts'

/** What to replay; `revisionsAtOnce` are read from disk in one go. */
export type ReplayRange = {
  readonly after: number
  readonly until: ConfigPoint
  readonly revisionsAtOnce: number
}

/**
 * The changes after revision `after`, up to and with `until`, encoded from history on disk. Throws
 * REVISION_COMPACTED, at once or in the middle.
 *
 * History keeps no hashes, and a change carries the one after it. The hash is a sum, so the first pass takes every
 * change back from the hash at `until`, and the second adds them again on the way. Yields nothing while the disk has
 * not caught up with `until`.
 */
export async function* replay(
  state: StateReader,
  range: ReplayRange,
): AsyncGenerator<EncodedChange> {
  const { after, until } = range
  const sum = ConfigHash.fromHex(until.hash)
  let newest = after
  for await (const record of records(state, range)) {
    newest = record.revision
    for (const { before, after: written } of record.changes) {
      exchange(sum, { taken: written, put: before })
    }
  }
  if (newest !== until.revision) return
  for await (const record of records(state, range)) {
    for (const { before, after: written } of record.changes) {
      exchange(sum, { taken: before, put: written })
    }
    const { revision } = record
    const hash = sum.toHex()
    const changes = record.changes.map(asChange)
    yield encodeChange({ revision, hash, changes })
  }
}

async function* records(
  state: StateReader,
  { after, until, revisionsAtOnce }: ReplayRange,
): AsyncGenerator<HistoryRecord> {
  const upTo = until.revision
  let at = after
  while (at < upTo) {
    const batch = await state.history({ after: at, upTo, limit: revisionsAtOnce })
    const last = batch.at(-1)
    if (last === undefined) return
    yield* batch
    at = last.revision
  }
}

function exchange(
  sum: ConfigHash,
  step: { readonly taken: Definition | null; readonly put: Definition | null },
): void {
  if (step.taken !== null) sum.remove(JSON.stringify(step.taken))
  if (step.put !== null) sum.add(JSON.stringify(step.put))
}

function asChange({ kind, name, after }: HistoryChange): DefinitionChange {
  return after === null ? { op: 'delete', kind, name } : { op: 'put', definition: after }
}
