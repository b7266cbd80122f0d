import { crc32 } from 'node:zlib'
import type { ConfState, EntryId, HardState } from '../../control-plane/raft/messages.ts'
import type { Write } from '../../control-plane/storage/disk.ts'
import type { Platter } from './platter.ts'

/** One entry as it was seen on its way to a disk. */
export type SeenEntry = {
  readonly term: number
  readonly digest: number
  readonly op: string | null
}

/** The mark of a state, as far as it is compared. */
export type SeenMark = {
  readonly appliedIndex: number
  readonly appliedTerm: number
  readonly revision: number
  readonly hash: string
  readonly confState: ConfState
  readonly featureLevel?: number
  /** Whether it is of the state in force, and not of one that is being staged. */
  readonly isInForce: boolean
}

/** What one batch changed. */
export type Seen = {
  readonly entries: readonly { readonly index: number; readonly entry: SeenEntry }[]
  readonly marks: readonly SeenMark[]
  readonly hardState: HardState | null
}

type Step =
  | { readonly type: 'entry'; readonly index: number; readonly entry: SeenEntry | null }
  | { readonly type: 'base'; readonly base: EntryId }
  | { readonly type: 'hard-state'; readonly hardState: HardState }

const SEAL_BYTES = 4
const ENTRY_HEAD_BYTES = 9
/** The label of a write by a client of the simulation. */
const OP = /"labels":\{"op":"([^"]+)"/

/** A log and hard state as they are on a disk, read from the batches that go by. */
class ShadowLog {
  readonly #entries = new Map<number, SeenEntry>()
  base: EntryId = { term: 0, index: 0 }
  hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #last = 0

  /** Highest index that is held. */
  get lastIndex(): number {
    return Math.max(this.#last, this.base.index)
  }

  entry(index: number): SeenEntry | undefined {
    return this.#entries.get(index)
  }

  /** Undefined for what is compacted or not there. */
  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.#entries.get(index)?.term
  }

  /** Whether the entry is here, or was here and is part of the state. */
  holds({ index, term }: EntryId): boolean {
    return index < this.base.index || this.termAt(index) === term
  }

  take(step: Step): void {
    if (step.type === 'base') this.base = step.base
    else if (step.type === 'hard-state') this.hardState = step.hardState
    else if (step.entry === null) {
      this.#entries.delete(step.index)
      while (this.#last > 0 && !this.#entries.has(this.#last)) this.#last--
    } else {
      this.#entries.set(step.index, step.entry)
      this.#last = Math.max(this.#last, step.index)
    }
  }
}

/** Both logs of one machine: what was written, and what a power failure would leave. */
export class Shadow {
  written = new ShadowLog()
  durable = new ShadowLog()
  /** Which generation of the state is in force. */
  #generation = 1
  /** What is written and not synced, in order. */
  #pending: Step[] = []

  /** Reads what a disk holds, when nobody writes to it. All of it lasts. */
  reload(platter: Platter): void {
    this.written = new ShadowLog()
    this.durable = new ShadowLog()
    this.#pending = []
    this.#generation = 1
    const { keys, values } = platter.view()
    const batch: Write[] = []
    for (const [at, key] of keys.entries()) {
      const value = values[at]
      if (value !== undefined) batch.push({ type: 'put', key: Buffer.from(key, 'latin1'), value })
    }
    this.write(batch)
    this.sync()
  }

  /** A batch was written. Says what it changed. */
  write(batch: readonly Write[]): Seen {
    const entries: { index: number; entry: SeenEntry }[] = []
    const marks: SeenMark[] = []
    let hardState: HardState | null = null
    for (const write of batch) {
      const [space] = write.key
      if (space === 0x6c) {
        const index = Number(write.key.readBigUInt64BE(1))
        const entry = write.type === 'put' ? decodeEntry(write.value) : null
        if (entry !== null) entries.push({ index, entry })
        this.#take({ type: 'entry', index, entry })
      } else if (space === 0x6d && write.type === 'put') {
        const name = write.key.toString('latin1', 1)
        if (name === 'generation') this.#generation = json(write.value) as number
        if (name === 'log-base') this.#take({ type: 'base', base: json(write.value) as EntryId })
        if (name === 'hard-state') {
          hardState = json(write.value) as HardState
          this.#take({ type: 'hard-state', hardState })
        }
      } else if (space === 0x73 && write.type === 'put' && write.key.length === 6) {
        const isInForce = write.key.readUInt32BE(1) === this.#generation
        if (write.key[5] === 0x61)
          marks.push({ ...(json(write.value) as Omit<SeenMark, 'isInForce'>), isInForce })
      }
    }
    return { entries, marks, hardState }
  }

  sync(): void {
    for (const step of this.#pending) this.durable.take(step)
    this.#pending = []
  }

  #take(step: Step): void {
    this.written.take(step)
    this.#pending.push(step)
  }
}

function decodeEntry(value: Buffer): SeenEntry {
  const payload = value.subarray(SEAL_BYTES)
  const op = OP.exec(payload.toString('latin1', ENTRY_HEAD_BYTES))?.[1] ?? null
  return { term: Number(payload.readBigUInt64BE(0)), digest: crc32(payload), op }
}

/** A damaged value counts as nothing: whoever opens the disk will say so. */
function json(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8', SEAL_BYTES))
  } catch {
    return {}
  }
}
