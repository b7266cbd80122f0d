import { unreachable } from '../../shared/assert.ts'
import { FEATURES, KIND_FEATURES } from '../../shared/features.ts'
import type { Command } from '../ports.ts'

/** The level that a node must know to apply a command. */
export function levelOfCommand(command: Command): number {
  switch (command.type) {
    case 'write': {
      let level: number = FEATURES.base
      for (const operation of command.operations) {
        const { kind } = operation.op === 'put' ? operation.definition : operation
        level = Math.max(level, FEATURES[KIND_FEATURES[kind]])
      }
      return level
    }
    case 'member':
      return FEATURES.base
    case 'access':
      return FEATURES.access
    case 'usage':
      return FEATURES.consumers
    default:
      return unreachable(command)
  }
}
