// Goal: boxes come, move and go as people do it: by starting and stopping processes. Method: real processes on loopback.
import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, Fleet, freePort, Process, until, type Json } from './processes.ts'

let fleet: Fleet
let moved: Process[] = []

beforeEach(async () => {
  fleet = await Fleet.open()
})

afterEach(async () => {
  await Promise.all(moved.map((node) => node.kill('SIGKILL')))
  moved = []
  await fleet.close()
})

async function membersOf(node: Process): Promise<readonly Json[]> {
  return (await call(`${node.url}/v1/cluster`)).body['members'] as Json[]
}

function put(node: Process, name: string): Promise<{ status: number; body: Json }> {
  const upstream = { targets: [{ url: 'http://127.0.0.1:9' }] }
  return call(`${node.url}/v1/apis/${name}`, 'PUT', {
    spec: { routes: [{ path: `/${name}` }], upstream },
  })
}

async function exitCode(node: Process): Promise<number | null> {
  await until(`${node.name} ends`, () => (node.isRunning ? null : true))
  return node.kill('SIGTERM')
}

/** The same node under other ports; with a join list that names the new ones. */
async function elsewhere(node: Process, peer: string, join: readonly string[]): Promise<Process> {
  const api = await freePort()
  const url = `http://127.0.0.1:${api}`
  const args = ['server', 'start', '--name', node.name, '--data-dir', node.dataDir]
  args.push('--api', `127.0.0.1:${api}`, '--peer', peer, '--join', join.join())
  const again = new Process(node.name, url, node.dataDir, args)
  moved.push(again)
  again.start()
  return again
}

test('a removed node ends with its own exit code and the reason, also when started again, and joins anew when emptied', async () => {
  await fleet.form(3)
  const leader = await fleet.leader()
  const node = fleet.nodes.find((one) => one !== leader)
  if (node === undefined) throw new Error('no follower')
  // Through the node itself: it answers before it ends.
  expect((await call(`${node.url}/v1/cluster/members/${node.name}`, 'DELETE', {})).status).toBe(200)
  expect(await exitCode(node)).toBe(7)
  expect(node.output).toContain(`${node.name} was removed from cluster`)

  node.output = ''
  node.start()
  expect(await exitCode(node)).toBe(7)
  expect(node.output).toMatch(/MEMBER_REMOVED: .*empty data directory/)

  await rm(node.dataDir, { recursive: true })
  node.start()
  await until('it votes again', async () => {
    const members = await membersOf(leader)
    return members.some(({ name, role }) => name === node.name && role === 'voter') ? true : null
  })
})

test('all members move to other ports at once, and find each other through the addresses given to them', async () => {
  await fleet.form(3)
  expect((await put(await fleet.leader(), 'before')).status).toBe(201)
  const codes = await Promise.all(fleet.nodes.map((node) => node.kill('SIGTERM')))
  expect(codes).toEqual([0, 0, 0])
  const peers: string[] = []
  for (const _node of fleet.nodes) peers.push(`127.0.0.1:${await freePort()}`)
  const nodes = await Promise.all(
    fleet.nodes.map((node, at) => elsewhere(node, peers[at] ?? '', peers)),
  )
  await Promise.all(nodes.map((node) => node.ready()))
  const [first] = nodes
  if (first === undefined) throw new Error('no node')
  await until('everybody is known at the new address', async () => {
    const known = (await membersOf(first)).map(({ peer }) => String(peer)).toSorted()
    return known.join() === peers.toSorted().join() ? true : null
  })
  expect((await put(first, 'after')).body['revision']).toBe(2)
})
