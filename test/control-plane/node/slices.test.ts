import { expect, test } from 'vitest'
import { inSlices } from '../../../control-plane/node/slices.ts'
import { ManualClock } from '../manual-clock.ts'

/** A computation of `steps` steps that each take `ms` of a clock. */
function* work(clock: ManualClock, steps: number, ms: number): Generator<undefined, string> {
  for (let i = 0; i < steps; i++) {
    clock.pass(ms)
    yield
  }
  return 'done'
}

test('a short computation ends without letting go of the loop', async () => {
  const clock = new ManualClock()
  const result = inSlices(clock, work(clock, 5, 1))
  expect(clock.pending).toBe(0)
  expect(await result).toBe('done')
})

test('a long one lets the loop turn whenever a slice is used up', async () => {
  const clock = new ManualClock()
  let turns = 0
  const result = inSlices(clock, work(clock, 30, 3))
  const over = Symbol('over')
  for (;;) {
    turns += clock.pending
    clock.pass(0)
    const turn = new Promise<symbol>((resolve) => {
      setImmediate(() => resolve(over))
    })
    // A result that is there already wins over the end of this turn.
    if ((await Promise.race([result, turn])) !== over) break
  }
  expect(await result).toBe('done')
  // 90 ms of work in slices of 8 ms, each of which ends with the step that exceeds it.
  expect(turns).toBe(10)
})

test('what the computation throws comes out', async () => {
  const clock = new ManualClock()
  await expect(
    inSlices(
      clock,
      (function* fail(): Generator<undefined, string> {
        yield
        throw new Error('refused')
      })(),
    ),
  ).rejects.toThrow('refused')
})
