import { expect, test } from 'vitest'
import { Deadlines } from '../../gateway/deadlines.ts'
import { DEADLINE_SLOTS, DEADLINE_TICK_MS } from '../../shared/limits.ts'
import { until } from './support/until.ts'

const now = (): number => performance.now()

function ownerOf(passed: number[]): { onDeadline(): void } {
  return { onDeadline: () => void passed.push(now()) }
}

test('a deadline passes once, not before its time and not much after it', async () => {
  const deadlines = new Deadlines(now)
  const passed: number[] = []
  const startedAt = now()
  deadlines.create(ownerOf(passed)).set(70)
  await until('the deadline', () => passed.length === 1)
  expect(passed[0]! - startedAt).toBeGreaterThanOrEqual(70)
  expect(passed[0]! - startedAt).toBeLessThan(1_000)
  deadlines.close()
})

test('what is set again counts from then; what is cleared or removed never passes', async () => {
  const deadlines = new Deadlines(now)
  const passed: number[] = []
  const later = deadlines.create(ownerOf(passed))
  const cleared = deadlines.create({ onDeadline: () => expect.unreachable() })
  const removed = deadlines.create({ onDeadline: () => expect.unreachable() })
  const startedAt = now()
  later.set(30)
  later.set(200)
  cleared.set(30)
  cleared.clear()
  removed.set(30)
  removed.remove()
  await until('the deadline', () => passed.length === 1)
  expect(passed[0]! - startedAt).toBeGreaterThanOrEqual(200)
  // Put nearer again, it passes in time.
  later.set(60_000)
  later.set(30)
  await until('the deadline', () => passed.length === 2)
  deadlines.close()
})

test('an owner that sets the deadline of another in its turn keeps it from passing', async () => {
  const deadlines = new Deadlines(now)
  const order: string[] = []
  const second = deadlines.create({ onDeadline: () => void order.push('second') })
  const first = deadlines.create({
    onDeadline: () => {
      order.push('first')
      second.clear()
    },
  })
  const third = deadlines.create({ onDeadline: () => void order.push('third') })
  second.set(20)
  first.set(20)
  third.set(200)
  await until('the last', () => order.includes('third'))
  expect(order[0]).toBe('first')
  expect(order).not.toContain('second')
  deadlines.close()
})

test('deadlines beyond the horizon wait for their time', () => {
  let clock = 0
  const deadlines = new Deadlines(() => clock)
  let passed = 0
  const far = deadlines.create({ onDeadline: () => void passed++ })
  far.set(3 * DEADLINE_SLOTS * DEADLINE_TICK_MS)
  expect(far.lookAt).toBeLessThanOrEqual(DEADLINE_SLOTS * DEADLINE_TICK_MS)
  expect(passed).toBe(0)
  deadlines.close()
  clock = 1
})
