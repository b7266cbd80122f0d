import { IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_RESULTS_MAX } from '../../shared/limits.ts'
import type { AppliedRecord, IdempotencyRecord, WriteResult } from '../ports.ts'
import { Fifo } from './fifo.ts'
import type { Refusal } from './transaction.ts'

type Remembered = IdempotencyRecord & { readonly index: number }
type WindowBounds = { readonly keysMax: number; readonly resultsMax: number }

const DEFAULT_BOUNDS: WindowBounds = {
  keysMax: IDEMPOTENCY_KEYS_MAX,
  resultsMax: IDEMPOTENCY_RESULTS_MAX,
}

/**
 * The results of the last successful writes by idempotency key, oldest forgotten first. Part of the replicated
 * state: every node must hold the same keys, or a repeat would be a write on one and none on another.
 */
export class IdempotencyWindow {
  readonly #byKey = new Map<string, Remembered>()
  /** In order of log index. A map's own order would cost a walk over everything deleted before. */
  readonly #order = new Fifo<Remembered>()
  readonly #bounds: WindowBounds
  /** Sum of `results.length` of all that is remembered. */
  #resultsCount = 0

  constructor(remembered: readonly Remembered[] = [], bounds = DEFAULT_BOUNDS) {
    this.#bounds = bounds
    for (const record of remembered.toSorted((a, b) => a.index - b.index)) this.#add(record)
  }

  get size(): number {
    return this.#byKey.size
  }

  /** The first result of the key, IDEMPOTENCY_KEY_REUSED for another write, or null for a key not seen yet. */
  find(
    { key, fingerprint }: { readonly key: string; readonly fingerprint: string },
    revision: number,
  ): WriteResult | null {
    const first = this.#byKey.get(key)
    if (first === undefined) return null
    if (first.fingerprint !== fingerprint) return keyReused(key, revision)
    return { ...first.result, isRepeat: true }
  }

  /** Remembers a first result; `record.key` must be new. Returns what the disk must write and forget, in order. */
  remember(record: IdempotencyRecord, index: number): AppliedRecord[] {
    this.#add({ ...record, index })
    const records: AppliedRecord[] = [{ type: 'idempotency', index, result: record }]
    while (this.#isOverfull()) {
      const oldest = this.#order.shift()
      if (oldest === undefined) break
      this.#byKey.delete(oldest.key)
      this.#resultsCount -= oldest.result.results.length
      records.push({ type: 'idempotency-forgotten', index: oldest.index })
    }
    return records
  }

  #add(record: Remembered): void {
    this.#byKey.set(record.key, record)
    this.#order.push(record)
    this.#resultsCount += record.result.results.length
  }

  /** The newest result always stays, however large. */
  #isOverfull(): boolean {
    const { keysMax, resultsMax } = this.#bounds
    return this.#byKey.size > keysMax || (this.#resultsCount > resultsMax && this.#byKey.size > 1)
  }
}

/** The refusal of a key that was used for another write. */
export function keyReused(key: string, revision: number): Refusal {
  const detail = `idempotency key "${key}" was used for another write`
  return { ok: false, code: 'IDEMPOTENCY_KEY_REUSED', detail, at: null, currentRevision: revision }
}
