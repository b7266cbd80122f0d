import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../shared/logger.ts'
import { LevelDisk } from './level-disk.ts'
import { NodeStore, type StoreParts } from './node-store.ts'
import { DEFAULT_RETENTION } from './retention.ts'

/** Keeps the process alive until what was applied is written. */
const CLOCK: StoreParts['clock'] = {
  defer: (action) => void setImmediate(action),
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}

/**
 * Opens the store of a data directory, one database under `<data-dir>/db`, making both if they are not there.
 * DATA_DIRECTORY_IN_USE, and as `NodeStore.open`.
 */
export async function openStoreIn(dataDir: string, logger: Logger): Promise<NodeStore> {
  const path = join(dataDir, 'db')
  await mkdir(path, { recursive: true })
  return NodeStore.open(await LevelDisk.open(path), {
    logger,
    clock: CLOCK,
    retention: DEFAULT_RETENTION,
    // 48 bits: two nodes of one cluster never meet in a number.
    makeNodeId: () => Math.max(1, randomBytes(6).readUIntBE(0, 6)),
  })
}
