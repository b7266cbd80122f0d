import { assert } from '../../shared/assert.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { MemoryLog } from '../raft/memory-log.ts'
import type { Entry, EntryId, HardState, SnapshotMeta } from '../raft/messages.ts'
import type { Disk, Write } from './disk.ts'
import { logKey } from './keys.ts'
import { loadEntries, putEntry } from './log-records.ts'
import { getMeta, putMeta } from './meta.ts'
import type { AppliedMark } from './state-records.ts'

const BASE = 'log-base'
const HARD_STATE = 'hard-state'
const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 }
/** Entries deleted in one batch. */
const DELETES_MAX = 10_000

/** The log on disk, and the same log in memory: what `memory` holds is durable, always. */
export class LogStore {
  readonly memory = new MemoryLog()
  readonly #disk: Disk

  private constructor(disk: Disk) {
    this.#disk = disk
  }

  /**
   * Loads the retained log of a node whose state stands at `mark`. STORAGE_CORRUPT when an entry is damaged or
   * missing, or when log and state cannot belong together.
   */
  static async open(disk: Disk, mark: AppliedMark): Promise<LogStore> {
    // Their checksums say that this program wrote them.
    const base = ((await getMeta(disk, BASE)) ?? { term: 0, index: 0 }) as EntryId
    const hardState = ((await getMeta(disk, HARD_STATE)) ?? NO_HARD_STATE) as HardState
    const store = new LogStore(disk)
    const { memory } = store
    if (base.index > 0) memory.applySnapshot({ ...base, confState: mark.confState })
    memory.append(await loadEntries(disk, base))
    const last = memory.lastIndex()
    if (mark.appliedIndex < base.index || Math.max(mark.appliedIndex, hardState.commit) > last) {
      const detail =
        `the log in ${disk.path} holds entries ${memory.firstIndex()} to ${last}, ` +
        `but ${mark.appliedIndex} is applied and ${hardState.commit} committed`
      throw new RaftwayError('STORAGE_CORRUPT', detail)
    }
    // A newer commit alone is not synced. What is applied was committed.
    memory.setHardState({ ...hardState, commit: Math.max(hardState.commit, mark.appliedIndex) })
    store.follow(mark)
    await store.#deleteUpTo(base.index)
    return store
  }

  /**
   * Makes entries and hard state durable in one batch: entries overwrite the log from the first of them on, and
   * whatever followed is gone. One call at a time. STORAGE_FAILED: the process must end.
   */
  persist({
    entries,
    hardState,
  }: {
    readonly entries: readonly Entry[]
    readonly hardState: HardState | null
  }): Promise<void> {
    return this.#disk.write({
      sync: true,
      batch: () => {
        const writes = entries.map(putEntry)
        const first = entries[0]
        const last = entries.at(-1)
        assert((first?.index ?? 0) <= this.memory.lastIndex() + 1, 'a log has no gaps')
        for (let index = (last?.index ?? Infinity) + 1; index <= this.memory.lastIndex(); index++) {
          writes.push({ type: 'del', key: logKey(index) })
        }
        if (hardState !== null) writes.push(putMeta(HARD_STATE, hardState))
        return writes
      },
      done: () => {
        this.memory.append(entries)
        if (hardState !== null) this.memory.setHardState(hardState)
      },
    })
  }

  /** Forgets entries up to `upTo`, but none above `appliedMax`, which must be on disk as applied. */
  async compact(upTo: number, appliedMax: () => number): Promise<void> {
    const from = this.memory.firstIndex()
    let to = from - 1
    await this.#disk.write({
      sync: true,
      batch: () => {
        to = Math.min(upTo, appliedMax(), this.memory.lastIndex())
        const term = this.memory.term(to)
        if (to < this.memory.firstIndex() || typeof term === 'string') return []
        return [putMeta(BASE, { term, index: to } satisfies EntryId)]
      },
      done: () => this.memory.compact(to),
    })
    await this.#deleteUpTo(to, from)
  }

  /** The batch that starts the log over at a snapshot. Goes together with what makes the snapshot the state. */
  resetWrites({ term, index }: SnapshotMeta, hardState: HardState): readonly Write[] {
    const writes = [
      putMeta(BASE, { term, index } satisfies EntryId),
      putMeta(HARD_STATE, hardState),
    ]
    for (let at = this.memory.firstIndex(); at <= this.memory.lastIndex(); at++) {
      writes.push({ type: 'del', key: logKey(at) })
    }
    return writes
  }

  /** The same in memory, once that batch is durable. */
  reset(meta: SnapshotMeta, hardState: HardState): void {
    this.memory.applySnapshot(meta)
    this.memory.setHardState(hardState)
  }

  /** The state on disk moved on: what a follower too far behind is sent is cut there, or later. */
  follow({ appliedIndex, appliedTerm, confState }: AppliedMark): void {
    if (appliedIndex > 0)
      this.memory.createSnapshot({ index: appliedIndex, term: appliedTerm, confState })
  }

  /** Deletes what lies before the base; after a crash half-way, opening does the rest. */
  async #deleteUpTo(upTo: number, from = 1): Promise<void> {
    let low = from
    if (from === 1) {
      const first = await this.#disk.firstKey({ gte: logKey(0), lt: logKey(upTo + 1) })
      if (first === null) return
      low = Number(first.readBigUInt64BE(1))
    }
    while (low <= upTo) {
      const start = low
      const end = Math.min(upTo, start + DELETES_MAX - 1)
      const indexes = Array.from({ length: end - start + 1 }, (_, i) => start + i)
      await this.#disk.write({
        sync: false,
        batch: () => indexes.map((index) => ({ type: 'del', key: logKey(index) })),
      })
      low = end + 1
    }
  }
}
