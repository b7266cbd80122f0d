// Goal: a change of the config is never felt by a request. Method: 1,000 changes while clients do not pause.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, Fleet, Load, until } from './processes.ts'

const CHANGES = 1_000

let fleet: Fleet

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await fleet.close()
})

test('1,000 route changes under load: not one response other than 2xx', async () => {
  await fleet.form(1)
  const targets = [await fleet.target('a'), await fleet.target('b')]
  const [node] = fleet.nodes
  const gateway = await fleet.gateway()
  const put = (change: number) =>
    call(`${node?.url}/v1/apis/busy`, 'PUT', {
      spec: {
        routes: [{ path: '/busy' }, { path: `/other-${change}` }],
        upstream: { targets: [{ url: targets[change % 2] }] },
      },
    })
  await put(0)
  await gateway.ready()
  await until('the route', async () =>
    (await call(`${gateway.traffic}/busy`)).status === 200 ? true : null,
  )

  const load = new Load([`${gateway.traffic}/busy/x`], 4)
  for (let change = 1; change <= CHANGES; change++) expect((await put(change)).status).toBe(200)
  const last = await call(`${node?.url}/v1/apis/done?wait=applied`, 'PUT', {
    spec: { routes: [{ path: '/done' }], upstream: { targets: [{ url: targets[0] }] } },
  })
  expect(last.body['rollout']).toMatchObject({ gateways: 1, applied: 1 })
  await load.stop()

  expect(load.failures).toEqual([])
  expect(load.answers).toBeGreaterThan(CHANGES)
  expect((await call(`${gateway.traffic}/other-${CHANGES}`)).status).toBe(200)
  expect((await call(`${gateway.traffic}/other-1`)).status).toBe(404)
})
