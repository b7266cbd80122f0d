// Goal: a limit of scope cluster holds for all gateways together. Method: real nodes and gateways, of different nodes.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, Fleet, until } from './processes.ts'

const LIMIT = 1_000

let fleet: Fleet

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await fleet.close()
})

test('what one gateway lets pass the others do not let pass again', async () => {
  await fleet.form(3)
  const [one] = fleet.nodes
  const upstream = { targets: [{ url: await fleet.target('a') }] }
  const limits = [{ name: 'all', by: 'api', limit: LIMIT, windowMs: 3_600_000, scope: 'cluster' }]
  await call(`${one?.url}/v1/apis/shop`, 'PUT', {
    spec: {
      routes: [{ path: '/' }],
      upstream,
      plugins: { 'rate-limit': { limits, headers: 'x-ratelimit' } },
    },
  })
  // Each watches the first node that it is given.
  const gateways: Awaited<ReturnType<Fleet['gateway']>>[] = []
  for (const _ of fleet.nodes) {
    gateways.push(await fleet.gateway())
    fleet.nodes.push(...fleet.nodes.splice(0, 1))
  }
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  let asked = 0
  const ask = async (at: number): Promise<{ readonly status: number; readonly left: number }> => {
    asked += 1
    const { status, headers } = await call(gateways[at]?.traffic ?? '')
    return { status, left: Number(headers['x-ratelimit-remaining']) }
  }
  const isRefused = async (at: number): Promise<true | null> =>
    (await ask(at)).status === 429 ? true : null

  // The first request makes a gateway ask what the others have counted; from then on all begin their keys alike.
  for (const at of [1, 2]) {
    let before = LIMIT
    await until(`gateway ${at} counts what gateway 0 lets pass`, async () => {
      await ask(0)
      const { left } = await ask(at)
      const isMore = before - left > 1
      before = left
      return isMore ? true : null
    })
  }
  const before = asked
  let passed = 0
  while ((await ask(0)).status === 200) passed += 1
  await until('the second has heard of it', () => isRefused(1))
  await until('the third has heard of it', () => isRefused(2))
  expect(passed).toBeLessThanOrEqual(LIMIT)
  expect(passed).toBeGreaterThanOrEqual(LIMIT - before)
}, 60_000)
