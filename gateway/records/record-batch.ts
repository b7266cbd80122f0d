import type { Random } from '../../shared/random.ts'
import {
  RECORD_BATCH_CHARS,
  RECORD_BATCH_MS,
  RECORD_CHARS_WAITING_MAX,
} from '../../shared/limits.ts'
import type { RequestContext } from '../request-context.ts'
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
  #lines = ''
  #records = 0
  /** Characters handed over and not yet taken. */
  #underWay = 0
  #isTimed = false

  constructor(parts: RecordBatchParts) {
    this.#parts = parts
    const { settings } = parts
    this.#format = settings.format === 'json' ? jsonFormat(settings) : templateFormat(settings)
  }

  /** Records a request that is over, or not: as its route's sample says. */
  add(context: RequestContext, durationMs: number): void {
    const { settings, random, epochMs, onRecorded, onDropped } = this.#parts
    const sample = context.route?.recordSample ?? settings.sample
    if (sample < 1 && random.next() >= sample * 2 ** 32) return
    if (this.#underWay + this.#lines.length >= RECORD_CHARS_WAITING_MAX) {
      onDropped()
      return
    }
    this.#lines += this.#format(context, { startedAtMs: epochMs() - durationMs, durationMs })
    this.#records += 1
    onRecorded()
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
