/**
 * Goal: quotas of Consumers and Plans are counted and held; what is refused counts for nothing.
 * Method: a worker with a real socket, a target that keeps the bytes that reach it, a clock that the test moves. That the
 * cluster keeps the counts is shown by test/processes/quotas.test.ts.
 */
import { expect, test } from 'vitest'
import type { QuotaSpec } from '../../../shared/definitions/quota.ts'
import { consumer, golden, plan, pluginBench, T0, withKey } from './support.ts'

const GIVEN = 'X-Api-Key: k'
const DAILY: QuotaSpec = { name: 'calls', limit: 2, period: 'day' }
const DAY_S = 86_400

test('a quota is held to the request, and what reaches the target tells nothing of it', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, quota: {} },
    consumer('ada', { ...withKey('k'), quotas: [DAILY] }),
  )
  const answers = [await bench.get(GIVEN), await bench.get(GIVEN), await bench.get(GIVEN)]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
  expect(answers[2]?.code).toBe('OVER_QUOTA')
  const remaining = answers.map(({ head }) => /X-Quota-Remaining: (\d+)/.exec(head)?.[1])
  expect(remaining).toEqual(['1', '0', '0'])
  expect(answers[2]?.head).toContain(`Retry-After: ${DAY_S}`)
  expect(answers[0]?.head).toContain('X-Quota-Limit: 2')
  expect(answers[0]?.head).toContain(`X-Quota-Reset: ${DAY_S}`)
  expect(bench.reached).toHaveLength(2)
  expect(golden(bench.reached[0])).not.toMatch(/quota/i)
})

test('it begins anew at midnight, and not a moment before', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, quota: {} },
    consumer('ada', { ...withKey('k'), quotas: [{ ...DAILY, limit: 1 }] }),
  )
  expect((await bench.get(GIVEN)).status).toBe(200)
  bench.nowMs = T0 + DAY_S * 1_000 - 1
  expect((await bench.get(GIVEN)).status).toBe(429)
  bench.nowMs = T0 + DAY_S * 1_000
  expect((await bench.get(GIVEN)).status).toBe(200)
})

test('of several quotas a refused request uses none', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, quota: {} },
    consumer('ada', {
      ...withKey('k'),
      quotas: [
        { name: 'wide', limit: 10, period: 'day' },
        { name: 'tight', limit: 1, period: 'hour' },
      ],
    }),
  )
  for (let at = 0; at < 5; at++) await bench.get(GIVEN)
  const used = bench.worker.usage.take(T0)?.counts.map(({ quota, used: n }) => [quota, n])
  expect(used).toEqual([
    ['wide', 1],
    ['tight', 1],
  ])
})

test('its own quota before that of its plans, theirs before that of the route', async () => {
  const route = {
    quotas: [
      { ...DAILY, limit: 0 },
      { name: 'other', limit: 1, period: 'day' as const },
    ],
  }
  const bench = await pluginBench(
    { 'key-auth': {}, quota: route },
    consumer('own', { ...withKey('own'), plans: ['low'], quotas: [{ ...DAILY, limit: 3 }] }),
    consumer('planned', { ...withKey('planned'), plans: ['low', 'high'] }),
    consumer('bare', withKey('bare')),
    plan('low', { quotas: [{ ...DAILY, limit: 1 }] }),
    plan('high', { priority: 1, quotas: [{ ...DAILY, limit: 2 }] }),
  )
  const allowed = async (key: string): Promise<number> => {
    let count = 0
    while ((await bench.get(`X-Api-Key: ${key}`)).status === 200) count += 1
    return count
  }
  expect(await allowed('bare')).toBe(0)
  // `other`, which only the route has, holds for everybody.
  expect(await allowed('own')).toBe(1)
  expect(await allowed('planned')).toBe(1)
  bench.worker.adopt(
    consumer('planned', {
      ...withKey('planned'),
      plans: ['low', 'high'],
      quotas: [{ name: 'other', limit: 9, period: 'day' }],
    }),
  )
  expect(await allowed('planned')).toBe(1)
})

test('what a request costs, and a quota that only counts', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, quota: { cost: 3 } },
    consumer('ada', {
      ...withKey('k'),
      quotas: [
        { name: 'soft', limit: 1, period: 'day', onExceeded: 'count' },
        { name: 'hard', limit: 5, period: 'day' },
      ],
    }),
  )
  expect((await bench.get(GIVEN)).status).toBe(200)
  expect((await bench.get(GIVEN)).status).toBe(429)
  const used = bench.worker.usage.take(T0)?.counts.map(({ quota, used: n }) => [quota, n])
  expect(used).toEqual([
    ['soft', 3],
    ['hard', 3],
  ])
})

test('what the cluster has counted counts here', async () => {
  const bench = await pluginBench(
    { 'key-auth': {}, quota: {} },
    consumer('ada', { ...withKey('k'), quotas: [{ ...DAILY, limit: 10 }] }),
  )
  expect((await bench.get(GIVEN)).status).toBe(200)
  const taken = bench.worker.usage.take(T0)
  bench.worker.usage.learn(
    [{ consumer: 'ada', quota: 'calls', startMs: T0, used: 10 }],
    taken?.batch ?? 0,
  )
  expect((await bench.get(GIVEN)).status).toBe(429)
  bench.worker.usage.learn([{ consumer: 'ada', quota: 'calls', startMs: T0, used: 0 }], 0)
  expect((await bench.get(GIVEN)).status).toBe(200)
})

test('without headers nothing is told, and callers who are nobody have no quotas', async () => {
  const bench = await pluginBench(
    {
      'key-auth': {},
      authentication: { require: 'none' },
      quota: { headers: false, quotas: [{ ...DAILY, limit: 0 }] },
    },
    consumer('ada', withKey('k')),
  )
  expect((await bench.get()).status).toBe(200)
  const refused = await bench.get(GIVEN)
  expect(refused.status).toBe(429)
  expect(refused.head).not.toMatch(/X-Quota/)
})
