import { assert } from '../../shared/assert.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { IncomingSnapshot, RestoredState } from '../ports.ts'
import type { SnapshotMeta } from '../raft/messages.ts'
import type { Disk, Write } from './disk.ts'
import { generationRange, stateKey, type Section } from './keys.ts'
import { isWhole } from './seal.ts'
import { SnapshotDecoder, type SnapshotRecord } from './snapshot-stream.ts'
import { loadState } from './state-records.ts'
import { assertKnown } from './written-by.ts'

/**
 * A snapshot being staged in a generation of its own, beside the state in force. Each chunk is durable when `write`
 * resolves, so that the batch which makes it the state has nothing left to wait for. A crash leaves at most a
 * generation that nobody refers to; it is removed at the next start.
 */
export class StagedSnapshot implements IncomingSnapshot {
  readonly meta: SnapshotMeta
  readonly generation: number
  readonly #disk: Disk
  readonly #decoder: SnapshotDecoder
  readonly #skipped: readonly number[]
  #restored: RestoredState | null = null
  #isDiscarded = false

  /** `skipped`: sections that are not wanted. */
  constructor(place: {
    readonly disk: Disk
    readonly meta: SnapshotMeta
    readonly generation: number
    readonly skipped: readonly Section[]
  }) {
    const { disk, meta, generation, skipped } = place
    this.#disk = disk
    this.#skipped = skipped
    this.meta = meta
    this.generation = generation
    this.#decoder = new SnapshotDecoder(meta)
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(!this.#isDiscarded && this.#restored === null, 'a snapshot takes chunks until it ends')
    const batch: Write[] = []
    for (const record of this.#decoder.push(chunk)) {
      if (!this.#skipped.includes(record.name[0] ?? 0)) batch.push(this.#put(record))
    }
    if (batch.length > 0) await this.#disk.write({ sync: true, batch: () => batch })
  }

  async finish(): Promise<void> {
    assert(!this.#isDiscarded, 'a discarded snapshot is not finished')
    if (!this.#decoder.isComplete) {
      throw new RaftwayError('STORAGE_CORRUPT', 'the snapshot ended before its end')
    }
    const restored = await loadState(this.#disk, this.generation)
    if (restored.appliedIndex !== this.meta.index || restored.appliedTerm !== this.meta.term) {
      throw new RaftwayError('STORAGE_CORRUPT', 'the snapshot is not of the index that it says')
    }
    assertKnown(restored, 'the snapshot')
    this.#restored = restored
  }

  async discard(): Promise<void> {
    if (this.#isDiscarded) return
    this.#isDiscarded = true
    this.#restored = null
    await this.#disk.settled()
    await this.#disk.clear(generationRange(this.generation))
  }

  /** The state that was staged, for whoever installs it: once, after `finish`. */
  takeRestored(): RestoredState {
    const restored = this.#restored
    assert(
      restored !== null && !this.#isDiscarded,
      'only a finished snapshot is installed, and once',
    )
    this.#restored = null
    this.#isDiscarded = true
    return restored
  }

  #put({ name, value }: SnapshotRecord): Write {
    if (!isWhole(name, value)) {
      throw new RaftwayError('STORAGE_CORRUPT', 'the snapshot has a damaged record')
    }
    return { type: 'put', key: stateKey(this.generation, name), value }
  }
}
