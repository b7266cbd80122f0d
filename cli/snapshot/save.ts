import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { BackupCheck, BackupContents } from '../../control-plane/offline.ts'

/**
 * Writes a stream to a file, checked as it passes: into a temporary file beside it, synced, then renamed, so that
 * `path` never holds half a backup. Throws what the check throws, and what the system says; the temporary file is gone
 * then.
 */
export async function saveBackup(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  check: BackupCheck,
): Promise<BackupContents> {
  const target = resolve(path)
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.partial`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    let contents: BackupContents
    try {
      for await (const piece of pieces) {
        check.push(piece)
        await file.writeFile(piece)
      }
      contents = check.finish()
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
    const folder = await open(dirname(target), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
    return contents
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
