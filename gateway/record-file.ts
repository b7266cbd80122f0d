import { open, rename, type FileHandle } from 'node:fs/promises'
import { write as writeFd } from 'node:fs'
import { promisify } from 'node:util'
import { describeError } from '../shared/errors.ts'
import {
  RECORD_CLOSE_MS_MAX,
  RECORD_FAILURE_LOG_MS,
  RECORD_RETRY_MS,
  RECORD_WRITE_CHARS_MAX,
} from '../shared/limits.ts'
import type { Logger } from '../shared/logger.ts'
import type { RecordDestination } from './records/settings.ts'

type Batch = { readonly lines: string; readonly records: number; readonly onTaken: () => void }

const STDOUT = 1
const NEWLINE = 10

const write = promisify(writeFd)

/**
 * Where access records of all workers end up: one writer, so that lines stay whole on a pipe too, and one write at a
 * time, so that an output that takes nothing holds up one thread of the pool and not all of them. Batches wait here as
 * long as the workers' bound lets them; a batch that cannot be written is dropped, and counted.
 */
export class RecordFile {
  readonly #destination: RecordDestination
  readonly #logger: Logger
  readonly #waiting: Batch[] = []
  #file: FileHandle | null = null
  #bytes = 0
  #dropped = 0
  /** Null as soon as nothing waits, so that the next batch is never taken for one that is looked after. */
  #running: Promise<void> | null = null
  #mustReopen = false
  /** The last write ended within a line. */
  #isTorn = false
  #isClosing = false
  #loggedAtMs = Number.NEGATIVE_INFINITY

  constructor(destination: RecordDestination, logger: Logger) {
    this.#destination = destination
    this.#logger = logger
  }

  /** Records that could not be written. */
  get dropped(): number {
    return this.#dropped
  }

  /** Throws what the system says of a file that cannot be written. */
  async open(): Promise<void> {
    const { path } = this.#destination
    if (path !== null) await this.#openFile(path)
  }

  /** Takes whole lines; `onTaken` is called when they are written or lost. */
  write(lines: string, records: number, onTaken: () => void): void {
    this.#waiting.push({ lines, records, onTaken })
    this.#run()
  }

  /** Begins the file anew under its name, once what is under way is written: after another program has renamed it. */
  reopen(): void {
    if (this.#destination.path === null || this.#isClosing) return
    this.#mustReopen = true
    this.#run()
  }

  /** Writes what waits, for a bounded time, and closes. */
  async close(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, RECORD_CLOSE_MS_MAX)
    const running = this.#running
    await Promise.race([running, late])
    clearTimeout(timer)
    this.#isClosing = true
    const lost = this.#waiting.splice(0)
    for (const { records } of lost) this.#dropped += records
    if (this.#dropped > 0) this.#logger.warn({ dropped: this.#dropped }, 'access records were lost')
    // A write that hangs keeps its file; nobody waits for it.
    if (this.#running === null) await this.#file?.close()
    else void running?.then(() => this.#file?.close())
  }

  #run(): void {
    this.#running ??= this.#drain()
  }

  /** Never rejects: what goes wrong is counted and logged. */
  async #drain(): Promise<void> {
    await nextTurn()
    while (!this.#isClosing && (this.#mustReopen || this.#waiting.length > 0)) {
      const batches = this.#take()
      try {
        await this.#makeReady(batches)
        await this.#writeAll(batches)
      } catch (error) {
        for (const { records } of batches) this.#dropped += records
        this.#complain(error)
      }
      for (const { onTaken } of batches) onTaken()
    }
    this.#running = null
  }

  #take(): readonly Batch[] {
    let chars = 0
    let count = 0
    for (const { lines } of this.#waiting) {
      if (count > 0 && chars + lines.length > RECORD_WRITE_CHARS_MAX) break
      chars += lines.length
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #makeReady(batches: readonly Batch[]): Promise<void> {
    const { path, bytesMax } = this.#destination
    if (path === null) return
    if (this.#mustReopen) {
      this.#mustReopen = false
      await this.#openFile(path)
    }
    const bytes = batches.reduce((sum, { lines }) => sum + lines.length, 0)
    if (bytesMax === null || this.#bytes === 0 || this.#bytes + bytes <= bytesMax) return
    await this.#rotate(path)
  }

  async #rotate(path: string): Promise<void> {
    for (let at = this.#destination.kept; at >= 1; at--) {
      const from = at === 1 ? path : `${path}.${at - 1}`
      await rename(from, `${path}.${at}`).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
    }
    await this.#openFile(path)
  }

  /** The old file stays in use if the new one cannot be opened. */
  async #openFile(path: string): Promise<void> {
    const file = await open(path, 'a', 0o640)
    const { size } = await file.stat()
    const old = this.#file
    this.#file = file
    this.#bytes = size
    this.#isTorn = false
    await old?.close()
  }

  async #writeAll(batches: readonly Batch[]): Promise<void> {
    if (batches.length === 0) return
    const text = batches.map(({ lines }) => lines).join('')
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text)
    for (let at = 0; at < bytes.length;) {
      const written = await this.#writeSome(bytes.subarray(at))
      at += written
      this.#bytes += written
      if (written > 0) this.#isTorn = bytes[at - 1] !== NEWLINE
      if (at < bytes.length && this.#isClosing) throw new Error('the gateway stops')
      if (written === 0) await pause(RECORD_RETRY_MS)
    }
  }

  /** Bytes that were taken: 0 where an output takes none just now. */
  async #writeSome(bytes: Uint8Array): Promise<number> {
    try {
      const { bytesWritten } = await (this.#file?.write(bytes) ?? write(STDOUT, bytes))
      return bytesWritten
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0
      throw error
    }
  }

  #complain(error: unknown): void {
    const now = performance.now()
    if (now - this.#loggedAtMs < RECORD_FAILURE_LOG_MS) return
    this.#loggedAtMs = now
    const fields = { error: describeError(error), dropped: this.#dropped }
    this.#logger.error(fields, 'access records cannot be written')
  }
}

/** Batches that come in one turn are written together. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
