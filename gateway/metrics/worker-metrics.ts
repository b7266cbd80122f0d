import type { ErrorCode } from '../../shared/errors.ts'
import { SERIES_FORGET_MS } from '../../shared/limits.ts'
import { SeriesTable } from './series.ts'
import {
  DURATION_BUCKETS_MS,
  ROUTE_SERIES,
  ROUTE_SLOT,
  SLOT,
  slotsOf,
  UPSTREAM_ERRORS,
  UPSTREAM_SERIES,
  UPSTREAM_SLOT,
  type MetricsMemory,
} from './slots.ts'

/** Requests that no route took. No id of a route looks so. */
const NO_ROUTE = 'none'

/** What is counted of a request that is over. */
export type RequestEnd = {
  /** Id of the route; null when none took the request. */
  readonly route: string | null
  /** 0 when the client went away before an answer. */
  readonly status: number
  readonly durationMs: number
  readonly requestBytes: number
  readonly responseBytes: number
}

/** Which routes and upstreams there are. */
type Names = {
  hasRoute(id: string): boolean
  hasUpstream(key: string): boolean
}

/** Counters of one worker, in memory that the supervisor reads. Adding is one store: no lock, no message. */
export class WorkerMetrics {
  readonly #slots: Float64Array
  readonly #isCounting: boolean
  readonly #routes: SeriesTable | null
  readonly #upstreams: SeriesTable | null
  #forgotAtMs = Number.NEGATIVE_INFINITY

  /** Takes over the memory of a worker that died: its counts go on, its requests under way are gone. */
  constructor(memory: MetricsMemory, worker: number) {
    const isFull = memory.level === 'full'
    this.#isCounting = memory.level !== 'off'
    this.#slots = slotsOf(memory, worker)
    this.#routes = isFull ? new SeriesTable(memory.routes, worker, ROUTE_SERIES) : null
    this.#upstreams = isFull ? new SeriesTable(memory.upstreams, worker, UPSTREAM_SERIES) : null
    this.#slots[SLOT.active] = 0
  }

  requestBegan(): void {
    if (this.#isCounting) add(this.#slots, SLOT.active, 1)
  }

  requestEnded(end: RequestEnd): void {
    if (!this.#isCounting) return
    const { status, durationMs, requestBytes, responseBytes } = end
    const slots = this.#slots
    const statusClass = classOf(status)
    const bucket = bucketOf(durationMs)
    add(slots, SLOT.active, -1)
    add(slots, SLOT.statusClass + statusClass, 1)
    add(slots, SLOT.requestBytes, requestBytes)
    add(slots, SLOT.responseBytes, responseBytes)
    add(slots, SLOT.duration, durationMs)
    add(slots, SLOT.duration + bucket, 1)
    if (this.#routes === null) return
    const place = this.#routes.place(end.route ?? NO_ROUTE)
    const { values } = this.#routes
    add(values, place + ROUTE_SLOT.statusClass + statusClass, 1)
    add(values, place + ROUTE_SLOT.requestBytes, requestBytes)
    add(values, place + ROUTE_SLOT.responseBytes, responseBytes)
    add(values, place + ROUTE_SLOT.duration, durationMs)
    add(values, place + ROUTE_SLOT.duration + bucket, 1)
  }

  /** The head of a target's answer is there, so long after the target was asked. */
  upstreamAnswered(key: string, status: number, firstByteMs: number): void {
    if (!this.#isCounting) return
    const bucket = bucketOf(firstByteMs)
    add(this.#slots, SLOT.firstByte, firstByteMs)
    add(this.#slots, SLOT.firstByte + bucket, 1)
    if (this.#upstreams === null) return
    const place = this.#upstreams.place(key)
    const { values } = this.#upstreams
    add(values, place + UPSTREAM_SLOT.statusClass + classOf(status), 1)
    add(values, place + UPSTREAM_SLOT.firstByte, firstByteMs)
    add(values, place + UPSTREAM_SLOT.firstByte + bucket, 1)
  }

  upstreamFailed(key: string, code: ErrorCode): void {
    if (!this.#isCounting) return
    const at = UPSTREAM_ERRORS.findIndex((known) => known === code)
    if (at === -1) return
    add(this.#slots, SLOT.upstreamErrors + at, 1)
    if (this.#upstreams === null) return
    add(this.#upstreams.values, this.#upstreams.place(key) + UPSTREAM_SLOT.errors + at, 1)
  }

  retried(): void {
    if (this.#isCounting) add(this.#slots, SLOT.retries, 1)
  }

  /** A head was refused before it became a request. */
  refused(): void {
    if (this.#isCounting) add(this.#slots, SLOT.refused, 1)
  }

  /** A connection was closed at once. */
  clientRefused(): void {
    if (this.#isCounting) add(this.#slots, SLOT.clientsRefused, 1)
  }

  /** An access record was handed over. */
  recorded(): void {
    add(this.#slots, SLOT.recorded, 1)
  }

  /** An access record had no room. */
  recordDropped(): void {
    add(this.#slots, SLOT.recordsDropped, 1)
  }

  spansMade(count: number): void {
    add(this.#slots, SLOT.spans, count)
  }

  /** Spans had no room, or no collector took them. */
  spansDropped(count: number): void {
    add(this.#slots, SLOT.spansDropped, count)
  }

  handshakeDone(isResumed: boolean): void {
    add(this.#slots, SLOT.handshakes, 1)
    if (isResumed) add(this.#slots, SLOT.handshakesResumed, 1)
  }

  /** A client did not get as far as TLS. */
  handshakeFailed(): void {
    add(this.#slots, SLOT.handshakesFailed, 1)
  }

  /** A request was refused because the worker was late. */
  shed(): void {
    add(this.#slots, SLOT.shed, 1)
  }

  /** A request came too often. */
  overLimit(): void {
    add(this.#slots, SLOT.overLimit, 1)
  }

  /** So many limits of a request could not be counted. */
  limitsUncounted(count: number): void {
    add(this.#slots, SLOT.limitsUncounted, count)
  }

  /** Another config is served: where series are used up, names that are no more give theirs back. */
  configChanged(nowMs: number, names: Names): void {
    if (nowMs - this.#forgotAtMs < SERIES_FORGET_MS) return
    this.#forgotAtMs = nowMs
    if (this.#routes?.isFull === true) {
      this.#routes.forget((id) => id === NO_ROUTE || names.hasRoute(id))
    }
    if (this.#upstreams?.isFull === true) this.#upstreams.forget((key) => names.hasUpstream(key))
  }
}

function add(slots: Float64Array, slot: number, amount: number): void {
  slots[slot] = (slots[slot] ?? 0) + amount
}

function classOf(status: number): number {
  return Math.min(5, Math.trunc(status / 100))
}

/** From the sum of a histogram to the bucket of a duration. */
function bucketOf(ms: number): number {
  let bucket = 0
  while (ms > (DURATION_BUCKETS_MS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
  return bucket + 1
}
