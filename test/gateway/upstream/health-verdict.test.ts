import { expect, test } from 'vitest'
import { compileHealth } from '../../../shared/routing/compile-health.ts'
import type { ActiveCheck } from '../../../shared/routing/types.ts'
import { takeVerdict } from '../../../gateway/upstream/health-verdict.ts'
import { LONG_AGO, newTargetState } from '../../../gateway/upstream/target-state.ts'

const CHECK = compileHealth({ active: { unhealthyAfter: 3, healthyAfter: 2 } }, null)
  .active as ActiveCheck

/** `+` a good check, `-` a failed one → `u` up, `d` down after each; a capital where it turned. */
function course(checks: string): string {
  const state = newTargetState(LONG_AGO)
  return checks
    .split('')
    .map((check, nowMs) => {
      const failure = check === '+' ? null : 'status 503'
      const isTurn = takeVerdict(state, CHECK, { failure, nowMs })
      const letter = state.isUp ? 'u' : 'd'
      return isTurn ? letter.toUpperCase() : letter
    })
    .join('')
}

test.for([
  ['+++', 'uuu'],
  ['--+--+', 'uuuuuu'],
  ['---', 'uuD'],
  ['-----', 'uuDdd'],
  ['---+-++', 'uuDdddU'],
  ['---++---', 'uuDdUuuD'],
] as const)('checks %s leave a target %s', ([checks, expected]) => {
  expect(course(checks)).toBe(expected)
})

test('a target that comes back begins without its old ejection, and from now on', () => {
  const state = newTargetState(LONG_AGO)
  for (let nowMs = 0; nowMs < 3; nowMs++) takeVerdict(state, CHECK, { failure: 'x', nowMs })
  state.ejectedUntilMs = 50_000
  state.failuresInRow = 4
  takeVerdict(state, CHECK, { failure: null, nowMs: 10 })
  takeVerdict(state, CHECK, { failure: null, nowMs: 20 })
  expect(state).toMatchObject({ isUp: true, upSinceMs: 20, ejectedUntilMs: 0, failuresInRow: 0 })
  expect(state.checkFailure).toBeNull()
})
