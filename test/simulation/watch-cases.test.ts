// Each case is a kind of bug that the published tests of a comparable store have found in its watches. Method: whole
// nodes on virtual time, and one thing that goes wrong; what a watcher saw is held against what was committed.
import { expect, test } from 'vitest'
import {
  calmWorld,
  DirectedWatch,
  followerOf,
  isolate,
  leaderOf,
  put,
  putMany,
  until,
} from './directed.ts'
import { SHORT } from './profiles.ts'
import type { World } from './world.ts'

/** Writes until history is compacted, and gives the revision up to which it is. */
async function compacted(world: World, beyond = 0): Promise<number> {
  const { node } = leaderOf(world)
  const isCompacted = () => (node?.state.compactedRevision ?? 0) > beyond
  for (let round = 0; round < 20 && !isCompacted(); round++) {
    await putMany(world, 5)
    await world.pass(500)
  }
  return node?.state.compactedRevision ?? 0
}

test('starvation: a watcher that reads slowly while writes keep coming loses nothing', async () => {
  const world = await calmWorld(3, { bounds: { watcherQueueBytesMax: 1_000_000 } })
  const watch = new DirectedWatch(world, followerOf(world))
  await until(world, 'it has its snapshot', () => watch.types.includes('snapshot-end'))
  watch.isReading = false
  for (let round = 0; round < 40; round++) {
    await putMany(world, 2)
    watch.takeOne()
  }
  watch.isReading = true
  await put(world, 'last')
  await until(world, 'it has everything', () => watch.revision === world.oracle.newest)
  expect(watch.problems()).toEqual([])
  expect(watch.types.filter((type) => type === 'change')).toHaveLength(world.oracle.newest)
})

test('starvation: one that does not read at all is cut off, and what it got is without a gap', async () => {
  const world = await calmWorld(1)
  const watch = new DirectedWatch(world, leaderOf(world))
  await until(world, 'it has its snapshot', () => watch.types.includes('snapshot-end'))
  watch.isReading = false
  for (let at = 0; at < 80 && !watch.isEnded; at++) await put(world, 'k')
  watch.takeAll()
  expect(watch.lines.at(-1)).toMatchObject({ type: 'closed', code: 'WATCHER_TOO_SLOW' })
  expect(watch.problems()).toEqual([])
})

test('time travel: a watch on a node behind a partition goes on, never back', async () => {
  const world = await calmWorld(3)
  const follower = followerOf(world)
  await putMany(world, 3)
  const watch = new DirectedWatch(world, follower)
  await until(world, 'it is up to date', () => watch.revision === world.oracle.newest)
  isolate(world, follower)
  await putMany(world, 4)
  await world.pass(1_000)
  expect(watch.revision).toBe(3)
  world.network.heal()
  await until(world, 'it has the rest', () => watch.revision === world.oracle.newest)
  expect(watch.problems()).toEqual([])
})

test('time travel: who has seen more than a node that is cut off is not served by it', async () => {
  const world = await calmWorld(3)
  const follower = followerOf(world)
  await putMany(world, 2)
  await world.pass(500)
  isolate(world, follower)
  await putMany(world, 3)
  const watch = new DirectedWatch(world, follower, world.oracle.newest)
  await until(world, 'it is refused', () => watch.refusal !== null)
  expect(watch.lines).toEqual([])
})

test('a node that was too far behind and took a snapshot tells its watchers so, and leaves nothing out', async () => {
  const world = await calmWorld(3)
  const follower = followerOf(world)
  await putMany(world, 2)
  const watch = new DirectedWatch(world, follower)
  await until(world, 'it is up to date', () => watch.revision === 2)
  isolate(world, follower)
  await putMany(world, 60)
  await world.pass(1_000)
  world.network.heal()
  await until(world, 'it has everything', () => watch.revision === world.oracle.newest)
  await putMany(world, 2)
  await until(world, 'and goes on', () => watch.revision === world.oracle.newest)
  expect(watch.types).toContain('compacted')
  expect(watch.problems()).toEqual([])
})

test.each([
  ['at the compacted revision exactly: the changes follow, without a snapshot', 0, false],
  ['one before the compacted revision: it is told so, and gets a snapshot', -1, true],
  ['one after the compacted revision: the changes follow', 1, false],
])('the compaction boundary, %s', async (_, distance, isReset) => {
  const world = await calmWorld(1)
  const from = (await compacted(world, 2)) + distance
  const watch = new DirectedWatch(world, leaderOf(world), from)
  await until(world, 'it is up to date', () => watch.revision === world.oracle.newest)
  expect(watch.types.includes('snapshot')).toBe(isReset)
  expect(watch.types[0]).toBe(isReset ? 'compacted' : 'change')
  expect(watch.problems()).toEqual([])
})

test('compaction while a watcher catches up: what it has not got yet it gets by a snapshot', async () => {
  const retention = { ...SHORT, historyRevisions: 30, historyMs: 100, historyCheckMs: 100_000 }
  const world = await calmWorld(1, { retention })
  await putMany(world, 60)
  const leader = leaderOf(world)
  const watch = new DirectedWatch(world, leader, 5)
  watch.isReading = false
  await until(world, 'something waits for it', () => {
    watch.takeOne()
    return watch.revision >= 7
  })
  // It stands between two pages of history now.
  let isCompacted = false
  const onCompacted = (): void => {
    isCompacted = true
  }
  leader.store?.compactHistory(40).then(onCompacted, (error: unknown) => {
    world.oracle.fail(String(error))
  })
  await until(world, 'history is gone', () => isCompacted)
  watch.isReading = true
  watch.takeAll()
  await until(world, 'it has everything', () => watch.revision === world.oracle.newest)
  expect(watch.types).toContain('compacted')
  expect(watch.problems()).toEqual([])
})

test('a bookmark says what was sent, not what is on its way', async () => {
  const world = await calmWorld(3, { bounds: { bookmarkMs: 20, watcherQueueBytesMax: 1_000_000 } })
  const watches = world.machines.map((machine) => new DirectedWatch(world, machine))
  for (let round = 0; round < 10; round++) {
    await putMany(world, 3)
    for (const [at, watch] of watches.entries()) watch.isReading = (round + at) % 3 !== 0
    await world.pass(30)
  }
  for (const watch of watches) watch.isReading = true
  await put(world, 'last')
  for (const watch of watches) {
    await until(world, 'it has everything', () => watch.revision === world.oracle.newest)
    expect(watch.types).toContain('bookmark')
    expect(watch.problems()).toEqual([])
  }
})

test('a watch from a revision of the future begins anew, and gets nothing before it', async () => {
  const world = await calmWorld(3)
  await putMany(world, 3)
  await world.pass(500)
  const watch = new DirectedWatch(world, followerOf(world), world.oracle.newest + 5)
  await until(world, 'it has a snapshot', () => watch.types.includes('snapshot-end'))
  expect(watch.types[0]).toBe('compacted')
  expect(watch.revision).toBe(world.oracle.newest)
})

test('a revision that this node does not have yet is no revision of the future', async () => {
  const world = await calmWorld(3)
  const follower = followerOf(world)
  await putMany(world, 2)
  await world.pass(500)
  // The node lags: its disk and its links stand still, and it can be asked all the same.
  isolate(world, follower)
  await putMany(world, 3)
  const { newest } = world.oracle
  world.network.heal()
  const watch = new DirectedWatch(world, follower, newest)
  await put(world, 'next')
  await until(world, 'it goes on', () => watch.revision === newest + 1)
  expect(watch.types.filter((type) => type !== 'bookmark')).toEqual(['change'])
  expect(watch.problems()).toEqual([])
})

test('progress after a reconnect to a node that lags is told of nothing that it took back', async () => {
  const world = await calmWorld(3, { bounds: { bookmarkMs: 40 } })
  const follower = followerOf(world)
  await putMany(world, 2)
  await world.pass(500)
  isolate(world, follower)
  await putMany(world, 4)
  const { newest } = world.oracle
  world.network.heal()
  const watch = new DirectedWatch(world, follower, newest)
  await until(world, 'it hears a bookmark', () => watch.types.includes('bookmark'))
  expect(watch.lines.every((line) => !('revision' in line) || line.revision >= newest)).toBe(true)
  expect(watch.problems()).toEqual([])
})
