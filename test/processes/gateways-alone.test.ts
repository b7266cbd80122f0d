// Goal: gateways do not need the control plane to serve. Method: all nodes are killed; requests go on.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, Fleet, Load, until, type Json } from './processes.ts'

let fleet: Fleet

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await fleet.close()
})

function spec(path: string, target: string): Json {
  return { routes: [{ path }], upstream: { targets: [{ url: target }] } }
}

test('with every node dead gateways serve on, also after a restart, and say so', async () => {
  await fleet.form(3)
  const target = await fleet.target('alive')
  const stays = await fleet.gateway()
  const restarts = await fleet.gateway()
  await Promise.all([
    stays.ready(10_000).catch(() => null),
    restarts.ready(10_000).catch(() => null),
  ])
  // A node hears of gateways that watch another one a moment later.
  await fleet.connected(2)
  const write = await call(`${fleet.nodes[0]?.url}/v1/apis/a?wait=applied`, 'PUT', {
    spec: spec('/a', target),
  })
  expect(write.body['rollout']).toMatchObject({ gateways: 2, applied: 2 })
  const revision = Number(write.body['revision'])

  const load = new Load([`${stays.traffic}/a`], 1)
  await Promise.all(fleet.nodes.map((node) => node.kill('SIGKILL')))
  const away = await until('the loss', async () => {
    const { body } = await call(`${stays.url}/status`)
    return (body['controlPlane'] as Json)['connected'] === false ? body : null
  })
  expect(away).toMatchObject({ revision, source: 'control-plane' })
  expect(Date.parse(String((away['controlPlane'] as Json)['awaySince']))).toBeGreaterThan(
    Date.now() - 60_000,
  )

  await restarts.kill('SIGKILL')
  restarts.start()
  await restarts.ready()
  expect((await call(`${restarts.traffic}/a`)).body).toMatchObject({ target: 'alive', path: '/a' })
  expect((await call(`${restarts.url}/status`)).body).toMatchObject({
    revision,
    source: 'last-good-file',
    controlPlane: { connected: false },
  })
  await load.stop()
  expect(load.failures).toEqual([])
  expect(load.answers).toBeGreaterThan(10)

  // The control plane returns: the gateways follow again.
  for (const node of fleet.nodes) node.start()
  await Promise.all(fleet.nodes.map((node) => node.ready()))
  await fleet.connected(2)
  const again = await call(`${fleet.nodes[1]?.url}/v1/apis/b?wait=applied`, 'PUT', {
    spec: spec('/b', target),
  })
  expect(again.body['rollout']).toMatchObject({ gateways: 2, applied: 2 })
  expect((await call(`${restarts.traffic}/b`)).status).toBe(200)
  expect((await call(`${restarts.url}/status`)).body).toMatchObject({ source: 'control-plane' })
})

test('a damaged last-good file is refused by its checksum, and the gateway does not serve it', async () => {
  await fleet.form(1)
  const target = await fleet.target('alive')
  const gateway = await fleet.gateway()
  const [node] = fleet.nodes
  await gateway.ready()
  await call(`${node?.url}/v1/apis/a?wait=applied`, 'PUT', { spec: spec('/a', target) })
  await gateway.kill('SIGTERM')
  await node?.kill('SIGKILL')
  const files = (await readdir(gateway.dataDir)).filter((name) => name.startsWith('last-good'))
  expect(files.length).toBeGreaterThan(0)
  for (const name of files) {
    const path = join(gateway.dataDir, name)
    const bytes = await readFile(path)
    bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1
    await writeFile(path, bytes)
  }
  gateway.start()
  await until('the gateway is up', async () =>
    (await call(`${gateway.url}/healthz`)).status === 200 ? true : null,
  )
  await until('it says so', () => (/checksum/i.test(gateway.output) ? true : null))
  expect((await call(`${gateway.url}/readyz`)).status).toBe(503)
  const refused = await until('it takes requests', () => call(`${gateway.traffic}/a`))
  expect(refused.status).toBe(503)
  expect(refused.body).toMatchObject({ error: { code: 'NO_CONFIG' } })
})

test('a gateway serves a directory of definitions without any control plane', async () => {
  await fleet.form(1)
  const target = await fleet.target('files')
  const [node] = fleet.nodes
  await call(`${node?.url}/v1/apis/a`, 'PUT', { spec: spec('/a', target) })
  const dir = join(node?.dataDir ?? '', 'definitions')
  await until('the file', async () => ((await readdir(dir)).includes('REVISION') ? true : null))
  await node?.kill('SIGTERM')
  fleet.nodes.length = 0
  const gateway = await fleet.gateway(['--definitions', dir])
  await gateway.ready()
  expect((await call(`${gateway.traffic}/a`)).body).toMatchObject({ target: 'files' })
  expect((await call(`${gateway.url}/status`)).body).toMatchObject({
    source: 'definitions',
    routes: 1,
  })
})
