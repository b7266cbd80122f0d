import { expect, test } from 'vitest'
import { rateLimitsSchema } from '../../../shared/definitions/rate-limit.ts'

const PLAIN = { name: 'a', limit: 10, windowMs: 1_000 }

function issuesOf(...limits: readonly object[]): readonly string[] {
  const parsed = rateLimitsSchema.safeParse(limits)
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'))
}

test.each([
  [PLAIN],
  [{ ...PLAIN, limit: 0 }],
  [{ name: 'a', unlimited: true }],
  [{ ...PLAIN, algorithm: 'token-bucket', burst: 100 }],
  [{ ...PLAIN, algorithm: 'fixed-window' }],
  [{ name: 'a', limit: 4, algorithm: 'concurrency', by: 'key' }],
  [{ ...PLAIN, by: ['ip', { header: 'X-Tenant' }, { claim: 'org' }, 'route'] }],
  [{ ...PLAIN, cost: { header: 'X-Cost', max: 10 }, bucket: 'search', scope: 'cluster' }],
  [{ ...PLAIN, onFailure: 'closed', absent: 'skip', authenticated: 'skip', shown: true }],
  [{ ...PLAIN, exempt: { consumers: ['probe'], networks: ['10.0.0.0/8'], roles: ['staff'] } }],
  [{ ...PLAIN, exempt: { labels: { tier: 'internal' } } }],
])('is a limit: %j', (limit) => {
  expect(issuesOf(limit)).toEqual([])
})

test.each([
  [{ name: 'a' }, ['0.limit', '0.windowMs']],
  [{ name: 'a', limit: 1 }, ['0.windowMs']],
  [{ ...PLAIN, unlimited: true }, ['0.limit', '0.windowMs']],
  [{ ...PLAIN, unlimited: false }, ['0.unlimited']],
  [{ ...PLAIN, limit: -1 }, ['0.limit']],
  [{ ...PLAIN, windowMs: 0 }, ['0.windowMs']],
  [{ ...PLAIN, windowMs: 31 * 86_400_000 + 1 }, ['0.windowMs']],
  [{ ...PLAIN, burst: 5 }, ['0.burst']],
  [{ ...PLAIN, algorithm: 'concurrency' }, ['0.windowMs']],
  [{ name: 'a', limit: 1, algorithm: 'concurrency', scope: 'cluster' }, ['0.scope']],
  [{ ...PLAIN, by: [] }, ['0.by']],
  [{ ...PLAIN, cost: 0 }, ['0.cost']],
  [{ ...PLAIN, cost: { header: 'X-Cost' } }, ['0.cost']],
  [{ ...PLAIN, exempt: { labels: {} } }, ['0.exempt.labels']],
])('is no limit: %j', (limit, issues) => {
  expect(issuesOf(limit)).toEqual(issues)
})

test('an owner has one limit of a name', () => {
  expect(issuesOf(PLAIN, { ...PLAIN, limit: 5 })).toEqual([''])
  expect(issuesOf(PLAIN, { ...PLAIN, name: 'b' })).toEqual([])
})
