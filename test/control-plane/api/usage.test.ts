// Goal: usage over HTTP: what gateways report, what people read and change. Method: real APIs of nodes without consensus.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

let running: Running

beforeEach(async () => {
  running = await startCluster(2)
  const url = running.url(0)
  await call(url, 'PUT /v1/plans/gold', {
    json: { spec: { priority: 1, quotas: [{ name: 'calls', limit: 100, period: 'month' }] } },
  })
  const quotas = [{ name: 'daily', limit: 10, everyMs: 86_400_000, by: 'key' }]
  await call(url, 'PUT /v1/consumers/ada', { json: { spec: { plans: ['gold'], quotas } } })
})

afterEach(() => running.close())

/** When this month began. */
const MONTH_MS = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())

function report(sequence: number, used: number): object {
  const month = { consumer: 'ada', quota: 'calls', used, startMs: MONTH_MS, periodMs: 1 }
  const daily = { ...month, quota: 'daily/main', startMs: null, periodMs: 86_400_000 }
  return { source: 'gateway-1', sequence, counts: [month, daily] }
}

test('a report to any node is counted once, and answered with the totals', async () => {
  const first = await call(running.url(1), 'POST /v1/gateways/gw1/usage', { json: report(1, 4) })
  expect(first.status).toBe(200)
  expect(first.body).toMatchObject({
    totals: [
      { consumer: 'ada', quota: 'calls', startMs: MONTH_MS, used: 4 },
      { consumer: 'ada', quota: 'daily/main', used: 4 },
    ],
  })
  const again = await call(running.url(0), 'POST /v1/gateways/gw1/usage', { json: report(1, 4) })
  expect(again.body).toMatchObject({ totals: [{ used: 4 }, { used: 4 }] })
})

test('usage shows what is left of each quota, where it comes from, and when it ends', async () => {
  await call(running.url(0), 'POST /v1/gateways/gw1/usage', { json: report(1, 4) })
  const { status, body } = await call(running.url(0), 'GET /v1/consumers/ada/usage')
  expect(status).toBe(200)
  expect(body).toMatchObject({
    consumer: 'ada',
    plans: ['gold'],
    quotas: [
      {
        name: 'daily',
        limit: 10,
        from: { type: 'consumer' },
        usage: [{ key: 'main', used: 4, left: 6 }],
      },
      {
        name: 'calls',
        limit: 100,
        from: { type: 'plan', name: 'gold' },
        usage: [{ used: 4, left: 96, startedAt: new Date(MONTH_MS).toISOString() }],
      },
    ],
  })
})

test('a quota is reset and topped up', async () => {
  const url = running.url(1)
  await call(url, 'POST /v1/gateways/gw1/usage', { json: report(1, 4) })
  const topped = await call(url, 'POST /v1/consumers/ada/quotas/calls/top-up', {
    json: { amount: 10 },
  })
  expect(topped.body).toMatchObject({ used: -6 })
  const reset = await call(url, 'POST /v1/consumers/ada/quotas/calls/reset')
  expect(reset.body).toMatchObject({ used: 0 })
})

test.each([
  ['POST', '/v1/consumers/ada/quotas/none/reset', {}, 404, 'DEFINITION_NOT_FOUND'],
  ['POST', '/v1/consumers/nobody/quotas/calls/reset', {}, 404, 'DEFINITION_NOT_FOUND'],
  ['POST', '/v1/consumers/ada/quotas/calls/top-up', { amount: 0 }, 400, 'INVALID_REQUEST'],
  ['POST', '/v1/consumers/ada/quotas/calls/top-up', {}, 400, 'INVALID_REQUEST'],
  ['POST', '/v1/gateways/gw1/usage', { source: 'x' }, 400, 'INVALID_REQUEST'],
  ['GET', '/v1/consumers/nobody/usage', undefined, 404, 'DEFINITION_NOT_FOUND'],
] as const)('%s %s %j is refused', async (method, path, body, status, code) => {
  const answer = await call(
    running.url(0),
    `${method} ${path}`,
    body === undefined ? {} : { json: body },
  )
  expect([answer.status, (answer.body as { code: string }).code]).toEqual([status, code])
})

test('a quota needs a period, and one only', async () => {
  for (const period of [{}, { period: 'day', everyMs: 5_000 }]) {
    const quotas = [{ name: 'q', limit: 1, ...period }]
    const answer = await call(running.url(0), 'PUT /v1/plans/bad', { json: { spec: { quotas } } })
    expect(answer.body).toMatchObject({ issues: [{ path: 'spec.quotas.0.period' }] })
  }
})
