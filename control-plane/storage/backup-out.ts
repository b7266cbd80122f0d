import { VERSION } from '../../shared/version.ts'
import type { OutgoingBackup } from '../ports.ts'
import { encodeBackup } from './backup-format.ts'
import type { CutSnapshot } from './snapshot-out.ts'

/** Where a backup comes from, and when. */
export type BackupOrigin = {
  readonly clusterId: string
  readonly node: string
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** Makes a backup of a snapshot, which it closes. */
export async function asBackup(
  snapshot: CutSnapshot,
  { clusterId, node, nowMs }: BackupOrigin,
): Promise<OutgoingBackup> {
  try {
    const { revision, hash, appliedIndex, appliedTerm, compactedRevision } = snapshot.mark
    const header = {
      clusterId,
      node,
      revision,
      hash,
      index: appliedIndex,
      term: appliedTerm,
      compactedRevision,
      createdAt: new Date(nowMs).toISOString(),
      version: VERSION,
      definitions: await snapshot.definitionsByKind(),
    }
    return {
      clusterId,
      revision,
      pieces: () => encodeBackup(header, snapshot.chunks()),
      close: () => snapshot.close(),
    }
  } catch (error) {
    await snapshot.close()
    throw error
  }
}
