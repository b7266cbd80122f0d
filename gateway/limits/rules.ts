import { unreachable } from '../../shared/assert.ts'

/** How something is counted. */
export type Rule = {
  readonly algorithm: 'sliding-window' | 'fixed-window' | 'token-bucket' | 'concurrency'
  readonly limit: number
  /** 1 for concurrency, which has none. */
  readonly windowMs: number
  /** What a token-bucket holds. */
  readonly burst: number
}

/** What a request wants to count. */
export type Asked = { readonly rule: Rule; readonly cost: number }

/**
 * Numbers of one counter. All 0: nothing was counted.
 *
 *     expires │ sliding-window: window, count, count of the one before │ fixed-window: window, count
 *             │ token-bucket: tokens missing, as of │ concurrency: under way
 *
 * A counter whose time has come says no more than one that was never there.
 */
export const NUMBERS_PER_COUNTER = 4

const EXPIRES = 0
const A = 1
const B = 2
const C = 3

/** A token that is missing by less than what sums of fractions are wrong by is there. */
const ALMOST = 1e-6

/**
 * Milliseconds until a request may count, if nobody else does; 0: now; Infinity: never, since it counts more than there is.
 * Carries the counter over into this window.
 */
export function waitMs(asked: Asked, counter: Float64Array, at: number, nowMs: number): number {
  const { rule, cost } = asked
  const { algorithm, limit, windowMs, burst } = rule
  switch (algorithm) {
    case 'sliding-window':
      return slidingWaitMs(asked, counter, at, nowMs)
    case 'fixed-window': {
      roll(counter, at, windowMs, nowMs)
      if (get(counter, at + B) + cost <= limit) return 0
      return cost > limit ? Infinity : windowMs - elapsedMs(counter, at, windowMs, nowMs)
    }
    case 'token-bucket': {
      drip(rule, counter, at, nowMs)
      const lacking = get(counter, at + A) + cost - burst
      if (lacking <= ALMOST) return 0
      return cost > burst ? Infinity : Math.ceil((lacking * windowMs) / limit)
    }
    case 'concurrency':
      return get(counter, at + A) + cost <= limit ? 0 : 1
    default:
      return unreachable(algorithm)
  }
}

/** Counts a request that may. Right after `waitMs`. */
export function count({ rule, cost }: Asked, counter: Float64Array, at: number): void {
  const { algorithm, limit, windowMs } = rule
  switch (algorithm) {
    case 'sliding-window':
      counter[at + B] = get(counter, at + B) + cost
      counter[at + EXPIRES] = (get(counter, at + A) + 2) * windowMs
      return
    case 'fixed-window':
      counter[at + B] = get(counter, at + B) + cost
      counter[at + EXPIRES] = (get(counter, at + A) + 1) * windowMs
      return
    case 'token-bucket': {
      const missing = get(counter, at + A) + cost
      counter[at + A] = missing
      counter[at + EXPIRES] = get(counter, at + B) + (missing * windowMs) / limit
      return
    }
    case 'concurrency':
      counter[at + A] = get(counter, at + A) + cost
      counter[at + EXPIRES] = Infinity
      return
    default:
      unreachable(algorithm)
  }
}

/** Takes back what was counted, as far as it still counts. */
export function uncount({ rule, cost }: Asked, counter: Float64Array, at: number): void {
  const place = rule.algorithm.endsWith('window') ? at + B : at + A
  const left = Math.max(0, get(counter, place) - cost)
  counter[place] = left
  if (rule.algorithm === 'concurrency' && left === 0) counter[at + EXPIRES] = 0
}

/** What may still count. Right after `waitMs` or `count`. */
export function remaining(rule: Rule, counter: Float64Array, at: number, nowMs: number): number {
  const { algorithm, limit, windowMs, burst } = rule
  switch (algorithm) {
    case 'sliding-window': {
      const before = overlapping(counter, at, windowMs, nowMs)
      return Math.max(0, limit - get(counter, at + B) - before)
    }
    case 'fixed-window':
      return Math.max(0, limit - get(counter, at + B))
    case 'token-bucket':
      return Math.max(0, Math.floor(burst - get(counter, at + A) + ALMOST))
    case 'concurrency':
      return Math.max(0, limit - get(counter, at + A))
    default:
      return unreachable(algorithm)
  }
}

/** Milliseconds until the window ends, or the bucket is full; 0 for concurrency. Right after `waitMs` or `count`. */
export function resetMs(rule: Rule, counter: Float64Array, at: number, nowMs: number): number {
  const { algorithm, limit, windowMs } = rule
  if (algorithm === 'concurrency') return 0
  if (algorithm !== 'token-bucket') return windowMs - elapsedMs(counter, at, windowMs, nowMs)
  return limit === 0 ? windowMs : (get(counter, at + A) * windowMs) / limit
}

function slidingWaitMs(
  { rule: { limit, windowMs }, cost }: Asked,
  counter: Float64Array,
  at: number,
  nowMs: number,
): number {
  roll(counter, at, windowMs, nowMs)
  const current = get(counter, at + B)
  const left = limit - current - cost
  if (left >= 0) {
    if (overlapping(counter, at, windowMs, nowMs) <= left) return 0
    const freeAtMs = overlapsAtMost(left, get(counter, at + C), windowMs)
    return freeAtMs - elapsedMs(counter, at, windowMs, nowMs)
  }
  if (cost > limit) return Infinity
  // Not before the next window, in which this one is the one before.
  const restMs = windowMs - elapsedMs(counter, at, windowMs, nowMs)
  return restMs + overlapsAtMost(limit - cost, current, windowMs)
}

/** First whole millisecond of a window at which no more than so many of the window before overlap. */
function overlapsAtMost(most: number, before: number, windowMs: number): number {
  if (before <= most) return 0
  return Math.floor((windowMs * (before - most - 1)) / before) + 1
}

/** What of the window before still counts: as if it had come evenly. */
function overlapping(counter: Float64Array, at: number, windowMs: number, nowMs: number): number {
  const before = get(counter, at + C)
  if (before === 0) return 0
  const restMs = windowMs - elapsedMs(counter, at, windowMs, nowMs)
  return Math.floor((before * restMs) / windowMs)
}

/** Goes on to the window of this moment. A clock that was set back stays in the window that was counted in last. */
function roll(counter: Float64Array, at: number, windowMs: number, nowMs: number): void {
  const window = Math.floor(nowMs / windowMs)
  const last = get(counter, at + A)
  if (window <= last) return
  counter[at + C] = window === last + 1 ? get(counter, at + B) : 0
  counter[at + B] = 0
  counter[at + A] = window
}

function elapsedMs(counter: Float64Array, at: number, windowMs: number, nowMs: number): number {
  return Math.max(0, nowMs - get(counter, at + A) * windowMs)
}

/** Tokens that have come back since the last look. */
function drip({ limit, windowMs }: Rule, counter: Float64Array, at: number, nowMs: number): void {
  const sinceMs = nowMs - get(counter, at + B)
  if (sinceMs <= 0) return
  counter[at + A] = Math.max(0, get(counter, at + A) - (sinceMs * limit) / windowMs)
  counter[at + B] = nowMs
}

function get(counter: Float64Array, at: number): number {
  return counter[at] ?? 0
}
