import type { ErrorCode } from '../../shared/errors.ts'
import { ROUTE_SERIES_MAX, STREAM_SERIES_MAX, UPSTREAM_SERIES_MAX } from '../../shared/limits.ts'
import { makeSeries, type SeriesShape } from './series.ts'

/** Upper bounds of the buckets of every histogram of durations, in milliseconds; the last bucket has none. */
export const DURATION_BUCKETS_MS = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
] as const

const BUCKETS = DURATION_BUCKETS_MS.length + 1

/** Errors that targets cause, each with a counter of its own. */
export const UPSTREAM_ERRORS = [
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_BAD_RESPONSE',
  'UPSTREAM_BUSY',
] as const satisfies readonly ErrorCode[]

/** A histogram: the sum, then the buckets. */
const HISTOGRAM = 1 + BUCKETS

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
  /** From the head of a request to the end of its answer. */
  spans: 17,
  spansDropped: 18,
  handshakes: 19,
  handshakesResumed: 20,
  handshakesFailed: 21,
  /** Connections of clients that are open. */
  clients: 22,
  /** Connections that were closed at once, because there were too many. */
  clientsRefused: 23,
  overLimit: 24,
  limitsUncounted: 25,
  shed: 26,
  duration: 27,
  /** From asking a target to the head of its answer. */
  firstByte: 27 + HISTOGRAM,
} as const

/** Where each counter of a route lies in its series. */
export const ROUTE_SLOT = {
  statusClass: 0,
  requestBytes: 6,
  responseBytes: 7,
  duration: 8,
} as const

/** Where each counter of an upstream lies in its series: answers of targets, failed attempts. */
export const UPSTREAM_SLOT = {
  statusClass: 0,
  errors: 6,
  firstByte: 6 + UPSTREAM_ERRORS.length,
} as const

/** Series by the ids of routes. */
export const ROUTE_SERIES: SeriesShape = {
  seriesMax: ROUTE_SERIES_MAX,
  slots: ROUTE_SLOT.duration + HISTOGRAM,
}

/** Series by the keys of upstreams. */
export const UPSTREAM_SERIES: SeriesShape = {
  seriesMax: UPSTREAM_SERIES_MAX,
  slots: UPSTREAM_SLOT.firstByte + HISTOGRAM,
}

/** What connections of Streams come to instead of bytes, each with a counter of its own. */
export const STREAM_ERRORS = [
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNHEALTHY',
  'UPSTREAM_OPEN',
  'OVERLOADED',
  'NOT_FOUND',
  'BAD_REQUEST',
  'REQUEST_TIMEOUT',
  'FORBIDDEN',
] as const satisfies readonly ErrorCode[]

/** Where each counter of a Stream lies in its series. */
export const STREAM_SLOT = { connections: 0, active: 1, received: 2, sent: 3, errors: 4 } as const

/** Series by the names of Streams. */
export const STREAM_SERIES: SeriesShape = {
  seriesMax: STREAM_SERIES_MAX,
  slots: STREAM_SLOT.errors + STREAM_ERRORS.length,
}

/** Slots of one worker: one writer, read by the supervisor at any moment. */
const SLOTS_PER_WORKER = SLOT.firstByte + HISTOGRAM

/** What is counted: everything, everything but routes and upstreams by name, or nothing. */
export const METRICS_LEVELS = ['full', 'totals', 'off'] as const

export type MetricsLevel = (typeof METRICS_LEVELS)[number]

/** The counters of all workers. Goes to every worker; each writes its own part. */
export type MetricsMemory = {
  readonly workers: number
  readonly level: MetricsLevel
  readonly slots: SharedArrayBuffer
  readonly routes: SharedArrayBuffer
  readonly upstreams: SharedArrayBuffer
  readonly streams: SharedArrayBuffer
}

/** Memory for the counters of so many workers, all 0. */
export function makeMetrics(workers: number, level: MetricsLevel): MetricsMemory {
  const bytes = SLOTS_PER_WORKER * Float64Array.BYTES_PER_ELEMENT
  return {
    workers,
    level,
    slots: new SharedArrayBuffer(workers * bytes),
    routes: makeSeries(level === 'full' ? workers : 0, ROUTE_SERIES),
    upstreams: makeSeries(level === 'full' ? workers : 0, UPSTREAM_SERIES),
    streams: makeSeries(level === 'full' ? workers : 0, STREAM_SERIES),
  }
}

/** The part of one worker, 0 ≤ worker. */
export function slotsOf({ slots }: MetricsMemory, worker: number): Float64Array {
  const bytes = SLOTS_PER_WORKER * Float64Array.BYTES_PER_ELEMENT
  return new Float64Array(slots, worker * bytes, SLOTS_PER_WORKER)
}

/** The counters of all workers, slot by slot. */
export function sumSlots({ slots }: MetricsMemory): Float64Array {
  const sum = new Float64Array(SLOTS_PER_WORKER)
  const all = new Float64Array(slots)
  for (let at = 0; at < all.length; at++) {
    const slot = at % SLOTS_PER_WORKER
    sum[slot] = (sum[slot] ?? 0) + (all[at] ?? 0)
  }
  return sum
}
