import type { Definition } from '../../shared/definitions/kinds.ts'
import type { HistoryRecord } from '../ports.ts'
import type { Disk } from './disk.ts'
import {
  readConfigAt,
  readHistory,
  readHistoryOf,
  readOldest,
  type HistoryFilter,
  type HistoryPlace,
} from './history.ts'
import { SECTION, sectionRange } from './keys.ts'
import type { RevisionAge } from './retention.ts'
import type { StateStore } from './state-store.ts'

type Config = { readonly revision: number; list(): readonly Definition[] }

/** What one node's disk remembers of revisions. Each read waits for the writes that were asked for before it. */
export class HistoryReader {
  readonly #disk: Disk
  readonly #state: StateStore

  constructor(disk: Disk, state: StateStore) {
    this.#disk = disk
    this.#state = state
  }

  /** Revisions after < revision ≤ upTo, ascending. REVISION_COMPACTED. */
  history(range: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
  }): Promise<HistoryRecord[]> {
    return this.#inHistory((place) => readHistory(place, range))
  }

  /** Newest first; of one kind or definition when they are given. */
  historyOf(filter: HistoryFilter): Promise<HistoryRecord[]> {
    return this.#inHistory((place) => readHistoryOf(place, filter))
  }

  /**
   * Every definition at a revision, in order of kind and name; `current` is the whole state as it is now, read before
   * this returns, and waited for until the disk has it too. REVISION_COMPACTED, REVISION_NOT_FOUND.
   */
  async configAt(revision: number, current: Config): Promise<Definition[]> {
    const now = { revision: current.revision, definitions: current.list() }
    await this.#state.written(now.revision)
    return this.#inHistory((place) => readConfigAt(place, revision, now))
  }

  /** The oldest kept revisions and when they were made, ascending, none above `upTo`. */
  oldestRevisions(range: {
    readonly upTo: number
    readonly limit: number
  }): Promise<RevisionAge[]> {
    return this.#inHistory((place) => readOldest(place, range))
  }

  historyBytes(): Promise<number> {
    return this.#disk.approximateBytes(sectionRange(this.#state.generation, SECTION.history))
  }

  /** History is read from one moment: what is compacted or replaced meanwhile stays readable to the end. */
  async #inHistory<T>(read: (place: HistoryPlace) => Promise<T>): Promise<T> {
    await this.#state.settled()
    await this.#disk.settled()
    const { mark, generation } = this.#state
    const { revision, compactedRevision } = mark
    const snapshot = this.#disk.snapshot()
    try {
      return await read({ disk: this.#disk, snapshot, generation, revision, compactedRevision })
    } finally {
      await snapshot.close()
    }
  }
}
