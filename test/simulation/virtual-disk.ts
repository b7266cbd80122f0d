import type {
  Disk,
  DiskSnapshot,
  WalkOptions,
  Write,
  WriteJob,
} from '../../control-plane/storage/disk.ts'
import type { KeyRange } from '../../control-plane/storage/keys.ts'
import { assert } from '../../shared/assert.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { Random } from '../../shared/random.ts'
import type { Life } from './life.ts'
import { placesOf, type Content, type Platter } from './platter.ts'

/** The moments of one write at which a machine may crash. */
export const DISK_STEPS = ['before write', 'written', 'synced', 'before done'] as const
export type DiskStep = (typeof DISK_STEPS)[number]

/** How a machine's disk behaves now. Changed by the weather. */
export type DiskWeather = {
  /** Longest time that one sync takes. Milliseconds. */
  syncMsMax: number
  /** Nothing more can be written. */
  isFull: boolean
  /** Items of one page of a walk, at most. */
  pageItemsMax: number
}

/** Who watches a disk. */
export type DiskWitness = {
  /** A step is about to be taken; the machine may be crashed here. */
  onStep(step: DiskStep): void
  /** A batch was written. */
  onWritten(batch: readonly Write[]): void
  /** Everything written so far lasts. */
  onSynced(): void
}

type Parts = {
  readonly life: Life
  readonly platter: Platter
  readonly weather: DiskWeather
  readonly witness: DiskWitness
  readonly random: Random
  readonly path: string
}

class Snapshot implements DiskSnapshot {
  readonly content: Content

  constructor(content: Content) {
    this.content = content
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** What a record is taken to have, wherever somebody asks about how much there is. */
const RECORD_BYTES = 100

/** A platter as one process has it open. Times, failures and crashes are the weather's. */
export class VirtualDisk implements Disk {
  readonly path: string
  readonly #parts: Parts
  #tail: Promise<void> = Promise.resolve()
  #failure: RaftwayError | null = null
  #isClosed = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.path = parts.path
  }

  write(job: WriteJob): Promise<void> {
    const written = this.#tail.then(() => this.#run(job))
    // Whoever called hears of the failure; the next in line finds it in #failure.
    this.#tail = written.catch(() => {})
    return written
  }

  settled(): Promise<void> {
    return this.#tail
  }

  async get(key: Buffer, snapshot?: DiskSnapshot): Promise<Buffer | null> {
    assert(!this.#isClosed, 'a disk is read while it is open')
    if (snapshot === undefined) {
      const value = this.#parts.platter.get(key)
      await this.#pause(0.05)
      return value === null ? null : Buffer.from(value)
    }
    const { keys, values } = contentOf(snapshot)
    const [at] = placesOf({ keys, values }, { gte: key, lt: key })
    await this.#pause(0.05)
    const value = keys[at] === key.toString('latin1') ? values[at] : undefined
    return value === undefined ? null : Buffer.from(value)
  }

  snapshot(): DiskSnapshot {
    return new Snapshot(this.#parts.platter.view())
  }

  async *pages(
    range: KeyRange,
    { snapshot, reverse = false }: WalkOptions = {},
  ): AsyncGenerator<[Buffer, Buffer][]> {
    assert(!this.#isClosed, 'a disk is read while it is open')
    const { platter, weather, random } = this.#parts
    const content = snapshot === undefined ? platter.view() : contentOf(snapshot)
    const [low, high] = placesOf(content, range)
    let taken = 0
    while (taken < high - low) {
      const page: [Buffer, Buffer][] = []
      for (let left = 1 + random.below(weather.pageItemsMax); left > 0; left--) {
        if (taken >= high - low) break
        const at = reverse ? high - 1 - taken : low + taken
        taken++
        page.push([
          Buffer.from(content.keys[at] ?? '', 'latin1'),
          Buffer.from(content.values[at] ?? ''),
        ])
      }
      await this.#pause(0.2)
      yield page
    }
  }

  async firstKey(range: KeyRange): Promise<Buffer | null> {
    const content = this.#parts.platter.view()
    const [low, high] = placesOf(content, range)
    await this.#pause(0.05)
    return low < high ? Buffer.from(content.keys[low] ?? '', 'latin1') : null
  }

  async approximateBytes(range: KeyRange): Promise<number> {
    const [low, high] = placesOf(this.#parts.platter.view(), range)
    await this.#pause(0.05)
    return (high - low) * RECORD_BYTES
  }

  /** What is deleted here takes no room. */
  async compact(_range: KeyRange): Promise<void> {
    await this.#pause(1)
  }

  async clear(range: KeyRange): Promise<void> {
    const { platter, weather, random } = this.#parts
    const content = platter.view()
    const [low, high] = placesOf(content, range)
    for (let at = low; at < high;) {
      const end = Math.min(high, at + 1 + random.below(weather.pageItemsMax))
      const batch: Write[] = content.keys
        .slice(at, end)
        .map((key) => ({ type: 'del', key: Buffer.from(key, 'latin1') }))
      at = end
      await this.#device(batch, false)
    }
  }

  async close(): Promise<void> {
    await this.#tail
    this.#isClosed = true
  }

  async #run(job: WriteJob): Promise<void> {
    assert(!this.#isClosed, 'a disk is written to while it is open')
    if (this.#failure !== null) throw this.#failure
    const batch = job.batch()
    if (batch.length > 0) {
      try {
        await this.#device(batch, job.sync)
      } catch (error) {
        const detail = `the database in ${this.path} failed a write`
        this.#failure = new RaftwayError('STORAGE_FAILED', detail, { cause: error })
        throw this.#failure
      }
    }
    job.done?.()
  }

  /** The device works whether the process stands still or not; only the answer waits for it. */
  #device(batch: readonly Write[], sync: boolean): Promise<void> {
    const { life, platter, weather, witness, random } = this.#parts
    const micros = (max: number) => random.below(Math.max(1, Math.round(max * 1_000))) / 1_000
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        witness.onStep('before done')
        if (!life.isOver) life.soon('', settle)
      }
      life.in(micros(0.1), '', () => {
        witness.onStep('before write')
        if (life.isOver) return
        if (weather.isFull) {
          // A write that failed may be on the disk all the same, or half of it, which counts as none.
          if (random.below(2) === 0) {
            platter.write(batch)
            witness.onWritten(batch)
          }
          answer(() =>
            reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
          )
          return
        }
        platter.write(batch)
        witness.onWritten(batch)
        witness.onStep('written')
        if (life.isOver) return
        if (!sync) {
          answer(resolve)
          return
        }
        life.in(micros(weather.syncMsMax), '', () => {
          platter.sync()
          witness.onSynced()
          witness.onStep('synced')
          if (!life.isOver) answer(resolve)
        })
      })
    })
  }

  #pause(msMax: number): Promise<void> {
    const { life, random } = this.#parts
    return new Promise((resolve) => {
      life.in(random.below(Math.round(msMax * 1_000)) / 1_000, '', resolve)
    })
  }
}

function contentOf(snapshot: DiskSnapshot): Content {
  assert(snapshot instanceof Snapshot, 'a snapshot is read from the disk that it was taken of')
  return snapshot.content
}
