import { Level } from 'level'
import { assert } from '../../shared/assert.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import type { Disk, DiskSnapshot, WalkOptions, WriteJob } from './disk.ts'
import type { KeyRange } from './keys.ts'
import { checkTables } from './table-check.ts'
import { checkWriteAheadLogs } from './wal-check.ts'
import { WriteOrder } from './write-order.ts'

/** Items that a walk fetches at once, and bytes at which it fetches fewer. */
const PAGE_ITEMS = 1_000
const PAGE_BYTES = 1024 * 1024
const WRITE_BUFFER_BYTES = 4 * 1024 * 1024

type Database = Level<Buffer, Buffer>

/** What LevelDB can do and the databases of browsers, for which `level` has the same type, cannot. */
type Classic = {
  readonly approximateSize: (gte: Buffer, lt: Buffer, options: BufferKeys) => Promise<number>
  readonly compactRange: (gte: Buffer, lt: Buffer, options: BufferKeys) => Promise<void>
}

const BUFFER_KEYS = { keyEncoding: 'buffer' } as const
type BufferKeys = typeof BUFFER_KEYS

/** The one LevelDB of a node. */
export class LevelDisk implements Disk {
  readonly path: string
  readonly #db: Database
  readonly #order: WriteOrder
  #tail: Promise<void> = Promise.resolve()
  #failure: RaftwayError | null = null

  private constructor(db: Database, path: string) {
    this.#db = db
    this.path = path
    this.#order = new WriteOrder(path)
  }

  /**
   * Opens and locks the database, making it if there is none. DATA_DIRECTORY_IN_USE when another process has it,
   * STORAGE_CORRUPT when it is damaged.
   */
  static async open(path: string): Promise<LevelDisk> {
    await checkWriteAheadLogs(path)
    await checkTables(path)
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    const db = new Level<Buffer, Buffer>(path, {
      ...encodings,
      writeBufferSize: WRITE_BUFFER_BYTES,
    })
    try {
      await db.open()
    } catch (error) {
      throw diskError(error, `the database in ${path} cannot be opened`)
    }
    return new LevelDisk(db, path)
  }

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
      const detail = `the database in ${this.path} failed a write: ${describeError(error)}`
      this.#failure = new RaftwayError('STORAGE_FAILED', detail, { cause: error })
      throw this.#failure
    }
    job.done?.()
  }

  settled(): Promise<void> {
    return this.#tail
  }

  async get(key: Buffer, snapshot?: DiskSnapshot): Promise<Buffer | null> {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    const options =
      snapshot === undefined ? encodings : { ...encodings, snapshot: viewOf(snapshot) }
    const found = await this.#read(() => this.#db.get<Buffer, Buffer>(key, options))
    return found ?? null
  }

  snapshot(): DiskSnapshot {
    return new LevelSnapshot(this.#db.snapshot())
  }

  async *pages(
    range: KeyRange,
    { snapshot, reverse = false }: WalkOptions = {},
  ): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.#db.iterator<Buffer, Buffer>({
      ...range,
      ...(snapshot === undefined ? {} : { snapshot: viewOf(snapshot) }),
      reverse,
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      highWaterMarkBytes: PAGE_BYTES,
    })
    try {
      for (;;) {
        const page = await this.#read(() => iterator.nextv(PAGE_ITEMS))
        if (page.length === 0) return
        yield page
      }
    } finally {
      await iterator.close()
    }
  }

  async firstKey(range: KeyRange): Promise<Buffer | null> {
    const keys = this.#db.keys<Buffer>({ ...range, limit: 1, keyEncoding: 'buffer' })
    return (await this.#read(() => keys.all()))[0] ?? null
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      throw diskError(error, `the database in ${this.path} cannot be read`)
    }
  }

  async clear(range: KeyRange): Promise<void> {
    this.#order.uncountedBegin()
    try {
      await this.#db.clear({ ...range, keyEncoding: 'buffer' })
    } finally {
      this.#order.uncountedEnd()
    }
  }

  approximateBytes({ gte, lt }: KeyRange): Promise<number> {
    const db = this.#db
    assert(isClassic(db), 'the database is LevelDB itself')
    return this.#read(() => db.approximateSize(gte, lt, BUFFER_KEYS))
  }

  async compact({ gte, lt }: KeyRange): Promise<void> {
    const db = this.#db
    assert(isClassic(db), 'the database is LevelDB itself')
    await this.#read(() => db.compactRange(gte, lt, BUFFER_KEYS))
  }

  async close(): Promise<void> {
    await this.#tail
    await this.#db.close()
  }
}

class LevelSnapshot implements DiskSnapshot {
  readonly view: ReturnType<Database['snapshot']>

  constructor(view: ReturnType<Database['snapshot']>) {
    this.view = view
  }

  close(): Promise<void> {
    return this.view.close()
  }
}

function isClassic(db: Database): db is Database & Classic {
  return 'approximateSize' in db && 'compactRange' in db
}

function viewOf(snapshot: DiskSnapshot): LevelSnapshot['view'] {
  assert(snapshot instanceof LevelSnapshot, 'a snapshot is read from the disk that it was taken of')
  return snapshot.view
}

/** What LevelDB says, in our codes. `what` could not be done. */
function diskError(error: unknown, what: string): RaftwayError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  const text = cause instanceof Error ? cause.message : String(cause)
  const detail = `${what}: ${text}`
  if (code === 'LEVEL_LOCKED') {
    return new RaftwayError('DATA_DIRECTORY_IN_USE', `${what}: another process uses it`, { cause })
  }
  if (/no space left/i.test(text)) return new RaftwayError('STORAGE_FULL', detail, { cause })
  // What is not allowed, or not now, is no damage. A file that is gone, or a sector that cannot be read, is.
  const isRefused = /permission denied|too many open files|read-only file system/i.test(text)
  const isDamage = code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && !isRefused)
  return new RaftwayError(isDamage ? 'STORAGE_CORRUPT' : 'STORAGE_FAILED', detail, { cause })
}
