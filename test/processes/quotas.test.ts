// Goal: what gateways count of quotas is exact enough to bill by. Method: real nodes and gateways, killed and stopped.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hashApiKey } from '../../shared/definitions/api-key.ts'
import { call, Fleet, until, type Process } from './processes.ts'

const KEY = 'k-0123456789'
const LIMIT = 1_000_000

let fleet: Fleet

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await fleet.close()
})

async function setUp(nodes: number): Promise<void> {
  await fleet.form(nodes)
  const url = fleet.nodes[0]?.url ?? ''
  const upstream = { targets: [{ url: await fleet.target('a') }] }
  const put = async (path: string, spec: object): Promise<void> => {
    expect((await call(`${url}/v1/${path}`, 'PUT', { spec })).status).toBeLessThan(300)
  }
  await put('plans/gold', { quotas: [{ name: 'calls', limit: LIMIT, period: 'year' }] })
  const keys = [{ name: 'main', hash: hashApiKey(KEY) }]
  await put('consumers/ada', { plans: ['gold'], credentials: { keys } })
  await put('apis/shop', {
    routes: [{ path: '/' }],
    upstream,
    plugins: { 'key-auth': {}, quota: {} },
  })
}

/** Makes requests one after another over some connections, until `done`; gives how many were answered 200. */
async function load(traffic: string, done: () => boolean): Promise<number> {
  let answered = 0
  const client = async (): Promise<void> => {
    while (!done()) {
      try {
        const { status } = await call(traffic, 'GET', undefined, { 'x-api-key': KEY })
        if (status === 200) answered += 1
      } catch {
        return
      }
    }
  }
  await Promise.all(Array.from({ length: 4 }, client))
  return answered
}

async function usedOn(node: Process | undefined): Promise<number> {
  const { body } = await call(`${node?.url}/v1/consumers/ada/usage`)
  const [quota] = body['quotas'] as { usage: { used: number }[] }[]
  return quota?.usage[0]?.used ?? 0
}

test('a graceful stop loses nothing, also while the control plane is away', async () => {
  await setUp(1)
  const [node] = fleet.nodes
  const gateway = await fleet.gateway()
  await gateway.ready()
  let end = Date.now() + 1_000
  let answered = await load(gateway.traffic, () => Date.now() > end)
  await gateway.kill('SIGTERM')
  expect(answered).toBeGreaterThan(20)
  expect(await usedOn(node)).toBe(answered)

  gateway.start()
  await gateway.ready()
  await node?.kill('SIGKILL')
  end = Date.now() + 1_000
  answered += await load(gateway.traffic, () => Date.now() > end)
  await gateway.kill('SIGTERM')
  node?.start()
  await node?.ready()
  expect(await usedOn(node)).toBeLessThan(answered)
  gateway.start()
  await until('what was kept is counted', async () =>
    (await usedOn(node)) === answered ? true : null,
  )
})

test('a gateway that is killed loses what it counted in its last moment, and no more', async () => {
  await setUp(1)
  const [node] = fleet.nodes
  const gateway = await fleet.gateway()
  await gateway.ready()
  const end = Date.now() + 5_000
  const loading = load(gateway.traffic, () => Date.now() > end + 3_000)
  await until('load', () => (Date.now() > end ? true : null))
  await gateway.kill('SIGKILL')
  const answered = await loading
  const used = await until('a steady count', async () => {
    const before = await usedOn(node)
    await new Promise((resolve) => setTimeout(resolve, 300))
    return before === (await usedOn(node)) ? before : null
  })
  // At most what 300 ms of five seconds come to; the goal is 1 % of what is billed, which is a day at the least.
  expect(used).toBeGreaterThan(answered * 0.94)
  // A request may be counted whose answer did not arrive.
  expect(used).toBeLessThanOrEqual(answered + 4)
}, 60_000)

test('gateways share a quota, and a leader that is killed forgets none of it', async () => {
  await setUp(3)
  const [one, two] = [await fleet.gateway(), await fleet.gateway()]
  await Promise.all([one.ready(), two.ready()])
  const leader = await fleet.leader()
  const end = Date.now() + 3_000
  const loading = Promise.all(
    [one, two].map(({ traffic }) => load(traffic, () => Date.now() > end)),
  )
  await until('half of the load', () => (Date.now() > end - 1_500 ? true : null))
  await leader.kill('SIGKILL')
  const answered = (await loading).reduce((sum, count) => sum + count, 0)
  const other = fleet.nodes.find((node) => node !== leader)
  await until('all is counted', async () => ((await usedOn(other)) === answered ? true : null))

  const { body } = await call(`${other?.url}/v1/consumers/ada/quotas/calls/top-up`, 'POST', {
    amount: 1_000,
  })
  expect(body['used']).toBe(answered - 1_000)
  await call(`${other?.url}/v1/plans/gold`, 'PUT', {
    spec: { quotas: [{ name: 'calls', limit: 1, period: 'year' }] },
  })
  await call(`${other?.url}/v1/consumers/ada/quotas/calls/reset`, 'POST')
  const ask = async ({ traffic }: { readonly traffic: string }): Promise<number> =>
    (await call(traffic, 'GET', undefined, { 'x-api-key': KEY })).status
  await until('the reset is known', async () => ((await ask(one)) === 200 ? true : null))
  await until('the quota is used up on both', async () => {
    const statuses = [await ask(one), await ask(two)]
    return statuses.every((status) => status === 429) ? true : null
  })
}, 90_000)
