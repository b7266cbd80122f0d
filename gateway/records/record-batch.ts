import type { Random } from '../../shared/random.ts'
import {
  RECORD_BATCH_CHARS,
  RECORD_BATCH_MS,
  RECORD_CHARS_WAITING_MAX,
} from '../../shared/limits.ts'
import type { RequestContext } from '../request-context.ts'
import { jsonConnectionFormat, type ConnectionRecord } from './connection-record.ts'
import { jsonFormat } from './json-record.ts'
import type { RecordFormat } from './record-format.ts'
import type { RecordSettings } from './settings.ts'
import { templateFormat } from './template-record.ts'

/** What a batch asks of its worker. */
export type RecordBatchParts = {
  readonly settings: RecordSettings
  readonly random: Random
  /** Milliseconds since 1970. */
  readonly epochMs: () => number
  /** Hands lines over to whoever writes them. They count until `taken` says so. */
  readonly send: (lines: string, records: number) => void
  /** Calls back once, after a time. */
  readonly later: (ms: number, run: () => void) => void
  readonly onRecorded: () => void
  readonly onDropped: () => void
}

/**
 * The access records of one worker, handed over by the batch. A request never waits for them: when what was handed over
 * is not taken in time, further records are dropped, and counted.
 */
export class RecordBatch {
  readonly #parts: RecordBatchParts
  readonly #format: RecordFormat
  /** Null: the format has no place for connections. */
  readonly #connectionFormat: ReturnType<typeof jsonConnectionFormat> | null
  #lines = ''
  #records = 0
  /** Characters handed over and not yet taken. */
  #underWay = 0
  #isTimed = false

  constructor(parts: RecordBatchParts) {
    this.#parts = parts
    const { settings } = parts
    this.#format = settings.format === 'json' ? jsonFormat(settings) : templateFormat(settings)
    this.#connectionFormat = settings.format === 'json' ? jsonConnectionFormat(settings) : null
  }

  /** Records a request that is over, or not: as its route's sample says. */
  add(context: RequestContext, durationMs: number): void {
    const { settings, epochMs } = this.#parts
    if (!this.#takes(context.route?.recordSample ?? settings.sample)) return
    this.#lines += this.#format(context, { startedAtMs: epochMs() - durationMs, durationMs })
    this.#added()
  }

  /** Records a connection of a Stream that is over, or not: as the sample says. */
  addConnection(record: ConnectionRecord, durationMs: number): void {
    const { settings, epochMs } = this.#parts
    const format = this.#connectionFormat
    if (format === null || !this.#takes(settings.sample)) return
    this.#lines += format(record, { startedAtMs: epochMs() - durationMs, durationMs })
    this.#added()
  }

  /** Whether one more is drawn, and has room. */
  #takes(sample: number): boolean {
    const { random, onDropped } = this.#parts
    if (sample < 1 && random.next() >= sample * 2 ** 32) return false
    if (this.#underWay + this.#lines.length < RECORD_CHARS_WAITING_MAX) return true
    onDropped()
    return false
  }

  #added(): void {
    this.#records += 1
    this.#parts.onRecorded()
    if (this.#lines.length >= RECORD_BATCH_CHARS) {
      this.flush()
    } else if (!this.#isTimed) {
      this.#isTimed = true
      this.#parts.later(RECORD_BATCH_MS, () => {
        this.#isTimed = false
        this.flush()
      })
    }
  }

  /** Hands over what there is. */
  flush(): void {
    if (this.#records === 0) return
    const lines = this.#lines
    const records = this.#records
    this.#lines = ''
    this.#records = 0
    this.#underWay += lines.length
    this.#parts.send(lines, records)
  }

  /** So many characters that were handed over are written, or lost. */
  taken(chars: number): void {
    this.#underWay -= chars
  }
}
