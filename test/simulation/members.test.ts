// Cases of membership that random weather has found: each is the shortest way into it.
import { expect, test } from 'vitest'
import { calmWorld, followerOf, isolate, leaderOf, put, until } from './directed.ts'
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

test('a learner that has heard a leader does not wait for it where nobody is any more', async () => {
  const world = await calmWorld(3)
  const moving = await learner(world)
  const leader = leaderOf(world)
  const founders = world.machines.filter((machine) => machine !== moving)
  move(moving)
  world.network.heal()
  await until(world, 'it hears the leader', () => moving.node?.status().leader === leader.name)
  isolate(world, moving)
  // The log does not say yet where it is, and who knew it by its own word is gone.
  const inLog = leader.node?.status().members.find(({ name }) => name === moving.name)
  expect(inLog).toMatchObject({ role: 'learner', peer: `${moving.name}:7401` })
  for (const founder of founders) move(founder)
  await until(world, 'the others lead', () => world.leader !== null)
  await world.pass(1_000)
  expect(moving.node?.status().leader).toBe(leader.name)
  world.network.heal()
  await until(world, 'it is where the leader is', () => {
    const { leader: now } = world
    const own = now?.node?.status().members.find(({ name }) => name === moving.name)
    return own?.peer === moving.peer && moving.node?.state.hash === now?.node?.state.hash
  })
})

test('a learner that hears who led before finds a leader that it has never heard of', async () => {
  const world = await calmWorld(3)
  const moving = await learner(world)
  const leader = leaderOf(world)
  move(moving)
  world.network.heal()
  await until(world, 'it hears the leader', () => moving.node?.status().leader === leader.name)
  isolate(world, moving)
  // What it has said of its new address is lost with the processes that heard it.
  for (const machine of world.machines) {
    if (machine === moving) continue
    machine.crash('process')
    machine.start()
  }
  await until(world, 'there is a leader again', () => world.leader !== null)
  const later = world.addMachine()
  later.start()
  await until(world, 'the newcomer votes', () =>
    (leaderOf(world).node?.status().members ?? []).some(
      ({ name, role }) => name === later.name && role === 'voter',
    ),
  )
  leaderOf(world)
    .node?.transferLeadership(later.name)
    .catch(() => {})
  await until(world, 'the newcomer leads', () => world.leader === later)
  expect(moving.node?.status().members.some(({ name }) => name === later.name)).toBe(false)
  world.network.heal()
  await until(world, 'it has what the leader has', () => {
    const own = later.node?.status().members.find(({ name }) => name === moving.name)
    return own?.peer === moving.peer && own.role === 'voter'
  })
})

test('a voter that never got its invitation gets it from a member that does not lead', async () => {
  const world = await calmWorld(3)
  const leader = leaderOf(world)
  const others = world.machines.filter((machine) => machine !== leader)
  const joining = world.addMachine()
  joining.start()
  const roleBy = ({ node }: Machine) =>
    node?.status().members.find(({ name }) => name === joining.name)?.role
  const before = leader.store?.log.lastIndex() ?? 0
  await until(world, 'it is being taken in', () => leader.store?.log.lastIndex() !== before)
  // Whatever is answered from now on is lost.
  for (const { name } of [leader, ...others]) world.network.cut(name, joining.name, 'drop')
  await until(world, 'it is a learner', () => roleBy(leader) === 'learner')
  await world.pass(20)
  leader.node?.promoteMember(joining.name).catch(() => {})
  await until(world, 'all know of its vote', () =>
    [leader, ...others].every((one) => roleBy(one) === 'voter'),
  )
  expect(joining.store?.identity).toBeNull()
  leader.crash('power')
  world.network.heal()
  // Two voters of four are no majority.
  await until(world, 'the rest has a leader with it', () => world.leader !== null)
  expect((await put(world, 'after')).status).toBe(200)
})
