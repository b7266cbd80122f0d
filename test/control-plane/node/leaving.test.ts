// Goal: members leave without taking the cluster's ability to decide with them, and the dead leave only where that was
// asked for. Method: real nodes on real ports.
import { rm } from 'node:fs/promises'
import { afterEach, expect, test } from 'vitest'
import { eventually, foundCluster, leaderOf, putApi, TestNode } from './cluster.ts'

let running: TestNode[] = []
let dir = ''

afterEach(async () => {
  TestNode.removeDead = null
  await Promise.all(running.map((one) => one.stop(0)))
  if (dir !== '') await rm(dir, { recursive: true, force: true })
  running = []
})

async function found(count: number): Promise<TestNode> {
  const cluster = await foundCluster(count)
  dir = cluster.dir
  running = [...cluster.nodes]
  const leader = await leaderOf(running)
  await leader.node.write(putApi('before'))
  return leader
}

async function kill(one: TestNode): Promise<void> {
  running = running.filter((other) => other !== one)
  await one.stop(0)
}

function namesOf(one: TestNode): string[] {
  return one.node.status().members.map(({ name }) => name)
}

test('a leader that is to take itself out hands over first, and the next one does it', async () => {
  const leader = await found(3)
  await expect(leader.node.removeMember(leader.name)).rejects.toMatchObject({ code: 'NOT_LEADER' })
  const others = running.filter((one) => one !== leader)
  const next = await leaderOf(others)
  await next.node.removeMember(leader.name)
  await eventually('the old leader ends', () => leader.fatal)
  expect(leader.fatal).toMatchObject({ code: 'MEMBER_REMOVED' })
  await kill(leader)
  expect((await next.node.write(putApi('after'))).revision).toBe(2)
  expect(namesOf(next)).not.toContain(leader.name)
})

test('of three with one dead, the dead one may be taken out and no other', async () => {
  const leader = await found(3)
  const [dead, alive] = running.filter((one) => one !== leader)
  if (dead === undefined || alive === undefined) throw new Error('two followers')
  await kill(dead)
  await eventually('its silence shows', () =>
    leader.node.status().members.some(({ name, healthy }) => name === dead.name && !healthy),
  )
  await expect(leader.node.removeMember(alive.name)).rejects.toMatchObject({
    code: 'MEMBERSHIP_REFUSED',
    message: expect.stringContaining(`bring ${dead.name} back first`),
  })
  await leader.node.removeMember(dead.name)
  expect(namesOf(leader)).toHaveLength(2)
  expect((await leader.node.write(putApi('after'))).revision).toBe(2)
})

test('a silent member is taken out by itself where that was asked for, but never below the minimum', async () => {
  TestNode.removeDead = { afterMs: 400, votersMin: 3 }
  const leader = await found(4)
  const [dead, next] = running.filter((one) => one !== leader)
  if (dead === undefined || next === undefined) throw new Error('two followers')
  await kill(dead)
  await eventually('the dead one is out', () => !namesOf(leader).includes(dead.name), 15_000)
  expect(leader.node.deadMembersRemoved).toBe(1)
  await kill(next)
  const since = performance.now()
  await eventually('it has been silent for long', () => performance.now() - since > 1_500)
  expect(namesOf(leader)).toContain(next.name)
  expect((await leader.node.write(putApi('after'))).revision).toBe(2)
})

test('nobody is taken out where it was not asked for', async () => {
  const leader = await found(3)
  const dead = running.find((one) => one !== leader)
  if (dead === undefined) throw new Error('no follower')
  await kill(dead)
  const since = performance.now()
  await eventually('it has been silent for long', () => performance.now() - since > 1_500)
  expect(namesOf(leader)).toContain(dead.name)
  expect(leader.node.deadMembersRemoved).toBe(0)
})
