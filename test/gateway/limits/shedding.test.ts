/** Goal: a worker that is late refuses more and more, the unimportant first, until it keeps up; then less and less. */
import { expect, test } from 'vitest'
import { Shedding } from '../../../gateway/limits/shedding.ts'

/** After so many looks, each so late. */
function after(looks: number, lateMs: number, shedding = new Shedding(50)): Shedding {
  for (let i = 0; i < looks; i++) shedding.looked(lateMs)
  return shedding
}

test('nothing is shed in time, up to the very millisecond', () => {
  const shedding = after(1_000, 50)
  expect(shedding.share).toBe(0)
  expect(shedding.sheds(-1, 0)).toBe(false)
})

test('the share grows while it is late, and shrinks slower', () => {
  const shares = [1, 5, 10, 20].map((looks) => after(looks, 51).share)
  expect(shares).toEqual([0.1, 0.5, 1, 1])
  const shedding = after(10, 51)
  expect([after(2, 0, shedding).share, after(38, 0, shedding).share]).toEqual([0.95, 0])
})

test.each([
  [2, -1, 0.4],
  [2, 0, 0.2],
  [2, 1, 0],
  [5, -1, 1],
  [5, 0, 0.5],
  [5, 1, 0],
  [8, 0, 0.8],
  [8, 7, 0.6],
  [10, 1, 1],
])('%i steps late, of priority %i a share of %d is shed', (steps, priority, share) => {
  const shedding = after(steps, 51)
  const draws = Array.from({ length: 100 }, (_, at) => (at + 0.5) / 100)
  const shed = draws.filter((draw) => shedding.sheds(priority, draw)).length
  expect(shed).toBe(Math.round(share * 100))
})
