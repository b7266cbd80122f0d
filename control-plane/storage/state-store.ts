import { assert } from '../../shared/assert.ts'
import { nextTurn, type Clock } from '../clock.ts'
import type { AppliedBatch, AppliedRecord, RestoredState } from '../ports.ts'
import type { ConfState } from '../raft/messages.ts'
import type { Disk, Write } from './disk.ts'
import {
  generationOf,
  generationRange,
  generationsFrom,
  historyIndexSuffix,
  historyPlaceOf,
  historyRange,
  SECTION,
  sectionRange,
  stateKey,
  suffixOf,
} from './keys.ts'
import { getMeta, putMeta } from './meta.ts'
import { unsealJson } from './seal.ts'
import { advance, loadMark, putMark, recordWrites, type AppliedMark } from './state-records.ts'
import type { HistoryChange } from '../ports.ts'

const GENERATION = 'generation'
const FIRST_GENERATION = 1
/** Keys of compacted history deleted in one batch. */
const DELETES_MAX = 10_000
/** Records encoded before the loop turns: a few milliseconds. */
const WRITES_AT_ONCE = 300
/** What was applied waits so long for more of its kind: the log holds it, so that nothing is lost meanwhile. */
const GATHER_MS = 25
const GATHER_RECORDS_MAX = 1_000

/** Batches that go to the disk as one. */
type Gathered = {
  readonly batches: AppliedBatch[]
  records: number
  readonly done: (mark: AppliedMark) => void
  readonly written: PromiseWithResolvers<void>
  readonly cancel: () => void
}

/** The replicated state on disk: one generation is in force, others are snapshots on their way in or out. */
export class StateStore {
  readonly #disk: Disk
  readonly #clock: Pick<Clock, 'defer' | 'after'>
  #generation: number
  #nextGeneration: number
  /** What the last batch wrote. */
  #mark: AppliedMark
  /** The membership as the batch that was given last has it. */
  #confState: ConfState | null = null
  /** Given and not on their way yet. */
  #gathered: Gathered | null = null
  /** Batches are encoded and written one after another. */
  #tail: Promise<void> = Promise.resolve()
  readonly #waiting = new Set<{ readonly revision: number; readonly resolve: () => void }>()

  private constructor(parts: {
    readonly disk: Disk
    readonly clock: Pick<Clock, 'defer' | 'after'>
    readonly generation: number
    readonly mark: AppliedMark
  }) {
    const { disk, clock, generation, mark } = parts
    this.#disk = disk
    this.#clock = clock
    this.#generation = generation
    this.#nextGeneration = generation + 1
    this.#mark = mark
  }

  /** Finds the generation in force, and removes what a crash left of others. */
  static async open(disk: Disk, clock: Pick<Clock, 'defer' | 'after'>): Promise<StateStore> {
    const generation = ((await getMeta(disk, GENERATION)) ?? FIRST_GENERATION) as number
    await removeOthers(disk, generation)
    const mark = await loadMark(disk, generation)
    return new StateStore({ disk, clock, generation, mark })
  }

  get generation(): number {
    return this.#generation
  }

  /** Where the state on disk stands. */
  get mark(): AppliedMark {
    return this.#mark
  }

  /** A number for a snapshot to be staged under, never used before in this process. */
  takeGeneration(): number {
    return this.#nextGeneration++
  }

  /**
   * Writes an applied batch with its index, all or nothing, together with those that come right after it; at once when
   * the membership changes: a node that crashes right after must know who its members are, and one that has not
   * written it yet cannot be elected. Not synced: the log that it came from is. `done` is told how far the disk is then.
   */
  apply(applied: AppliedBatch, done: (mark: AppliedMark) => void): Promise<void> {
    this.#gathered ??= {
      batches: [],
      records: 0,
      done,
      written: Promise.withResolvers(),
      cancel: this.#clock.after(GATHER_MS, () => this.#flush()),
    }
    const { batches, written } = this.#gathered
    batches.push(applied)
    this.#gathered.records += applied.records.length
    const isOtherMembership = applied.confState !== this.#confState
    this.#confState = applied.confState
    if (isOtherMembership || this.#gathered.records >= GATHER_RECORDS_MAX) this.#flush()
    return written.promise
  }

  /** Resolves when every batch that was given before is with the disk, or has failed. */
  settled(): Promise<void> {
    this.#flush()
    return this.#tail
  }

  /** Resolves when the disk holds `revision`, or when the store is closed. */
  written(revision: number): Promise<void> {
    if (this.#mark.revision >= revision) return Promise.resolve()
    this.#flush()
    return new Promise((resolve) => this.#waiting.add({ revision, resolve }))
  }

  #flush(): void {
    const gathered = this.#gathered
    if (gathered === null) return
    this.#gathered = null
    gathered.cancel()
    const applied = asOne(gathered.batches)
    const writing = this.#tail.then(() => this.#applyNext(applied, gathered.done))
    writing.then(gathered.written.resolve, gathered.written.reject)
    // Whoever called hears of the failure; the disk refuses whatever comes after it.
    this.#tail = writing.catch(() => {})
  }

  /** Nothing is written any more: nobody waits in vain. */
  close(): void {
    for (const { resolve } of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #moveTo(mark: AppliedMark): void {
    this.#mark = mark
    for (const waiting of this.#waiting) {
      if (waiting.revision > mark.revision) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }

  async #applyNext(applied: AppliedBatch, done: (mark: AppliedMark) => void): Promise<void> {
    const writes = await this.#writesOf(applied.records)
    let mark = this.#mark
    await this.#disk.write({
      sync: false,
      batch: () => {
        mark = advance(this.#mark, applied)
        writes.push(putMark(this.#generation, mark))
        return writes
      },
      done: () => {
        this.#moveTo(mark)
        done(mark)
      },
    })
  }

  /** Many records take long to encode: the loop turns in between. */
  async #writesOf(records: readonly AppliedRecord[]): Promise<Write[]> {
    const writes: Write[] = []
    let encoded = 0
    for (const record of records) {
      for (const write of recordWrites(this.#generation, record)) {
        writes.push(write)
        if (++encoded % WRITES_AT_ONCE === 0) await nextTurn(this.#clock)
      }
    }
    return writes
  }

  /** Forgets history up to and with `upTo`. Readers are refused it before the first record goes. */
  async compactHistory(upTo: number): Promise<void> {
    const generation = this.#generation
    let mark = this.#mark
    await this.#disk.write({
      sync: false,
      batch: () => {
        const compactedRevision = Math.min(upTo, this.#mark.revision)
        mark = {
          ...this.#mark,
          compactedRevision: Math.max(compactedRevision, this.#mark.compactedRevision),
        }
        return [putMark(this.#generation, mark)]
      },
      done: () => {
        this.#mark = mark
      },
    })
    // From the first revision on: a crash may have left some of an earlier compaction.
    let batch: Write[] = []
    for await (const page of this.#disk.pages(
      historyRange(generation, 0, mark.compactedRevision + 1),
    )) {
      for (const [key, value] of page) batch.push(...forgetWrites(generation, key, value))
      if (batch.length < DELETES_MAX) continue
      await this.#forget(generation, batch)
      batch = []
    }
    await this.#forget(generation, batch)
    // LevelDB gives the room of what was deleted back when it happens to rewrite that part: here it is asked to.
    await this.#disk.compact(historyRange(generation, 0, mark.compactedRevision + 1))
    await this.#disk.compact(sectionRange(generation, SECTION.historyIndex))
  }

  /** The batch that puts another generation in force. */
  switchWrites(generation: number): readonly Write[] {
    return [putMeta(GENERATION, generation)]
  }

  /** The same in memory, once that batch is durable. */
  switch(generation: number, restored: RestoredState): void {
    const { appliedIndex, appliedTerm, confState, revision, hash } = restored
    const { compactedRevision, featureLevel } = restored
    this.#generation = generation
    const reached = { appliedIndex, appliedTerm, confState, revision, hash }
    this.#moveTo({ ...reached, compactedRevision, featureLevel })
  }

  /** Another batch wrote the mark of the generation in force. */
  marked(mark: AppliedMark): void {
    this.#mark = mark
  }

  async #forget(generation: number, batch: readonly Write[]): Promise<void> {
    // A snapshot was installed meanwhile: the whole generation goes.
    await this.#disk.write({
      sync: false,
      batch: () => (this.#generation === generation ? batch : []),
    })
  }
}

function forgetWrites(generation: number, key: Buffer, value: Buffer): readonly Write[] {
  const { revision, at } = historyPlaceOf(key)
  if (at === 0) return [{ type: 'del', key }]
  const what = `revision ${revision} of the history`
  const { kind, name } = unsealJson(suffixOf(key), value, what) as HistoryChange
  const index = stateKey(generation, historyIndexSuffix(kind, name, revision))
  return [
    { type: 'del', key },
    { type: 'del', key: index },
  ]
}

async function removeOthers(disk: Disk, inForce: number): Promise<void> {
  let low = 0
  for (;;) {
    const key = await disk.firstKey(generationsFrom(low))
    if (key === null) return
    const generation = generationOf(key)
    if (generation !== inForce) await disk.clear(generationRange(generation))
    low = generation + 1
  }
}

/** Batches that follow each other, at least one. */
function asOne(batches: readonly AppliedBatch[]): AppliedBatch {
  const last = batches.at(-1)
  assert(last !== undefined, 'something was gathered')
  if (batches.length === 1) return last
  return { ...last, records: batches.flatMap(({ records }) => records) }
}
