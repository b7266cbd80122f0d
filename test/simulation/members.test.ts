// Cases of membership that random weather has found: each is the shortest way into it.
import { expect, test } from 'vitest'
import { calmWorld, followerOf, isolate, leaderOf, until } from './directed.ts'
import type { Machine } from './machine.ts'
import type { World } from './world.ts'

/** A machine that is a learner and stays one: it is cut off before it has caught up. */
async function learner(world: World): Promise<Machine> {
  const leader = leaderOf(world)
  const machine = world.addMachine()
  machine.start()
  const isMember = () =>
    leader.node?.status().members.some(({ name }) => name === machine.name) ?? false
  await until(world, 'it is taken in', () => isMember() && machine.node !== null)
  isolate(world, machine)
  return machine
}

function move(machine: Machine): void {
  machine.crash('process')
  machine.peer = `${machine.name}:9999`
  machine.start()
}

test('a member that crashed after it had applied its own removal ends when it is started again', async () => {
  const world = await calmWorld(3)
  const leader = leaderOf(world)
  const leaving = followerOf(world)
  world.standing(leaving).isLeaving = true
  // No call gets through that could tell it.
  world.network.weather.breakPercent = 100
  // No call gets through that could tell it.
  world.network.weather.breakPercent = 100
  leader.node?.removeMember(leaving.name).catch(() => {})
  await until(world, 'it has applied its removal', () => {
    const members = leaving.node?.status().members ?? []
    return members.length === 2
  })
  // Its disk has it as well.
  await world.pass(20)
  leaving.crash('process')
  // Nobody who could tell it is in reach.
  isolate(world, leaving)
  leaving.start()
  await until(world, 'it ends', () => !leaving.isUp)
  expect(world.standing(leaving).isGone).toBe(true)
})

test('a learner that moved finds a leader that moved as well', async () => {
  const world = await calmWorld(3)
  const moving = await learner(world)
  const leader = leaderOf(world)
  move(moving)
  move(leader)
  await until(world, 'the others lead', () => world.leader !== null && world.leader !== moving)
  await world.pass(1_000)
  world.network.heal()
  await until(world, 'it is where the leader is', () => {
    const { leader: now } = world
    const own = now?.node?.status().members.find(({ name }) => name === moving.name)
    return (
      now !== null && own?.peer === moving.peer && moving.node?.state.hash === now.node?.state.hash
    )
  })
  expect(moving.node?.state.hash).toBe(leaderOf(world).node?.state.hash)
})
