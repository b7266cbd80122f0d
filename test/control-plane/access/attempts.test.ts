import { expect, test } from 'vitest'
import { Attempts } from '../../../control-plane/access/attempts.ts'

const BOUNDS = { burst: 3, perSecond: 2, addressesMax: 4 }

test('an address may fail in a burst, and then at the rate', () => {
  const attempts = new Attempts(BOUNDS)
  for (let i = 0; i < 3; i++) {
    expect(attempts.waitMs('a', 0)).toBe(0)
    attempts.fail('a', 0)
  }
  expect(attempts.waitMs('a', 0)).toBe(500)
  expect(attempts.waitMs('a', 499)).toBe(1)
  expect(attempts.waitMs('a', 500)).toBe(0)
  attempts.fail('a', 500)
  expect(attempts.waitMs('a', 500)).toBe(500)
  // After a long silence it is a burst again, and no more than that.
  for (let i = 0; i < 3; i++) {
    expect(attempts.waitMs('a', 1_000_000)).toBe(0)
    attempts.fail('a', 1_000_000)
  }
  expect(attempts.waitMs('a', 1_000_000)).toBe(500)
})

test('one address is not held back by another', () => {
  const attempts = new Attempts(BOUNDS)
  for (let i = 0; i < 10; i++) attempts.fail('a', 0)
  expect(attempts.waitMs('a', 0)).toBeGreaterThan(0)
  expect(attempts.waitMs('b', 0)).toBe(0)
})

test('failing on while held back makes the wait no longer than one attempt', () => {
  const attempts = new Attempts(BOUNDS)
  for (let i = 0; i < 1_000; i++) attempts.fail('a', 0)
  expect(attempts.waitMs('a', 500)).toBe(0)
})

test('the number of addresses is bounded, and the one that was longest quiet is forgotten', () => {
  const attempts = new Attempts(BOUNDS)
  for (const address of ['a', 'b', 'c', 'd']) for (let i = 0; i < 3; i++) attempts.fail(address, 0)
  attempts.fail('a', 0)
  attempts.fail('e', 0)
  expect(attempts.size).toBe(4)
  expect(attempts.waitMs('b', 0)).toBe(0)
  expect(attempts.waitMs('a', 0)).toBeGreaterThan(0)
})
