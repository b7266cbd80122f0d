import { hashText } from '../../../gateway/upstream/balance.ts'
import type { HealthCandidate } from '../../../gateway/upstream/selector.ts'
import { LONG_AGO, newTargetState } from '../../../gateway/upstream/target-state.ts'

export type Named = HealthCandidate & { readonly name: string }

/** A target without a connection. */
export function candidate(name: string, weight = 1): Named {
  return {
    name,
    weight,
    fullWeight: weight,
    seed: hashText(name),
    state: newTargetState(LONG_AGO),
  }
}

/** As many as asked for, with names of their own. */
export function candidates(count: number, weightOf: (i: number) => number = () => 1): Named[] {
  return Array.from({ length: count }, (_, i) => candidate(`http://10.0.0.${i}:80`, weightOf(i)))
}
