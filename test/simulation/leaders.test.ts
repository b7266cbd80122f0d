// Cases of leaders that are none yet, or none any more.
import { expect, test } from 'vitest'
import { isRaftwayError } from '../../shared/errors.ts'
import { calmWorld, isolate, leaderOf, until } from './directed.ts'

const WRITE = {
  key: null,
  author: 'test',
  message: null,
  action: { type: 'operations', operations: [] },
  ifConfigRevision: null,
  dryRun: false,
} as const

test('a leader that cannot commit an entry of its term yet has nobody take the write for lost', async () => {
  const world = await calmWorld(3)
  const before = leaderOf(world)
  before.crash('process')
  await until(world, 'another one leads', () => world.leader !== null)
  const leader = leaderOf(world)
  // Heartbeats are answered, so that it goes on leading; what must be synced first is not.
  for (const machine of world.machines)
    if (machine !== leader) machine.diskWeather.syncMsMax = 3_600_000
  let code: string | null = null
  leader.node?.write(WRITE).catch((error: unknown) => {
    code = isRaftwayError(error) ? error.code : String(error)
  })
  await until(world, 'the write is answered', () => code !== null)
  expect(leader.node?.isLeader).toBe(true)
  // The one refusal after which a forwarder tries again, and a client may.
  expect(code).toBe('NO_LEADER')
})

test('whoever waits for a new leader to take writes hears at once that it leads no longer', async () => {
  const world = await calmWorld(3)
  leaderOf(world).crash('process')
  await until(world, 'another one leads', () => world.leader !== null)
  const leader = leaderOf(world)
  isolate(world, leader)
  let answer: unknown = null
  leader.node?.write(WRITE).catch((error: unknown) => {
    answer = error
  })
  await until(world, 'it steps down', () => leader.node?.isLeader === false)
  await world.pass(1)
  expect(answer).toMatchObject({ code: 'NO_LEADER' })
})
