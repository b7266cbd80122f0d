import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type Server } from '../../control-plane/main.ts'
import { SILENT } from '../../shared/logger.ts'
import { raftway, type Ran } from './terminal.ts'

// Commands that need more than one node: a cluster of one that two others join, all in this process.

let folder = ''
const servers: Server[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raftway-cluster-'))
  for (const name of ['n1', 'n2', 'n3']) await add(name)
})

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  await rm(folder, { recursive: true, force: true })
})

async function add(name: string): Promise<void> {
  const address = { host: '127.0.0.1', port: 0 }
  const [first] = servers
  const server = await startServer({
    name,
    dataDir: join(folder, name),
    api: address,
    peer: address,
    join: first === undefined ? [] : [first.peer],
    expect: null,
    advertiseApi: null,
    advertisePeer: null,
    logger: SILENT,
  })
  servers.push(server)
  await server.formed
}

function cluster(line: string): Promise<Ran> {
  const control = servers.map(({ apiUrl }) => apiUrl).join(',')
  return raftway(['cluster', ...line.split(' ')], { env: { RAFTWAY_CONTROL: control } })
}

async function leader(): Promise<string> {
  return (await cluster('leader')).out.split(' ')[0] ?? ''
}

test('leadership moves as told; a node that is down is shown as down, and removed for good', async () => {
  await expect
    .poll(async () => (await cluster('status')).out, { timeout: 25_000 })
    .toContain('voters: 3 of 3 up; one more may fail')

  for (const name of ['n2', 'n3']) {
    const moved = await cluster(`transfer-leader ${name}`)
    expect(moved).toEqual({ exit: 0, out: `${name} leads\n`, said: '' })
    await expect.poll(leader).toBe(name)
  }
  const anywhere = await cluster('transfer-leader')
  expect(anywhere.exit).toBe(0)
  expect(anywhere.out).toMatch(/^n[12] leads\n$/)
  expect((await cluster('transfer-leader nobody')).exit).toBe(5)

  const [stopped] = servers.splice(2, 1)
  await stopped?.stop()
  await expect
    .poll(async () => (await cluster('status')).out, { timeout: 20_000 })
    .toMatch(/^n3 +voter +- +down +/m)
  const { exit, out } = await cluster('status')
  expect(exit).toBe(0)
  expect(out).toContain('voters: 2 of 3 up; none may fail')

  expect(await cluster('remove n3')).toEqual({ exit: 0, out: 'n3 removed\n', said: '' })
  expect((await cluster('members')).out).not.toContain('n3')
  expect((await cluster('remove n3')).exit).toBe(5)
}, 60_000)
