import { expect, test } from 'vitest'
import { Reads } from '../../../control-plane/node/reads.ts'
import { ManualClock } from '../manual-clock.ts'

function setUp(): { clock: ManualClock; asked: string[]; reads: Reads } {
  const clock = new ManualClock()
  const asked: string[] = []
  return { clock, asked, reads: new Reads(clock, 'n1', (context) => asked.push(context)) }
}

test('a read asks at once and gets the index of its own round', async () => {
  const { asked, reads } = setUp()
  const point = reads.point(100)
  expect(asked).toEqual(['n1-1'])
  reads.onReadState({ context: 'n1-1', index: 42 })
  expect(await point).toBe(42)
})

test('a read that arrives while a round is under way waits for the next: the round began too early for it', async () => {
  const { asked, reads } = setUp()
  const first = reads.point(100)
  const late = [reads.point(100), reads.point(100)]
  expect(asked).toEqual(['n1-1'])
  reads.onReadState({ context: 'n1-1', index: 5 })
  expect(await first).toBe(5)
  // Both late reads share one round.
  expect(asked).toEqual(['n1-1', 'n1-2'])
  reads.onReadState({ context: 'n1-2', index: 8 })
  expect(await Promise.all(late)).toEqual([8, 8])
})

test('an answer to another round is ignored', async () => {
  const { reads } = setUp()
  const point = reads.point(100)
  reads.onReadState({ context: 'n2-1', index: 1 })
  reads.onReadState({ context: 'n1-1', index: 2 })
  expect(await point).toBe(2)
})

test('an unanswered round is asked again under the same context', async () => {
  const { clock, asked, reads } = setUp()
  const point = reads.point(1_000)
  clock.pass(99)
  reads.onTick()
  expect(asked).toHaveLength(1)
  clock.pass(1)
  reads.onTick()
  expect(asked).toEqual(['n1-1', 'n1-1'])
  reads.onReadState({ context: 'n1-1', index: 3 })
  expect(await point).toBe(3)
})

test('without a leader a read ends with NO_LEADER, and later reads are not stuck behind it', async () => {
  const { clock, asked, reads } = setUp()
  const point = reads.point(50)
  clock.pass(50)
  await expect(point).rejects.toMatchObject({ code: 'NO_LEADER' })
  const next = reads.point(500)
  clock.pass(100)
  reads.onTick()
  expect(asked).toEqual(['n1-1', 'n1-2'])
  reads.onReadState({ context: 'n1-2', index: 4 })
  expect(await next).toBe(4)
})
