import { createHash, randomBytes } from 'node:crypto'
import { RaftwayError } from '../shared/errors.ts'
import { REVISION_BUMP } from '../shared/limits.ts'
import type { Logger } from '../shared/logger.ts'
import { refoundAlone, type Survivor } from './node/recover.ts'
import type { NodeAddress, NodeId } from './ports.ts'
import type { BackupContents } from './storage/backup-contents.ts'
import { assertForward, restoreBackup } from './storage/backup-restore.ts'
import type { Refounding } from './storage/refounding.ts'
import { SYSTEM_CLOCK } from './system-clock.ts'

// What is done to data directories and backups while no node runs on them.

export { BackupCheck, type BackupContents } from './storage/backup-contents.ts'
export { inspectBackup } from './storage/backup-restore.ts'
export type { Survivor } from './node/recover.ts'

/** A member of a cluster that is about to be founded. */
export type Founder = { readonly name: string; readonly peer: string; readonly api: string }

/** What came of a restore or a recovery. */
export type Refounded = {
  readonly clusterId: string
  readonly nodeId: NodeId
  /** Where the new cluster begins. */
  readonly revision: number
}

/** 128 bits of chance: clusters of all times and places must differ. */
export function newClusterId(): string {
  return randomBytes(16).toString('hex')
}

/**
 * Makes the data directory of one founder of a new cluster from a backup. Every founder must be made from the same
 * file, with the same founders, cluster id and revision: then all of them are identical. BACKUP_DAMAGED,
 * DATA_DIRECTORY_NOT_EMPTY, INVALID_REQUEST.
 */
export async function restore(options: {
  readonly file: string
  readonly dataDir: string
  /** Which of the founders this directory is. */
  readonly name: string
  readonly founders: readonly Founder[]
  readonly clusterId: string
  /** Where the new cluster begins; null for REVISION_BUMP above the backup. */
  readonly revision: number | null
  readonly logger: Logger
}): Promise<{ readonly contents: BackupContents; readonly refounded: Refounded }> {
  const { file, dataDir, name, clusterId, revision, logger } = options
  const founders = options.founders
    .map((founder): NodeAddress => ({ id: founderId(clusterId, founder.name), ...founder }))
    .toSorted((a, b) => a.id - b.id)
  const self = founders.find((founder) => founder.name === name)
  if (self === undefined) throw new RaftwayError('INVALID_REQUEST', `${name} is no founder`)
  const { contents, refounding } = await restoreBackup({
    file,
    dataDir,
    logger,
    refound: ({ header }): Refounding => ({
      identity: { clusterId, nodeId: self.id },
      founders,
      revision: revision ?? header.revision + REVISION_BUMP,
      // The same on every founder.
      atMs: Date.parse(header.createdAt),
      author: 'raftway snapshot restore',
      message: `restored from revision ${header.revision} of cluster ${header.clusterId}`,
    }),
  })
  return { contents, refounded: refoundedBy(refounding) }
}

/**
 * Makes a cluster of one from the data directory of a node whose cluster has lost its majority. `confirm` hears what
 * there is; null when it says no. NOT_FORMED, STORAGE_CORRUPT, DATA_DIRECTORY_IN_USE, INVALID_REQUEST.
 */
export async function forceNewCluster(options: {
  readonly dataDir: string
  /** Where the new cluster begins; null for REVISION_BUMP above the log. */
  readonly revision: number | null
  readonly nowMs: number
  readonly logger: Logger
  readonly confirm: (survivor: Survivor) => Promise<boolean>
}): Promise<{ readonly survivor: Survivor; readonly refounded: Refounded | null }> {
  const { dataDir, logger, confirm, nowMs } = options
  const decide = async (survivor: Survivor): Promise<Refounding | null> => {
    const revision = options.revision ?? survivor.revision + REVISION_BUMP
    assertForward(survivor.revision, revision)
    if (!(await confirm(survivor))) return null
    const { identity, self } = survivor
    return {
      identity: { clusterId: newClusterId(), nodeId: identity.nodeId },
      founders: [self],
      revision,
      atMs: nowMs,
      author: 'raftway server recover',
      message: `recovered from revision ${survivor.revision} of cluster ${identity.clusterId}`,
    }
  }
  const { survivor, refounding } = await refoundAlone(
    dataDir,
    { logger, clock: SYSTEM_CLOCK },
    decide,
  )
  return { survivor, refounded: refounding === null ? null : refoundedBy(refounding) }
}

function refoundedBy({ identity, revision }: Refounding): Refounded {
  return { ...identity, revision }
}

/** 48 bits, the same wherever a founder is made. */
function founderId(clusterId: string, name: string): NodeId {
  const digest = createHash('sha256').update(`${clusterId}/${name}`).digest()
  return Math.max(1, digest.readUIntBE(0, 6))
}
