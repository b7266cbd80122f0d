// Goal: a webhook hears of each threshold once a period. Method: a real API of a node without consensus, a real HTTP server.
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, until } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

let running: Running
let hook: Server
let heard: { readonly percent: number; readonly used: number; readonly key: string | null }[]
let failures: number

beforeEach(async () => {
  heard = []
  failures = 0
  hook = createServer((request, response) => {
    let text = ''
    request.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    request.on('end', () => {
      if (failures > 0) {
        failures -= 1
        response.writeHead(500).end()
        return
      }
      heard.push(JSON.parse(text))
      response.end()
    })
  })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const { port } = hook.address() as AddressInfo
  running = await startCluster(1)
  const alerts = { percents: [50, 100], url: `http://127.0.0.1:${port}/hook` }
  const quotas = [{ name: 'calls', limit: 10, period: 'day', alerts }]
  await call(running.url(0), 'PUT /v1/plans/gold', { json: { spec: { quotas } } })
  await call(running.url(0), 'PUT /v1/consumers/ada', { json: { spec: { plans: ['gold'] } } })
})

afterEach(async () => {
  await running.close()
  hook.closeAllConnections()
  hook.close()
})

async function use(sequence: number, used: number, startMs = 86_400_000): Promise<void> {
  const counts = [{ consumer: 'ada', quota: 'calls', used, startMs, periodMs: 1 }]
  const json = { source: 'gateway-1', sequence, counts }
  const { status } = await call(running.url(0), 'POST /v1/gateways/gw/usage', { json })
  expect(status).toBe(200)
}

test('each threshold is told when it is reached, and again in the next period', async () => {
  await use(1, 4)
  await use(2, 1)
  await until(() => heard.length === 1)
  await use(3, 1)
  await use(4, 10)
  await until(() => heard.length === 2)
  await use(5, 5, 2 * 86_400_000)
  await until(() => heard.length === 3)
  expect(heard).toMatchObject([
    { event: 'quota', consumer: 'ada', quota: 'calls', key: null, percent: 50, used: 5, limit: 10 },
    { percent: 100, used: 16, periodStartedAt: '1970-01-02T00:00:00.000Z' },
    { percent: 50, used: 5, periodEndsAt: '1970-01-04T00:00:00.000Z' },
  ])
})

test('two thresholds at once are both told', async () => {
  await use(1, 10)
  await until(() => heard.length === 2)
  expect(heard.map(({ percent }) => percent).toSorted((a, b) => a - b)).toEqual([50, 100])
})

test('what is not answered well is told again', async () => {
  failures = 1
  await use(1, 5)
  await until(() => heard.length === 1)
  expect(failures).toBe(0)
})
