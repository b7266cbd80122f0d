// Goal: a node without room writes nothing, acknowledges nothing, and goes on by itself. Method: nodes in one process
// whose room the test decides; the disks themselves have plenty.
import { expect, onTestFinished, test } from 'vitest'
import { eventually, foundCluster, leaderOf, putApi, type TestNode } from './cluster.ts'
import { HeldDisk } from './held-disk.ts'

async function open(count: number): Promise<TestNode[]> {
  const cluster = await foundCluster(count)
  onTestFinished(() => cluster.close())
  return cluster.nodes
}

function others(nodes: readonly TestNode[], one: TestNode): TestNode[] {
  return nodes.filter((node) => node !== one)
}

test('a full node that is alone refuses writes, serves reads, and goes on when there is room', async () => {
  const [lone] = await open(1)
  if (lone === undefined) throw new Error('no node')
  await leaderOf([lone])
  await lone.node.write(putApi('a'))
  for (const room of ['low', 'none'] as const) {
    lone.space.become(room)
    await expect(lone.node.write(putApi('b'))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await lone.node.readBarrier(1_000)
    expect(lone.node.state.get('Api', 'a')).toBeDefined()
  }
  lone.space.become('plenty')
  expect(await lone.node.write(putApi('b'))).toMatchObject({ revision: 2 })
})

test('writes under way when the disk fills are answered: what the log holds as done, the rest as uncertain', async () => {
  const disks: HeldDisk[] = []
  const cluster = await foundCluster(1, (disk, at) => (disks[at] = new HeldDisk(disk)))
  onTestFinished(() => cluster.close())
  const [lone] = cluster.nodes
  const [disk] = disks
  if (lone === undefined || disk === undefined) throw new Error('no node')
  await leaderOf([lone])
  await lone.node.write(putApi('a'))
  disk.hold()
  const atDisk = lone.node.write(putApi('b'))
  await eventually('it is at the disk', () => disk.waiting > 0)
  const behind = lone.node.write(putApi('c')).catch((error: unknown) => error)
  await lone.node.readBarrier(5_000)
  lone.space.become('none')
  disk.release()
  expect(await atDisk).toMatchObject({ revision: 2 })
  expect(await behind).toMatchObject({ code: 'WRITE_UNCERTAIN' })
  await lone.node.readBarrier(1_000)
  expect(lone.node.state.revision).toBe(2)
  lone.space.become('plenty')
  await lone.node.waitForRevision(3, 5_000)
  expect(lone.node.state.get('Api', 'c')).toBeDefined()
  expect(await lone.node.write(putApi('d'))).toMatchObject({ revision: 4 })
})

test('a full leader hands over to a voter that has room, and stays out of the way', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('a'))
  const [full, roomy] = others(nodes, leader)
  if (full === undefined || roomy === undefined) throw new Error('no nodes')
  full.space.become('low')
  await eventually('the leader knows', () =>
    leader.node.status().members.some(({ name, disk }) => name === full.name && disk === 'low'),
  )
  leader.space.become('low')
  await eventually('the one with room leads', () => roomy.node.isLeader)
  expect(await roomy.node.write(putApi('b'))).toMatchObject({ revision: 2 })
  await eventually('everybody knows', () => {
    const disks = roomy.node.status().members.map(({ disk }) => disk)
    return disks.filter((disk) => disk === 'low').length === 2
  })
})

test('when every voter is full the leader refuses and stays', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  for (const node of others(nodes, leader)) node.space.become('low')
  await eventually('the leader knows', () =>
    others(nodes, leader).every(({ name }) =>
      leader.node.status().members.some((one) => one.name === name && one.disk === 'low'),
    ),
  )
  leader.space.become('low')
  await expect(leader.node.write(putApi('a'))).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(leader.node.isLeader).toBe(true)
  for (const node of nodes) node.space.become('plenty')
  expect(await leader.node.write(putApi('a'))).toMatchObject({ revision: 1 })
})

test('a follower without any room is silent: it acknowledges nothing, and catches up when there is some', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  const [silent, other] = others(nodes, leader)
  if (silent === undefined || other === undefined) throw new Error('no nodes')
  await silent.node.waitForRevision(1, 5_000)
  silent.space.become('none')
  const held = silent.store.log.lastIndex()
  for (let n = 0; n < 20; n++) await leader.node.write(putApi(`w-${n}`))
  await other.node.waitForRevision(21, 5_000)
  expect(silent.store.log.lastIndex()).toBe(held)
  const { matchIndex } = leader.node.status().members.find(({ name }) => name === silent.name) ?? {}
  expect(matchIndex).toBe(held)
  // With a second one silent there is no majority, and nothing is acknowledged.
  other.space.become('none')
  const waiting = leader.node.write(putApi('waits'))
  const state = await Promise.race([
    waiting.then(() => 'acknowledged'),
    leader.node.waitForRevision(22, 300).catch(() => 'not'),
  ])
  expect(state).toBe('not')
  other.space.become('plenty')
  await waiting
  silent.space.become('plenty')
  await silent.node.waitForRevision(22, 5_000)
  expect(silent.node.state.hash).toBe(leader.node.state.hash)
  expect(nodes.map(({ fatal }) => fatal)).toEqual([null, null, null])
})

test('a node that waits for room can be stopped', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  const [silent] = others(nodes, leader)
  if (silent === undefined) throw new Error('no node')
  silent.space.become('none')
  await leader.node.write(putApi('a'))
  const held = silent.store.log.lastIndex()
  await silent.node.stop(0)
  expect(silent.store.log.lastIndex()).toBe(held)
})
