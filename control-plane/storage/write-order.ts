import { statSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Write } from './disk.ts'

/**
 * Keeps the writes of one LevelDB durable in their order. LevelDB syncs only the write-ahead log that it writes now:
 * when that is full it begins another and leaves the end of the old one to the operating system. After a power
 * failure a later, synchronous write could then be there and an earlier, asynchronous one not, and the state would
 * have a hole. So before each synchronous write this looks whether a new log was begun, and syncs the old one first.
 *
 * Asynchronous and synchronous writes never share a batch, so whatever a synchronous write rests on is in a log that
 * was looked at.
 */
export class WriteOrder {
  readonly #path: string
  readonly #syncFile: (path: string) => Promise<void>
  /** The log written now, as far as known; null before the first look. */
  #current: string | null = null
  /** Its size at the last look, and the least that was written since. */
  #bytes = 0
  #writtenBytes = 0
  /** Writes under way whose size nobody counts; while there are any, every look is a full one. */
  #uncounted = 0
  #isUnsure = true

  /** `syncFile` makes a file durable; one that is gone is none of its business. */
  constructor(path: string, syncFile = syncIfThere) {
    this.#path = path
    this.#syncFile = syncFile
  }

  /** A batch was written. */
  wrote(batch: readonly Write[]): void {
    for (const write of batch) {
      this.#writtenBytes += write.key.length + (write.type === 'put' ? write.value.length : 0)
    }
  }

  /** Somebody writes what `wrote` is not told of, until `uncountedEnd`. */
  uncountedBegin(): void {
    this.#uncounted++
    this.#isUnsure = true
  }

  uncountedEnd(): void {
    this.#uncounted--
  }

  /** Makes everything durable that is not in the log which LevelDB is about to sync. */
  async beforeSync(): Promise<void> {
    if (!this.#isUnsure && this.#tookEverything()) return
    this.#isUnsure = this.#uncounted > 0
    const logs = (await readdir(this.#path)).filter(isLog).sort(byNumber)
    const newest = logs.at(-1) ?? null
    for (const name of logs) {
      if (name !== newest) await this.#syncFile(join(this.#path, name))
    }
    this.#current = newest
    this.#bytes = newest === null ? 0 : (this.#sizeOf(newest) ?? 0)
    this.#writtenBytes = 0
  }

  /** Whether the log grew by all that was written since the last look. One `stat`, a few microseconds. */
  #tookEverything(): boolean {
    if (this.#current === null) return false
    const bytes = this.#sizeOf(this.#current)
    if (bytes === null || bytes < this.#bytes + this.#writtenBytes) return false
    this.#bytes = bytes
    this.#writtenBytes = 0
    return true
  }

  #sizeOf(name: string): number | null {
    return statSync(join(this.#path, name), { throwIfNoEntry: false })?.size ?? null
  }
}

/** A log that is gone was written into tables, which LevelDB syncs before it deletes the log. */
async function syncIfThere(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+')
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
}

function isLog(name: string): boolean {
  return /^[0-9]+\.log$/.test(name)
}

/** LevelDB counts its files up; beyond six digits the names grow. */
function byNumber(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10)
}
