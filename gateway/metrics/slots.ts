import type { ErrorCode } from '../../shared/errors.ts'

/** Upper bounds of the duration histogram's buckets, in milliseconds; the last bucket has none. */
export const DURATION_BUCKETS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
] as const

/** Errors that targets cause, each with a counter of its own. */
export const UPSTREAM_ERRORS = [
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_BAD_RESPONSE',
  'UPSTREAM_BUSY',
] as const satisfies readonly ErrorCode[]

/** Where each counter of a worker lies in its slots. */
export const SLOT = {
  /** Answers by the first digit of the status, 1 to 5; 0 is for requests whose client went away first. */
  statusClass: 0,
  upstreamErrors: 6,
  retries: 10,
  active: 11,
  refused: 12,
  requestBytes: 13,
  responseBytes: 14,
  recorded: 15,
  recordsDropped: 16,
  durationSumMs: 17,
  durationBuckets: 18,
} as const

/** Slots of one worker: one writer, read by the supervisor at any moment. */
export const SLOTS_PER_WORKER = SLOT.durationBuckets + DURATION_BUCKETS_MS.length + 1

/** One memory for the counters of all workers; each gets its own part of it. */
export function makeSlots(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * SLOTS_PER_WORKER * Float64Array.BYTES_PER_ELEMENT)
}

/** The part of one worker, 0 ≤ worker. */
export function slotsOf(memory: SharedArrayBuffer, worker: number): Float64Array {
  const bytes = SLOTS_PER_WORKER * Float64Array.BYTES_PER_ELEMENT
  return new Float64Array(memory, worker * bytes, SLOTS_PER_WORKER)
}

/** The counters of all workers, slot by slot. */
export function sumSlots(memory: SharedArrayBuffer): Float64Array {
  const sum = new Float64Array(SLOTS_PER_WORKER)
  const all = new Float64Array(memory)
  for (let at = 0; at < all.length; at++) {
    const slot = at % SLOTS_PER_WORKER
    sum[slot] = (sum[slot] ?? 0) + (all[at] ?? 0)
  }
  return sum
}
