import { CONSENSUS_MUTANTS } from './consensus.ts'
import { GATEWAY_MUTANTS } from './gateway.ts'
import type { Mutant } from './mutant.ts'
import { NODE_MUTANTS } from './node.ts'

/** Every mutant of the gate. */
export const MUTANTS: readonly Mutant[] = [
  ...CONSENSUS_MUTANTS,
  ...NODE_MUTANTS,
  ...GATEWAY_MUTANTS,
]
