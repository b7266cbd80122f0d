import type { Counted } from '../../shared/count-protocol.ts'
import { CountSum, SHARED_ALGORITHMS } from '../../shared/count-sum.ts'
import type { Rule } from './rules.ts'

/** What a worker has counted of limits that all gateways share, until it is told. */
export class SharedCounts {
  readonly #sum = new CountSum()
  /** What their keys begin with: the same in all gateways once a node has told it; before, of this gateway alone. */
  #seed: readonly [number, number]
  #isInUse = false

  constructor(seed: readonly [number, number]) {
    this.#seed = seed
  }

  get seed(): readonly [number, number] {
    return this.#seed
  }

  /** Whether that is news: keys that begin otherwise are others. */
  setSeed([a, b]: readonly [number, number]): boolean {
    if (a === this.#seed[0] && b === this.#seed[1]) return false
    this.#seed = [a, b]
    return true
  }

  /** Something was counted under a key. */
  add(a: number, b: number, rule: Rule, cost: number): void {
    this.#isInUse = true
    const algorithm = SHARED_ALGORITHMS.findIndex((each) => each === rule.algorithm)
    if (algorithm >= 0) {
      this.#sum.add([a, b, algorithm, rule.limit, rule.windowMs, rule.burst, cost])
    }
  }

  /** What was counted since the last time; null before the first. Empty: only what others have is of interest. */
  take(): Counted[] | null {
    return this.#isInUse ? this.#sum.take() : null
  }
}

/** The rule that something was counted by. */
export function ruleOf([, , algorithm, limit, windowMs, burst]: Counted): Rule {
  return { algorithm: SHARED_ALGORITHMS[algorithm] ?? 'fixed-window', limit, windowMs, burst }
}
