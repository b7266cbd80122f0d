import { Level } from 'level'
import { RaftwayError } from '../../shared/errors.ts'
import type { KeyRange } from './keys.ts'
import { checkWriteAheadLogs } from './wal-check.ts'
import { WriteOrder } from './write-order.ts'

export type Write =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

/** One atomic write. */
export type WriteJob = {
  /** Whether it must be on the platter when the write resolves, with everything before it. */
  readonly sync: boolean
  /** Makes the batch when it is this job's turn, so that it rests on what the jobs before it left. */
  batch(): readonly Write[]
  /** Runs right after the batch is written, before the next job's turn. */
  done?(): void
}

/** A view of the database that later writes do not change. Close it. */
export type DiskSnapshot = ReturnType<Level<Buffer, Buffer>['snapshot']>

/** What a walk over keys may be told beside its range. */
export type WalkOptions = {
  readonly snapshot?: DiskSnapshot
  readonly reverse?: boolean
}

/** Items that a walk fetches at once, and bytes at which it fetches fewer. */
const PAGE_ITEMS = 1_000
const PAGE_BYTES = 1024 * 1024
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024

/**
 * The one LevelDB of a node. Writes go one at a time, in the order of the calls. After a write failed nobody knows
 * what the disk holds: every later write fails with the same error, and the process must end.
 */
export class Disk {
  readonly path: string
  readonly #db: Level<Buffer, Buffer>
  readonly #order: WriteOrder
  #tail: Promise<void> = Promise.resolve()
  #failure: RaftwayError | null = null

  private constructor(db: Level<Buffer, Buffer>, path: string) {
    this.#db = db
    this.path = path
    this.#order = new WriteOrder(path)
  }

  /**
   * Opens and locks the database, making it if there is none. DATA_DIRECTORY_IN_USE when another process has it,
   * STORAGE_CORRUPT when it is damaged.
   */
  static async open(path: string): Promise<Disk> {
    await checkWriteAheadLogs(path)
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    const db = new Level<Buffer, Buffer>(path, {
      ...encodings,
      writeBufferSize: WRITE_BUFFER_BYTES,
    })
    try {
      await db.open()
    } catch (error) {
      throw openError(error, path)
    }
    return new Disk(db, path)
  }

  /** Writes all or nothing, in turn. Throws STORAGE_FAILED; what `batch` throws is passed on and changes nothing. */
  write(job: WriteJob): Promise<void> {
    const written = this.#tail.then(() => this.#run(job))
    // Whoever called hears of the failure; the next in line finds it in #failure.
    this.#tail = written.catch(() => {})
    return written
  }

  async #run(job: WriteJob): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const batch = job.batch()
    try {
      if (job.sync) await this.#order.beforeSync()
      if (batch.length > 0) await this.#db.batch([...batch], { sync: job.sync })
      this.#order.wrote(batch)
    } catch (error) {
      const detail = `the database in ${this.path} failed a write`
      this.#failure = new RaftwayError('STORAGE_FAILED', detail, { cause: error })
      throw this.#failure
    }
    job.done?.()
  }

  /** Resolves when every write that was asked for before is done or has failed. */
  settled(): Promise<void> {
    return this.#tail
  }

  async get(key: Buffer, snapshot?: DiskSnapshot): Promise<Buffer | null> {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    const found = await this.#db.get<Buffer, Buffer>(
      key,
      snapshot === undefined ? encodings : { ...encodings, snapshot },
    )
    return found ?? null
  }

  /** In the order of `keys`; null for those that are not there. */
  async getMany(keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    const values: (Buffer | undefined)[] = await this.#db.getMany([...keys])
    return values.map((value) => value ?? null)
  }

  snapshot(): DiskSnapshot {
    return this.#db.snapshot()
  }

  /** Pages of keys and values in order. Whoever stops early must end the loop by `break` or `return`. */
  async *pages(range: KeyRange, options: WalkOptions = {}): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.#db.iterator<Buffer, Buffer>({
      ...range,
      ...options,
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      highWaterMarkBytes: PAGE_BYTES,
    })
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE_ITEMS)
        if (page.length === 0) return
        yield page
      }
    } finally {
      await iterator.close()
    }
  }

  /** The first key in a range, or null. */
  async firstKey(range: KeyRange): Promise<Buffer | null> {
    const keys = this.#db.keys<Buffer>({ ...range, limit: 1, keyEncoding: 'buffer' })
    return (await keys.all())[0] ?? null
  }

  /** Deletes a range, not atomically, beside other writes: only for what nothing reads any more. */
  async clear(range: KeyRange): Promise<void> {
    this.#order.uncountedBegin()
    try {
      await this.#db.clear({ ...range, keyEncoding: 'buffer' })
    } finally {
      this.#order.uncountedEnd()
    }
  }

  /** Waits for the writes that were asked for, and unlocks. */
  async close(): Promise<void> {
    await this.#tail
    await this.#db.close()
  }
}

function openError(error: unknown, path: string): RaftwayError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  if (code === 'LEVEL_LOCKED') {
    return new RaftwayError('DATA_DIRECTORY_IN_USE', `another process uses ${path}`, { cause })
  }
  const text = cause instanceof Error ? cause.message : String(cause)
  return new RaftwayError('STORAGE_CORRUPT', `the database in ${path} cannot be opened: ${text}`, {
    cause,
  })
}
