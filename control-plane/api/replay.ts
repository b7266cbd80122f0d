import type { DefinitionChange } from '../../shared/changes.ts'
import { ConfigHash } from '../../shared/config-hash.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { REPLAY_REVISIONS } from '../../shared/limits.ts'
import type { HistoryChange, HistoryRecord, StateReader } from '../ports.ts'
import { encodeLine, type ConfigPoint, type EncodedChange } from './recent-changes.ts'

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
  after: number,
  until: ConfigPoint,
): AsyncGenerator<EncodedChange> {
  const sum = ConfigHash.fromHex(until.hash)
  let newest = after
  for await (const record of records(state, after, until.revision)) {
    newest = record.revision
    for (const { before, after: written } of record.changes) {
      exchange(sum, { taken: written, put: before })
    }
  }
  if (newest !== until.revision) return
  for await (const record of records(state, after, until.revision)) {
    for (const { before, after: written } of record.changes) {
      exchange(sum, { taken: before, put: written })
    }
    const { revision } = record
    const hash = sum.toHex()
    const changes = record.changes.map(asChange)
    yield { revision, hash, line: encodeLine({ type: 'change', revision, hash, changes }) }
  }
}

async function* records(
  state: StateReader,
  after: number,
  upTo: number,
): AsyncGenerator<HistoryRecord> {
  let at = after
  while (at < upTo) {
    const batch = await state.history({ after: at, upTo, limit: REPLAY_REVISIONS })
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
