// Goal: a definition pushed to any node reaches every gateway, and the loss of the leader costs nothing that was
// acknowledged. Method: real processes, real disks, SIGKILL.
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, filesBelow, Fleet, Load, until, type Json, type Process } from './processes.ts'

let fleet: Fleet

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await fleet.close()
})

function api(path: string, target: string): Json {
  return { spec: { routes: [{ path }], upstream: { targets: [{ url: target }] } } }
}

async function followerOf(leader: Process): Promise<Process> {
  const follower = fleet.nodes.find((node) => node !== leader && node.isRunning)
  if (follower === undefined) throw new Error('no follower')
  return follower
}

test('a definition pushed to a follower is served by every gateway at once, and lies on every node', async () => {
  await fleet.form(3)
  const target = await fleet.target('one')
  const gateways = [await fleet.gateway(), await fleet.gateway()]
  const follower = await followerOf(await fleet.leader())
  expect((await call(`${follower.url}/v1/apis/first`, 'PUT', api('/first', target))).status).toBe(
    201,
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  await fleet.connected(2)
  // Once through every part, so that what is timed has been compiled before.
  const first = await call(
    `${follower.url}/v1/apis/first?wait=applied`,
    'PUT',
    api('/first', target),
  )
  expect(first.body['rollout']).toMatchObject({ gateways: 2, applied: 2 })
  await Promise.all(gateways.map((gateway) => call(`${gateway.traffic}/first`)))

  // Without waiting: within 100 ms of the acknowledgement.
  for (let round = 0; round < 5; round++) {
    const answer = await call(
      `${follower.url}/v1/apis/round-${round}`,
      'PUT',
      api(`/round-${round}`, target),
    )
    const acknowledged = performance.now()
    expect(answer.status).toBe(201)
    await Promise.all(
      gateways.map((gateway) =>
        until('the route', async () => {
          const { status } = await call(`${gateway.traffic}/round-${round}`)
          return status === 200 ? true : null
        }),
      ),
    )
    expect(performance.now() - acknowledged).toBeLessThan(100)
  }

  // With `wait=applied`: at once, and the answer says so.
  const waited = await call(
    `${follower.url}/v1/apis/waited?wait=applied`,
    'PUT',
    api('/waited', target),
  )
  expect(waited.body['rollout']).toMatchObject({ gateways: 2, applied: 2, behind: [] })
  for (const gateway of gateways) {
    expect((await call(`${gateway.traffic}/waited`)).body).toEqual({
      target: 'one',
      method: 'GET',
      path: '/waited',
    })
  }

  // The files are on all three nodes, byte for byte the same.
  const revision = String(waited.body['revision'])
  const trees = await until('the files', async () => {
    const found = await Promise.all(
      fleet.nodes.map((node) => filesBelow(join(node.dataDir, 'definitions'))),
    )
    return found.every((tree) => tree.get('REVISION')?.trim() === revision) ? found : null
  })
  expect([...(trees[0]?.keys() ?? [])].length).toBe(8)
  expect(trees[1]).toEqual(trees[0])
  expect(trees[2]).toEqual(trees[0])
})

test('the leader is killed under writes and requests: nothing acknowledged is lost, no request fails', async () => {
  await fleet.form(3)
  const target = await fleet.target('steady')
  const gateways = [await fleet.gateway(), await fleet.gateway()]
  const leader = await fleet.leader()
  const follower = await followerOf(leader)
  await call(`${follower.url}/v1/apis/steady`, 'PUT', api('/steady', target))
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  for (const gateway of gateways) {
    await until('the route', async () =>
      (await call(`${gateway.traffic}/steady`)).status === 200 ? true : null,
    )
  }

  const load = new Load(gateways.map((gateway) => `${gateway.traffic}/steady`))
  const acknowledged = new Map<string, number>()
  const refused: string[] = []
  const stop = new AbortController()
  const writer = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const { status, body } = await call(
        `${follower.url}/v1/apis/w-${i}`,
        'PUT',
        api(`/w-${i}`, target),
      )
      if (status === 201) acknowledged.set(`w-${i}`, Number(body['revision']))
      else refused.push(`${status} ${JSON.stringify(body)}`)
    }
  })()

  await until('writes', () => (acknowledged.size >= 20 ? true : null))
  await leader.kill('SIGKILL')
  const atKill = acknowledged.size
  const killedAt = performance.now()
  await until('writes after the kill', () => (acknowledged.size > atKill + 1 ? true : null))
  expect(performance.now() - killedAt).toBeLessThan(5_000)
  await until('more writes', () => (acknowledged.size >= atKill + 20 ? true : null))
  stop.abort()
  await writer
  await load.stop()

  expect(refused).toEqual([])
  expect(load.failures).toEqual([])
  expect(load.answers).toBeGreaterThan(50)

  // The killed node comes back and catches up; everyone has every acknowledged write at its revision.
  leader.start()
  await leader.ready()
  for (const node of fleet.nodes) {
    const { body } = await call(`${node.url}/v1/config`)
    const found = new Map(
      (body['definitions'] as Json[]).map((one) => [String(one['name']), Number(one['revision'])]),
    )
    for (const [name, revision] of acknowledged)
      expect([node.name, name, found.get(name)]).toEqual([node.name, name, revision])
  }
  // Revisions are handed out once.
  expect(new Set(acknowledged.values()).size).toBe(acknowledged.size)
})

test('a fourth node with the same options joins, catches up and votes', async () => {
  await fleet.form(3)
  const target = await fleet.target('four')
  const [first] = fleet.nodes
  await call(`${first?.url}/v1/apis/early`, 'PUT', api('/early', target))
  const fourth = await fleet.another()
  await fourth.ready()
  await until('a fourth voter', async () => {
    const { body } = await call(`${first?.url}/v1/cluster`)
    const members = body['members'] as Json[]
    return members.length === 4 && members.every(({ role }) => role === 'voter') ? true : null
  })
  const { body } = await call(`${fourth.url}/v1/apis/early?consistency=stale`)
  expect(body).toMatchObject({ kind: 'Api', name: 'early' })
  // It takes writes like the others.
  expect((await call(`${fourth.url}/v1/apis/late`, 'PUT', api('/late', target))).status).toBe(201)
})

test('a node that is killed at any moment restarts with everything that it acknowledged', async () => {
  await fleet.form(1)
  const target = await fleet.target('alone')
  const [node] = fleet.nodes
  if (node === undefined) throw new Error('no node')
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    const killed = new AbortController()
    const before = acknowledged.length
    const writers = Array.from({ length: 4 }, async (_, at) => {
      for (let i = 0; !killed.signal.aborted; i++) {
        const name = `r${round}-${at}-${i}`
        const answer = await call(
          `${node.url}/v1/apis/${name}`,
          'PUT',
          api(`/${name}`, target),
        ).catch(() => null)
        if (answer?.status === 201) acknowledged.push(name)
      }
    })
    await until('some writes', () => (acknowledged.length >= before + 10 ? true : null))
    await node.kill('SIGKILL')
    killed.abort()
    await Promise.all(writers)
    node.start()
    await node.ready()
    const { body } = await call(`${node.url}/v1/config`)
    const names = new Set((body['definitions'] as Json[]).map((one) => one['name']))
    expect(acknowledged.filter((name) => !names.has(name))).toEqual([])
  }
})
