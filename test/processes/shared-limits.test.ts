// Goal: a limit of scope cluster holds for all gateways together. Method: real nodes and gateways, of different nodes.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, Fleet, until } from './processes.ts'

const LIMIT = 100

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
    spec: { routes: [{ path: '/' }], upstream, plugins: { 'rate-limit': { limits } } },
  })
  // Each watches the first node that it is given.
  const gateways: Awaited<ReturnType<Fleet['gateway']>>[] = []
  for (const _ of fleet.nodes) {
    gateways.push(await fleet.gateway())
    fleet.nodes.push(...fleet.nodes.splice(0, 1))
  }
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  const ask = async (at: number): Promise<number> =>
    (await call(gateways[at]?.traffic ?? '')).status
  // The first request makes a gateway ask what the others have counted; from then on all begin their keys alike.
  for (const at of [0, 1, 2]) expect(await ask(at)).toBe(200)

  let passed = 0
  while ((await ask(0)) === 200) passed += 1
  await until('the second has heard of it', async () => ((await ask(1)) === 429 ? true : null))
  await until('the third has heard of it', async () => ((await ask(2)) === 429 ? true : null))
  // Those that were counted before the gateways began their keys alike count for nothing.
  expect(passed).toBeLessThanOrEqual(LIMIT)
  expect(passed).toBeGreaterThanOrEqual(LIMIT - 3)
}, 60_000)
