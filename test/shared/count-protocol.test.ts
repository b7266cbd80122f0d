import { expect, test } from 'vitest'
import { countsReportSchema, type Counted } from '../../shared/count-protocol.ts'
import { CountSum } from '../../shared/count-sum.ts'
import { COUNTS_MAX } from '../../shared/limits.ts'

function counted(a: number, count = 1): Counted {
  return [a, 0, 0, 10, 1_000, 10, count]
}

test('counts of one key add up, and are taken once', () => {
  const sum = new CountSum()
  const first = counted(1, 2)
  sum.add(first)
  sum.add(counted(1, 3))
  sum.add(counted(2))
  expect(sum.take()).toEqual([counted(1, 5), counted(2)])
  expect(first).toEqual(counted(1, 2))
  expect(sum.take()).toEqual([])
})

test('there is room for so many keys, and for more of those that are there', () => {
  const sum = new CountSum()
  for (let a = 0; a < COUNTS_MAX; a++) expect(sum.add(counted(a))).toBe(true)
  expect(sum.add(counted(COUNTS_MAX))).toBe(false)
  expect(sum.add(counted(0))).toBe(true)
  expect(sum.size).toBe(COUNTS_MAX)
  expect(sum.take()[0]).toEqual(counted(0, 2))
})

test.each([
  [{ counts: [[2 ** 31, 0, 0, 1, 1, 1, 1]] }],
  [{ counts: [[0, 0, 3, 1, 1, 1, 1]] }],
  [{ counts: [[0, 0, 0, 1, 1, 1, 0]] }],
  [{ counts: [[0, 0, 0, 1, 1, 1]] }],
  [{}],
])('a report %j is refused', (report) => {
  expect(countsReportSchema.safeParse(report).success).toBe(false)
})
