import type { ActiveCheck } from '../../shared/routing/types.ts'
import type { TargetState } from './target-state.ts'

/**
 * Takes the outcome of an active check in: null for a good one, or why it failed. Returns whether the target went up or
 * down by it: only as many in a row as the check asks for do that.
 */
export function takeVerdict(
  state: TargetState,
  check: ActiveCheck,
  outcome: { readonly failure: string | null; readonly nowMs: number },
): boolean {
  const { failure, nowMs } = outcome
  state.checkedAtMs = nowMs
  state.checkFailure = failure
  if (failure === null) {
    state.checksInRow = Math.max(1, state.checksInRow + 1)
    if (state.isUp || state.checksInRow < check.healthyAfter) return false
    state.isUp = true
    state.upSinceMs = nowMs
    // What it did before it went down says nothing about now.
    state.ejectedUntilMs = 0
    state.failuresInRow = 0
    return true
  }
  state.checksInRow = Math.min(-1, state.checksInRow - 1)
  if (!state.isUp || -state.checksInRow < check.unhealthyAfter) return false
  state.isUp = false
  return true
}
