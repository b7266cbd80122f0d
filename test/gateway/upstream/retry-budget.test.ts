import { expect, test } from 'vitest'
import { Random } from '../../../shared/random.ts'
import { compileRetry } from '../../../shared/routing/compile-retries.ts'
import { RetryBudget } from '../../../gateway/upstream/retry-budget.ts'
import { backoffMs, mayRetryStatus } from '../../../gateway/upstream/retry-policy.ts'

function taken(budget: RetryBudget, asked: number, nowMs: number): number {
  let count = 0
  for (let i = 0; i < asked; i++) if (budget.take(nowMs)) count += 1
  return count
}

test('retries are a share of the requests', () => {
  const budget = new RetryBudget({ percent: 20, perSecond: 0 }, 0)
  expect(taken(budget, 10, 0)).toBe(0)
  for (let i = 0; i < 100; i++) budget.requestCame()
  expect(taken(budget, 100, 0)).toBeGreaterThanOrEqual(19)
  expect(taken(budget, 100, 60_000)).toBeLessThanOrEqual(1)
})

test('some are allowed each second at any rate, and a quiet time saves up one second of them', () => {
  const budget = new RetryBudget({ percent: 0, perSecond: 5 }, 0)
  expect(taken(budget, 100, 0)).toBe(5)
  expect(taken(budget, 100, 200)).toBe(1)
  expect(taken(budget, 100, 1_200)).toBe(5)
  expect(taken(budget, 100, 60_000)).toBe(5)
})

test('waits grow up to their bound, and are spread over all of it', () => {
  const { ...retry } = compileRetry(
    { attempts: 5, backoff: { baseMs: 100, maxMs: 300 } },
    undefined,
  )
  const random = new Random(1)
  for (const [retryNumber, bound] of [
    [1, 100],
    [2, 200],
    [3, 300],
    [9, 300],
  ] as const) {
    const waits = Array.from({ length: 500 }, () => backoffMs(retry, retryNumber, random))
    expect(Math.max(...waits)).toBeLessThanOrEqual(bound)
    expect(Math.max(...waits)).toBeGreaterThan(bound * 0.95)
    expect(Math.min(...waits)).toBeLessThan(bound * 0.05)
  }
  expect(backoffMs(compileRetry({ attempts: 1 }, undefined), 1, random)).toBe(0)
})

test.for([
  ['a status that is named', {}, 503, true],
  ['one that is not', {}, 500, false],
  ['a method that has an effect each time', { method: 'POST' }, 503, false],
  ['a body that began to flow', { isBodyStarted: true }, 503, false],
  ['no attempts left', { attemptsLeft: 0 }, 503, false],
] as const)('%s', ([, more, status, expected]) => {
  const retry = compileRetry({ attempts: 1, statuses: [502, 503] }, undefined)
  const attempt = { method: 'GET', isBodyStarted: false, attemptsLeft: 1 }
  expect(mayRetryStatus(retry, status, { ...attempt, ...more })).toBe(expected)
})
