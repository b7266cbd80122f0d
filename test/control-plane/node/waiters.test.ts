import { expect, test } from 'vitest'
import { Waiters } from '../../../control-plane/node/waiters.ts'
import { ManualClock } from '../manual-clock.ts'

test('a wait for what was reached already resolves at once and sets no timer', async () => {
  const clock = new ManualClock()
  await new Waiters(clock, 5).wait(5, 100, 'revision 5')
  expect(clock.pending).toBe(0)
})

test('waits resolve when the number reaches them, and not before', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock, 0)
  const done: number[] = []
  const waits = [3, 1, 2].map(async (until) => {
    await waiters.wait(until, 100, `revision ${until}`)
    done.push(until)
  })
  waiters.reach(2)
  await Promise.resolve()
  await Promise.resolve()
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2])
  waiters.reach(3)
  await Promise.all(waits)
  expect(done.at(-1)).toBe(3)
  expect(clock.pending).toBe(0)
})

test('a number that falls back changes nothing', async () => {
  const waiters = new Waiters(new ManualClock(), 7)
  waiters.reach(3)
  await expect(waiters.wait(7, 100, 'revision 7')).resolves.toBeUndefined()
})

test('a wait ends with TIMEOUT and says for what', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock, 0)
  const wait = waiters.wait(9, 50, 'revision 9')
  clock.pass(49)
  expect(clock.pending).toBe(1)
  clock.pass(1)
  await expect(wait).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'revision 9 was not reached within 50 ms',
  })
  waiters.reach(9)
})

test('all waits can be refused, and their timers are gone', async () => {
  const clock = new ManualClock()
  const waiters = new Waiters(clock, 0)
  const waits = [waiters.wait(1, 50, 'a'), waiters.wait(2, 50, 'b')]
  waiters.rejectAll(new Error('stopping'))
  for (const wait of waits) await expect(wait).rejects.toThrow('stopping')
  expect(clock.pending).toBe(0)
})
