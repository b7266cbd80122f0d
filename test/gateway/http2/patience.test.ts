import { expect, test } from 'vitest'
import { Patience } from '../../../gateway/http2/patience.ts'
import { HTTP2_PATIENCE_MAX, HTTP2_PATIENCE_PER_SECOND } from '../../../shared/limits.ts'

test('it is over when all of it was taken, and comes back with time', () => {
  const patience = new Patience(0)
  expect(patience.take(HTTP2_PATIENCE_MAX, 0)).toBe(true)
  expect(patience.take(1, 0)).toBe(false)
  expect(patience.take(1, (2_000 / HTTP2_PATIENCE_PER_SECOND) * 1)).toBe(true)
  expect(patience.take(1, (2_000 / HTTP2_PATIENCE_PER_SECOND) * 1)).toBe(false)
})

test('useful work gives it back, but no more than there was at first', () => {
  const patience = new Patience(0)
  patience.giveBack(100)
  expect(patience.take(HTTP2_PATIENCE_MAX, 0)).toBe(true)
  patience.giveBack(5)
  expect(patience.take(5, 0)).toBe(true)
  expect(patience.take(1, 0)).toBe(false)
})

test('as much as comes back with time may be taken for ever', () => {
  const patience = new Patience(0)
  for (let second = 1; second < 1_000; second++) {
    expect(patience.take(HTTP2_PATIENCE_PER_SECOND, second * 1_000)).toBe(true)
  }
})
