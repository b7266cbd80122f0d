// Goal: the driver sends and answers nothing before the disk has what it rests on. Method: real nodes whose disks are
// held; what must not have happened is looked at after a whole round trip on the links on which it would have come.
import { afterEach, expect, test } from 'vitest'
import { eventually, foundCluster, leaderOf, putApi, type TestNode } from './cluster.ts'
import { HeldDisk } from './held-disk.ts'

let close: (() => Promise<void>) | null = null
let disks: HeldDisk[] = []

afterEach(async () => {
  for (const disk of disks) disk.release()
  await close?.()
  close = null
  disks = []
})

async function open(count: number): Promise<TestNode[]> {
  const cluster = await foundCluster(count, (disk, at) => (disks[at] = new HeldDisk(disk)))
  close = () => cluster.close()
  return cluster.nodes
}

function diskOf(nodes: readonly TestNode[], node: TestNode): HeldDisk {
  return disks[nodes.indexOf(node)]!
}

/** Everything that a follower sent before this began has arrived: links never reorder. */
async function roundTrips(leader: TestNode): Promise<void> {
  for (let i = 0; i < 3; i++) await leader.node.readBarrier(5_000)
}

test('a follower acknowledges nothing before its disk has it', async () => {
  const nodes = await open(2)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  const follower = nodes.find((node) => node !== leader)!
  const { commitIndex } = leader.node.status()
  const disk = diskOf(nodes, follower)
  disk.hold()
  const write = leader.node.write(putApi('held'))
  await eventually('the entry is at the disk', () => disk.waiting > 0)
  // Nothing but the follower's word is missing now.
  await eventually('the leader has it', () => leader.store.log.lastIndex() > commitIndex)
  await roundTrips(leader)
  expect(leader.node.status().commitIndex).toBe(commitIndex)
  disk.release()
  expect((await write).revision).toBe(2)
})

test('a leader counts itself only once its own disk has the entry', async () => {
  const nodes = await open(2)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  const follower = nodes.find((node) => node !== leader)!
  const { commitIndex } = leader.node.status()
  const disk = diskOf(nodes, leader)
  disk.hold()
  const write = leader.node.write(putApi('held'))
  await eventually('the entry is at the disk', () => disk.waiting > 0)
  await eventually('the follower has it', () => follower.store.log.lastIndex() > commitIndex)
  await roundTrips(leader)
  expect(leader.node.status().commitIndex).toBe(commitIndex)
  disk.release()
  expect((await write).revision).toBe(2)
})

test('a vote in a term that was entered before is on disk before it is answered', async () => {
  const [one, ...others] = await open(3)
  const node = one!.node
  await Promise.all(others.map((other) => other.stop(0)))
  close = () => one!.stop(0)
  const [two, three] = others.map((other) => other.node.self.id)
  const hardState = () => one!.store.log.initialState().hardState
  const term = hardState().term + 10
  await eventually('nobody leads', () => node.leader() === null)
  // A candidate whose log is too short raises the term and gets nothing; the next one gets the vote, and nothing else.
  const vote = { type: 'vote', to: node.self.id, term, isTransfer: false } as const
  node.onMessage({ ...vote, from: two!, last: { term: 0, index: 0 } })
  await eventually('the term is durable', () => hardState().term === term)
  expect(hardState().vote).toBe(0)
  node.onMessage({ ...vote, from: three!, last: { term, index: 1_000 } })
  await eventually('the vote is durable', () => hardState().vote === three)
})

test('a read on a node that has not applied yet waits until it has', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('first'))
  const follower = nodes.find((node) => node !== leader)!
  await follower.node.waitForRevision(1, 5_000)
  const disk = diskOf(nodes, follower)
  // What is not durable on the follower itself is not applied there, though it is committed.
  disk.hold()
  const { revision } = await leader.node.write(putApi('second'))
  let seen: number | null = null
  const read = follower.node.readBarrier(5_000).then(() => (seen = follower.node.state.revision))
  await roundTrips(leader)
  expect(seen).toBeNull()
  disk.release()
  expect(await read).toBe(revision)
})

test('a guard is refused by what a quorum confirms, not by what a leader without followers believes', async () => {
  const nodes = await open(3)
  const leader = await leaderOf(nodes)
  await leader.node.write(putApi('a'))
  const action = putApi('a').action
  if (action.type !== 'operations') throw new Error('a put is an operation')
  const guarded = {
    ...putApi('a'),
    action: {
      ...action,
      operations: action.operations.map((each) => ({ ...each, ifRevision: 9 })),
    },
  }
  await expect(leader.node.write(guarded)).rejects.toMatchObject({ code: 'REVISION_CONFLICT' })
  await Promise.all(nodes.filter((node) => node !== leader).map((node) => node.stop(0)))
  close = () => leader.stop(0)
  const error: unknown = await leader.node.write(guarded).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: expect.stringMatching(/^(NO_LEADER|NOT_LEADER|TIMEOUT)$/) })
})
