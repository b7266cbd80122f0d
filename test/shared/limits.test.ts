import { expect, test } from 'vitest'
import * as accessLimits from '../../shared/access-limits.ts'
import * as limits from '../../shared/limits.ts'

const ALL: Readonly<Record<string, number>> = { ...limits, ...accessLimits }

/** Names of limits of which something does not hold. */
function namesWhere(isWrong: (name: string, value: number) => boolean): string[] {
  return Object.entries(ALL).flatMap(([name, value]) => (isWrong(name, value) ? [name] : []))
}

test('every limit is a positive integer that arithmetic keeps exact', () => {
  expect(Object.keys(ALL).length).toBeGreaterThan(50)
  expect(namesWhere((_, value) => !Number.isSafeInteger(value) || value <= 0)).toEqual([])
})

test('limits are named in capitals, in more than one word', () => {
  expect(namesWhere((name) => !/^[A-Z0-9]+(_[A-Z0-9]+)+$/.test(name))).toEqual([])
})

test('a default or minimum lies within its maximum', () => {
  const isBeyond = (name: string, value: number): boolean => {
    const max = ALL[name.replace(/_(DEFAULT|MIN)$/, '_MAX')]
    return max !== undefined && value > max
  }
  expect(namesWhere(isBeyond)).toEqual([])
})
