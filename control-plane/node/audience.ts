import type { Counted } from '../../shared/count-protocol.ts'
import type { AppliedChange, GatewayStatus, UsageStep } from '../ports.ts'

type Stop = () => void

/** Who wants to hear what a node applies and learns, in the order in which they asked to. */
export class Audience {
  readonly #onApplied = new Set<(change: AppliedChange) => void>()
  readonly #onReset = new Set<() => void>()
  readonly #onGateways = new Set<(node: string, gateways: readonly GatewayStatus[]) => void>()
  readonly #onCounts = new Set<(counts: readonly Counted[]) => void>()
  readonly #onUsageGrown = new Set<(steps: readonly UsageStep[]) => void>()

  onApplied(listener: (change: AppliedChange) => void): Stop {
    return listen(this.#onApplied, listener)
  }

  onReset(listener: () => void): Stop {
    return listen(this.#onReset, listener)
  }

  onGateways(listener: (node: string, gateways: readonly GatewayStatus[]) => void): Stop {
    return listen(this.#onGateways, listener)
  }

  onUsageGrown(listener: (steps: readonly UsageStep[]) => void): Stop {
    return listen(this.#onUsageGrown, listener)
  }

  onCounts(listener: (counts: readonly Counted[]) => void): Stop {
    return listen(this.#onCounts, listener)
  }

  counts(counts: readonly Counted[]): void {
    for (const hear of this.#onCounts) hear(counts)
  }

  applied(change: AppliedChange): void {
    for (const hear of this.#onApplied) hear(change)
  }

  reset(): void {
    for (const hear of this.#onReset) hear()
  }

  gateways(node: string, gateways: readonly GatewayStatus[]): void {
    for (const hear of this.#onGateways) hear(node, gateways)
  }

  usageGrown(steps: readonly UsageStep[]): void {
    for (const hear of this.#onUsageGrown) hear(steps)
  }
}

function listen<T>(listeners: Set<T>, listener: T): Stop {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
