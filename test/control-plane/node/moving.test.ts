// Goal: a member that comes back elsewhere, or that was taken out while it was away, is recognised without anybody's
// help. Method: real nodes on real ports; each restart takes new ones.
import { rm } from 'node:fs/promises'
import { afterEach, expect, test } from 'vitest'
import { assertNotRemoved } from '../../../control-plane/node/removal.ts'
import { eventually, foundCluster, leaderOf, putApi, TestNode } from './cluster.ts'

let running: TestNode[] = []
let dir = ''

afterEach(async () => {
  await Promise.all(running.map((one) => one.stop(0)))
  if (dir !== '') await rm(dir, { recursive: true, force: true })
  running = []
})

async function found(count: number): Promise<TestNode[]> {
  const cluster = await foundCluster(count)
  dir = cluster.dir
  running = cluster.nodes
  const leader = await leaderOf(running)
  await leader.node.write(putApi('before'))
  return running
}

/** The same node again, on another port and perhaps under another name. */
async function restart(node: TestNode, seeds: readonly string[] = [], name = node.name) {
  running = running.filter((one) => one !== node)
  const prepared = await TestNode.prepare(dir, node.name, 0, name)
  const again = TestNode.begin(prepared, [], seeds)
  running.push(again)
  return again
}

function peersOf(one: TestNode): string[] {
  return one.node
    .status()
    .members.map(({ name, peer }) => `${name} ${peer}`)
    .toSorted()
}

/** Every node's membership names every node where it is now. */
async function settled(): Promise<void> {
  const wanted = running.map(({ node }) => `${node.self.name} ${node.self.peer}`).toSorted()
  await eventually(
    'everybody knows where everybody is',
    () => running.every((one) => peersOf(one).join() === wanted.join()),
    15_000,
  )
}

/** Writes, and gives the revision once every node has it. */
async function writes(name: string): Promise<number> {
  const leader = await leaderOf(running)
  const { revision } = await leader.node.write(putApi(name))
  await Promise.all(running.map(({ node }) => node.waitForRevision(revision, 5_000)))
  return revision
}

test.each(['a follower', 'the leader'])('%s that restarts on other ports is found', async (who) => {
  await found(3)
  const leader = await leaderOf(running)
  const moving = who === 'the leader' ? leader : running.find((one) => one !== leader)
  if (moving === undefined) throw new Error('nobody moves')
  const before = moving.node.self
  await moving.stop(0)
  const again = await restart(moving)
  expect(again.node.self.peer).not.toBe(before.peer)
  expect(again.node.self.id).toBe(before.id)
  await settled()
  expect(await writes('after')).toBe(2)
})

test('a cluster of one that moved says so itself', async () => {
  const [one] = await found(1)
  if (one === undefined) throw new Error('no node')
  await one.stop(0)
  await restart(one)
  await settled()
  expect(await writes('after')).toBe(2)
})

test('all members at once are found through the addresses they were given, even if only one of them is named', async () => {
  const old = [...(await found(3))]
  await Promise.all(old.map((one) => one.stop(0)))
  const [first, second, third] = old
  if (first === undefined || second === undefined || third === undefined) throw new Error('three')
  const seed = await restart(first)
  await restart(second, [seed.transport.address])
  await restart(third, [seed.transport.address])
  await settled()
  expect(await writes('after')).toBe(2)
})

test('two members that change places are told apart', async () => {
  const old = [...(await found(3))]
  await Promise.all(old.map((one) => one.stop(0)))
  const ports = old.map(({ transport }) => transport.port)
  running = []
  // Each takes the port of the next.
  for (const [at, one] of old.entries()) {
    const prepared = await TestNode.prepare(dir, one.name, ports[(at + 1) % 3])
    const seeds = old.map(({ transport }) => transport.address)
    running.push(TestNode.begin(prepared, [], seeds))
  }
  await settled()
  expect(await writes('after')).toBe(2)
})

test('a member under another name is renamed, but not to the name of another one', async () => {
  await found(3)
  const leader = await leaderOf(running)
  const [one, other] = running.filter((node) => node !== leader)
  if (one === undefined || other === undefined) throw new Error('two followers')
  await one.stop(0)
  await restart(one, [], 'renamed')
  await settled()
  await other.stop(0)
  const clashing = await restart(other, [], 'renamed')
  // It goes on under its old name.
  await eventually('it has a leader', () => clashing.node.leader())
  expect(await writes('after')).toBe(2)
  expect(clashing.node.status().members.map(({ name }) => name)).toContain(other.name)
})

test('a member that was taken out while it was down learns it at its next start, and remembers', async () => {
  await found(3)
  const leader = await leaderOf(running)
  const away = running.find((one) => one !== leader)
  if (away === undefined) throw new Error('no follower')
  await away.stop(0)
  await leader.node.removeMember(away.name)
  const again = await restart(away)
  const end = await eventually('it ends', () => again.fatal, 15_000)
  expect(end).toMatchObject({ code: 'MEMBER_REMOVED', message: expect.stringContaining(away.name) })
  await expect(assertNotRemoved(again.store.notes)).rejects.toMatchObject({
    code: 'MEMBER_REMOVED',
    message: expect.stringContaining('empty data directory'),
  })
  await again.stop(0)
  running = running.filter((one) => one !== again)
  expect(await writes('after')).toBe(2)
})

test('a node without a majority around it takes nobody’s silence for its removal', async () => {
  await found(3)
  const [last, ...others] = running
  await Promise.all(others.map((one) => one.stop(0)))
  running = last === undefined ? [] : [last]
  await eventually('it has lost its leader', () => last?.node.leader() === null)
  const companion = others[0]
  if (companion === undefined) throw new Error('no companion')
  await restart(companion)
  await leaderOf(running)
  await eventually('both are told', () => running.every(({ node }) => node.leader() !== null))
  expect(running.map(({ fatal }) => fatal)).toEqual([null, null])
})
