// Cases of snapshots on their way: whole nodes with a log that keeps little, and one that is too far behind for it.
import { expect, test } from 'vitest'
import { calmWorld, followerOf, isolate, leaderOf, put, putMany, until } from './directed.ts'
import type { Machine } from './machine.ts'
import { SHORT } from './profiles.ts'
import type { World } from './world.ts'

const LITTLE = { ...SHORT, logEntries: 12, logCheckMs: 50 }

function hashOf({ node }: Machine): string | undefined {
  return node?.state.hash
}

/** Everything that a machine keeps on its disk of a state, by generation. */
function generationsOf({ platter }: Machine): ReadonlySet<number> {
  const states = platter.view().keys.filter((key) => key.startsWith('s'))
  return new Set(states.map((key) => Buffer.from(key, 'latin1').readUInt32BE(1)))
}

/** A follower that was away until the log of the others no longer goes back to where it is. */
async function fallBehind(world: World): Promise<Machine> {
  await putMany(world, 5)
  const leader = leaderOf(world)
  const behind = followerOf(world)
  await until(world, 'all have it', () => hashOf(behind) === hashOf(leader))
  const last = behind.store?.log.lastIndex() ?? 0
  isolate(world, behind)
  await putMany(world, 40)
  await until(world, 'the log is compacted', () =>
    world.machines
      .filter((machine) => machine !== behind)
      .every(({ store }) => (store?.log.firstIndex() ?? 0) > last + 1),
  )
  return behind
}

test('a learner that joins after the log was compacted catches up and votes while writes go on', async () => {
  const world = await calmWorld(3, { retention: LITTLE })
  await putMany(world, 40)
  const leader = leaderOf(world)
  await until(world, 'the log is compacted', () => (leader.store?.log.firstIndex() ?? 0) > 20)
  const joining = world.addMachine()
  joining.start()
  const role = () => leader.node?.status().members.find(({ name }) => name === joining.name)?.role
  let whileLearning = 0
  for (let at = 0; role() !== 'voter' && at < 500; at++) {
    const { status } = await put(world, `w${at % 5}`)
    expect(status).toBe(200)
    if (role() === 'learner') whileLearning++
  }
  expect(role()).toBe('voter')
  // It was no moment's work: the log moved on, and was compacted, while it learned.
  expect(whileLearning).toBeGreaterThan(LITTLE.logEntries)
  expect(leaderOf(world)).toBe(leader)
  await until(world, 'it has everything', () => hashOf(joining) === hashOf(leader))
  // Its vote counts: with it and one other there is a majority of four.
  const [lost] = world.machines.filter((machine) => machine !== leader && machine !== joining)
  lost?.crash('power')
  expect((await put(world, 'after')).status).toBe(200)
  await until(world, 'it has that too', () => hashOf(joining) === hashOf(leader))
})

test.each(['its sender dies', 'the link is cut'] as const)(
  'a snapshot that breaks off because %s leaves the old state, and the next one arrives',
  async (why) => {
    const world = await calmWorld(3, { retention: LITTLE })
    const behind = await fallBehind(world)
    const before = { hash: hashOf(behind), revision: behind.node?.state.revision }
    const [inForce] = generationsOf(behind)
    const sender = leaderOf(world)
    world.network.heal()
    const isHalf = () => generationsOf(behind).size === 2
    await until(world, 'half of it is here', isHalf)
    if (why === 'its sender dies') sender.crash('power')
    else isolate(world, behind)
    await until(world, 'what came is thrown away', () => !isHalf())
    expect([...generationsOf(behind)]).toEqual([inForce])
    expect({ hash: hashOf(behind), revision: behind.node?.state.revision }).toEqual(before)
    world.network.heal()
    await until(world, 'it has what the leader has', () => {
      const { leader } = world
      return leader !== null && leader !== behind && hashOf(behind) === hashOf(leader)
    })
    expect(behind.lives).toBe(1)
    await until(world, 'nothing of the old state is left', () => generationsOf(behind).size === 1)
    expect([...generationsOf(behind)]).not.toEqual([inForce])
    expect((await put(world, 'after')).status).toBe(200)
  },
)
