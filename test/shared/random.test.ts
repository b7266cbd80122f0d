import { expect, test } from 'vitest'
import { Random } from '../../shared/random.ts'

function take(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next())
}

test('the same seed gives the same sequence, another seed another', () => {
  expect(take(new Random(7), 100)).toEqual(take(new Random(7), 100))
  expect(take(new Random(7), 10)).not.toEqual(take(new Random(8), 10))
})

test('the sequence is mulberry32 on every machine', () => {
  expect(take(new Random(1), 3)).toEqual([2_693_262_067, 11_749_833, 2_265_367_787])
})

test('numbers below a bound stay below it and reach every value', () => {
  const random = new Random(3)
  const seen = new Set(Array.from({ length: 1_000 }, () => random.below(10)))
  expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(random.below(1)).toBe(0)
  expect(random.below(2 ** 32)).toBeLessThan(2 ** 32)
})
