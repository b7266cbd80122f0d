import { execFile } from 'node:child_process'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const BALLAST = 'ballast'

/** Whether this process may mount file systems. */
export async function maySmallDisks(): Promise<boolean> {
  const probe = `/tmp/raftway-mount-probe-${process.pid}`
  try {
    const disk = await SmallDisk.mount(probe, 1)
    await disk.unmount()
    return true
  } catch {
    await rm(probe, { recursive: true, force: true })
    return false
  }
}

/** A disk of some megabytes in memory, which can be filled up and emptied under whoever uses it. */
export class SmallDisk {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async mount(path: string, megabytes: number): Promise<SmallDisk> {
    await mkdir(path, { recursive: true })
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'raftway-chaos', path])
    return new SmallDisk(path)
  }

  /** Leaves `leftBytes` free, or less. */
  async fill(leftBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.path)
    const bytes = Math.max(0, bavail * bsize - leftBytes)
    try {
      await writeFile(join(this.path, BALLAST), Buffer.alloc(bytes))
    } catch (error) {
      // Whoever uses the disk was faster: it is as full as it can be.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }

  async empty(): Promise<void> {
    await rm(join(this.path, BALLAST), { force: true })
  }

  /** Whoever used it must be gone. */
  async unmount(): Promise<void> {
    await run('umount', [this.path])
    await rm(this.path, { recursive: true, force: true })
  }
}
