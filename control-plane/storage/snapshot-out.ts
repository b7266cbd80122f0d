import type { OutgoingSnapshot } from '../ports.ts'
import type { SnapshotMeta } from '../raft/messages.ts'
import type { Disk, DiskSnapshot } from './disk.ts'
import {
  APPLIED_SUFFIX,
  historyRange,
  kindOf,
  numberOf,
  SECTION,
  sectionRange,
  suffixOf,
  type KeyRange,
} from './keys.ts'
import type { Retention } from './retention.ts'
import { isWhole, sealJson } from './seal.ts'
import { encodeSnapshot, type SnapshotRecord } from './snapshot-stream.ts'
import { loadMark, type AppliedMark } from './state-records.ts'
import { RaftwayError } from '../../shared/errors.ts'

/** A snapshot with what a backup says of itself. */
export type CutSnapshot = OutgoingSnapshot & {
  /** As the receiver will have it. */
  readonly mark: AppliedMark
  definitionsByKind(): Promise<Readonly<Record<string, number>>>
}

/**
 * Cuts a snapshot of a generation at the applied index that is on disk now; later writes do not touch it. Definitions,
 * members and idempotency records are whole, history goes back `historyRevisions` at most.
 */
export async function cutSnapshot(
  disk: Disk,
  generation: number,
  retention: Retention,
): Promise<CutSnapshot> {
  const view = disk.snapshot()
  try {
    const mark = bounded(await loadMark(disk, generation, view), retention)
    const { appliedIndex, appliedTerm, confState } = mark
    const meta: SnapshotMeta = { index: appliedIndex, term: appliedTerm, confState }
    return {
      meta,
      mark,
      definitionsByKind: () => countByKind({ disk, generation, view }),
      chunks: () =>
        encodeSnapshot(
          meta,
          records({ disk, generation, view }, mark),
          retention.snapshotChunkBytes,
        ),
      close: () => view.close(),
    }
  } catch (error) {
    await view.close()
    throw error
  }
}

type Source = { readonly disk: Disk; readonly generation: number; readonly view: DiskSnapshot }

/** The receiver's history begins where the snapshot's does. */
function bounded(mark: AppliedMark, { historyRevisions }: Retention): AppliedMark {
  const compactedRevision = Math.max(mark.compactedRevision, mark.revision - historyRevisions)
  return { ...mark, compactedRevision }
}

async function countByKind({ disk, generation, view }: Source): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const range = sectionRange(generation, SECTION.definitions)
  for await (const page of disk.pages(range, { snapshot: view })) {
    for (const [key] of page) {
      const kind = kindOf(suffixOf(key))
      counts[kind] = (counts[kind] ?? 0) + 1
    }
  }
  return counts
}

async function* records(
  source: Source,
  mark: AppliedMark,
): AsyncGenerator<readonly SnapshotRecord[]> {
  const { generation } = source
  yield [{ name: APPLIED_SUFFIX, value: sealJson(APPLIED_SUFFIX, mark) }]
  yield* walk(source, sectionRange(generation, SECTION.definitions))
  yield* walk(source, historyRange(generation, mark.compactedRevision + 1, mark.revision + 1))
  for await (const page of walk(source, sectionRange(generation, SECTION.historyIndex))) {
    yield page.filter(({ name }) => numberOf(name) > mark.compactedRevision)
  }
  yield* walk(source, sectionRange(generation, SECTION.idempotency))
  yield* walk(source, sectionRange(generation, SECTION.members))
  yield* walk(source, sectionRange(generation, SECTION.system))
}

async function* walk(
  { disk, view }: Source,
  range: KeyRange,
): AsyncGenerator<readonly SnapshotRecord[]> {
  for await (const page of disk.pages(range, { snapshot: view })) {
    yield page.map(([key, value]) => {
      const name = suffixOf(key)
      // Damage must not travel: the receiver would be told that its stream is broken, again and again.
      if (!isWhole(name, value)) {
        throw new RaftwayError(
          'STORAGE_CORRUPT',
          `${name.toString('latin1')} in ${disk.path} is damaged`,
        )
      }
      return { name, value }
    })
  }
}
