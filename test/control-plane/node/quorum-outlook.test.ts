import { expect, test } from 'vitest'
import { changeIssue } from '../../../control-plane/node/quorum-outlook.ts'

function issue(voters: readonly number[], heard: readonly number[], next: readonly number[]) {
  const isHeard = (id: number) => heard.includes(id)
  return changeIssue({ voters, isHeard, nameOf: (id) => `n${id}` }, next)
}

test('a change that leaves a heard majority is begun', () => {
  expect(issue([1, 2, 3], [1, 2], [1, 2])).toBeNull()
  expect(issue([1, 2, 3], [1, 2, 3], [1, 3])).toBeNull()
  expect(issue([1], [1], [])).toContain('none')
})

test('one that takes out what is heard, and keeps what is not, is refused', () => {
  expect(issue([1, 2, 3], [1, 2], [1, 3])).toMatch(/only n1 of 2 voters.*bring n3 back/)
  expect(issue([1], [1], [1, 2])).toMatch(/only n1 of 2 voters.*bring n2 back/)
})

test('without a majority of those who decide nothing is begun, and the way out is named', () => {
  expect(issue([1, 2], [1], [1])).toMatch(/only n1 of 2 voters.*n2.*--force-new-cluster/)
})
