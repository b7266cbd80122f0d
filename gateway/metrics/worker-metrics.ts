import type { ErrorCode } from '../../shared/errors.ts'
import { DURATION_BUCKETS_MS, SLOT, UPSTREAM_ERRORS } from './slots.ts'

/** Counters of one worker, in memory that the supervisor reads. Adding is one store: no lock, no message. */
export class WorkerMetrics {
  readonly #slots: Float64Array

  /** Takes over the slots of a worker that died: its counts go on, its requests under way are gone. */
  constructor(slots: Float64Array) {
    this.#slots = slots
    slots[SLOT.active] = 0
  }

  requestBegan(): void {
    this.#add(SLOT.active, 1)
  }

  /** `status` is 0 when the client went away before an answer. */
  requestEnded(outcome: {
    readonly status: number
    readonly durationMs: number
    readonly requestBytes: number
    readonly responseBytes: number
  }): void {
    this.#add(SLOT.active, -1)
    this.#add(SLOT.statusClass + Math.min(5, Math.trunc(outcome.status / 100)), 1)
    this.#add(SLOT.requestBytes, outcome.requestBytes)
    this.#add(SLOT.responseBytes, outcome.responseBytes)
    this.#add(SLOT.durationSumMs, outcome.durationMs)
    let bucket = 0
    while (outcome.durationMs > (DURATION_BUCKETS_MS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
    this.#add(SLOT.durationBuckets + bucket, 1)
  }

  upstreamFailed(code: ErrorCode): void {
    const at = UPSTREAM_ERRORS.findIndex((known) => known === code)
    if (at !== -1) this.#add(SLOT.upstreamErrors + at, 1)
  }

  retried(): void {
    this.#add(SLOT.retries, 1)
  }

  /** A head was refused before it became a request. */
  refused(): void {
    this.#add(SLOT.refused, 1)
  }

  /** An access record was handed over. */
  recorded(): void {
    this.#add(SLOT.recorded, 1)
  }

  /** An access record had no room. */
  recordDropped(): void {
    this.#add(SLOT.recordsDropped, 1)
  }

  #add(slot: number, amount: number): void {
    this.#slots[slot] = (this.#slots[slot] ?? 0) + amount
  }
}
