// What a rule refuses is held against other things than what it admits.
/* oxlint-disable vitest/no-conditional-expect */
/**
 * Goal: each algorithm admits what it says it does, at the millisecond, and its promise of when to come again holds.
 * Method: tables, then random requests against a log of everything that was admitted.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  count,
  NUMBERS_PER_COUNTER,
  remaining,
  resetMs,
  uncount,
  waitMs,
  type Rule,
} from '../../../gateway/limits/rules.ts'

/** One counter, asked as a request asks. */
class Counter {
  readonly rule: Rule
  readonly numbers = new Float64Array(NUMBERS_PER_COUNTER)

  constructor(algorithm: Rule['algorithm'], limit: number, windowMs: number, burst = limit) {
    this.rule = { algorithm, limit, windowMs, burst }
  }

  /** 0 if it was counted, else how long to wait. */
  ask(nowMs: number, cost = 1): number {
    const asked = { rule: this.rule, cost }
    const wait = waitMs(asked, this.numbers, 0, nowMs)
    if (wait === 0) count(asked, this.numbers, 0)
    return wait
  }

  left(nowMs: number): number {
    return remaining(this.rule, this.numbers, 0, nowMs)
  }
}

/** What a rule comes to over a log of what was admitted: too slow, and too simple to be wrong. */
class Log {
  readonly #rule: Rule
  readonly #admitted: { readonly atMs: number; readonly cost: number }[] = []

  constructor(rule: Rule) {
    this.#rule = rule
  }

  mayCount(nowMs: number, cost: number): boolean {
    const { algorithm, limit, windowMs } = this.#rule
    const window = Math.floor(nowMs / windowMs)
    const current = this.#of(window)
    if (algorithm === 'fixed-window') return current + cost <= limit
    const share = (window + 1) * windowMs - nowMs
    return current + cost + Math.floor((this.#of(window - 1) * share) / windowMs) <= limit
  }

  add(atMs: number, cost: number): void {
    this.#admitted.push({ atMs, cost })
  }

  #of(window: number): number {
    return this.#admitted
      .filter(({ atMs }) => Math.floor(atMs / this.#rule.windowMs) === window)
      .reduce((sum, { cost }) => sum + cost, 0)
  }
}

const requests = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 700 }), cost: fc.integer({ min: 1, max: 4 }) }),
  { minLength: 1, maxLength: 60 },
)

test.each(['sliding-window', 'fixed-window'] as const)(
  '%s admits what a log of everything admits, and the wait that it tells is exact',
  (algorithm) => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 1_000 }),
        (asked, limit, windowMs) => {
          const counter = new Counter(algorithm, limit, windowMs)
          const log = new Log(counter.rule)
          let nowMs = 1_000_000
          for (const { afterMs, cost } of asked) {
            nowMs += afterMs
            const may = log.mayCount(nowMs, cost)
            const wait = counter.ask(nowMs, cost)
            expect(wait === 0).toBe(may)
            if (may) log.add(nowMs, cost)
            else if (cost > limit) expect(wait).toBe(Infinity)
            else {
              expect(log.mayCount(nowMs + wait, cost)).toBe(true)
              expect(log.mayCount(nowMs + wait - 1, cost)).toBe(false)
            }
            expect(counter.left(nowMs)).toBeGreaterThanOrEqual(0)
          }
        },
      ),
    )
  },
)

test('a token bucket never gives more than it held and what came back, and its wait is enough', () => {
  fc.assert(
    fc.property(
      requests,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 40 }),
      (asked, limit, windowMs, burst) => {
        const counter = new Counter('token-bucket', limit, windowMs, burst)
        const beganMs = 1_000_000
        let nowMs = beganMs
        let given = 0
        for (const { afterMs, cost } of asked) {
          nowMs += afterMs
          const wait = counter.ask(nowMs, cost)
          if (cost > burst) expect(wait).toBe(Infinity)
          else {
            nowMs += wait
            if (wait > 0) expect(counter.ask(nowMs, cost)).toBe(0)
            given += cost
          }
          expect(given).toBeLessThanOrEqual(burst + ((nowMs - beganMs) * limit) / windowMs + 1e-3)
        }
      },
    ),
  )
})

describe('a token bucket', () => {
  test('gives its burst at once, then one at a time as they come back', () => {
    const counter = new Counter('token-bucket', 10, 1_000, 3)
    expect([0, 0, 0, 0].map((ms) => counter.ask(ms + 5_000))).toEqual([0, 0, 0, 100])
    expect(counter.ask(5_099)).toBe(1)
    expect(counter.ask(5_100)).toBe(0)
    expect(counter.left(5_100)).toBe(0)
    expect(resetMs(counter.rule, counter.numbers, 0, 5_100)).toBeCloseTo(300)
  })

  test('is full again as soon as it says that it is forgotten', () => {
    const counter = new Counter('token-bucket', 10, 1_000, 3)
    counter.ask(5_000, 3)
    expect(counter.numbers[0]).toBe(5_300)
    expect(counter.ask(5_300, 3)).toBe(0)
  })
})

test('concurrency admits as many as are not over, and is not forgotten before', () => {
  const counter = new Counter('concurrency', 2, 1)
  expect([counter.ask(0), counter.ask(0), counter.ask(0)]).toEqual([0, 0, 1])
  const one = { rule: counter.rule, cost: 1 }
  uncount(one, counter.numbers, 0)
  expect([counter.left(0), counter.ask(0), counter.left(0)]).toEqual([1, 0, 0])
  expect(counter.numbers[0]).toBe(Infinity)
  uncount(one, counter.numbers, 0)
  uncount(one, counter.numbers, 0)
  expect(counter.numbers[0]).toBe(0)
})

test('a clock that is set back gives nothing away', () => {
  const counter = new Counter('sliding-window', 2, 1_000)
  expect([counter.ask(10_500), counter.ask(10_500)]).toEqual([0, 0])
  expect(counter.ask(9_000)).toBeGreaterThan(0)
  expect(counter.ask(10_900)).toBeGreaterThan(0)
})

test('a limit of nothing admits nothing', () => {
  for (const algorithm of ['sliding-window', 'fixed-window', 'token-bucket'] as const) {
    expect(new Counter(algorithm, 0, 1_000, 0).ask(5_000)).toBe(Infinity)
  }
})
