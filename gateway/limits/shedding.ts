import { SHED_STEP_DOWN, SHED_STEP_UP, SHED_STEPS } from '../../shared/limits.ts'

/**
 * How much is refused while a worker is late. Each look at the clock that comes later than it may raises the share of
 * requests that are shed, each that is in time lowers it, slower, so that the share settles where the worker keeps up.
 *
 *     priority of the caller   below 0   0 (nobody known, or no Plan that says)   above 0
 *     share that is shed       2 × s     s                                        2 × s − 1
 */
export class Shedding {
  readonly #lateMsMax: number
  /** In steps: 0 ≤ level ≤ SHED_STEPS. */
  #level = 0

  /** `lateMsMax`: later than that is too late. */
  constructor(lateMsMax: number) {
    this.#lateMsMax = lateMsMax
  }

  /** Share of requests of usual priority that are refused. */
  get share(): number {
    return this.#level / SHED_STEPS
  }

  /** A look at the clock came so much later than it was meant to. */
  looked(lateMs: number): void {
    const step = lateMs > this.#lateMsMax ? SHED_STEP_UP : -SHED_STEP_DOWN
    this.#level = Math.min(SHED_STEPS, Math.max(0, this.#level + step))
  }

  /** Whether a request is refused; `draw` is evenly in 0 ≤ draw < 1. */
  sheds(priority: number, draw: number): boolean {
    if (this.#level === 0) return false
    const { share } = this
    if (priority === 0) return draw < share
    return draw < (priority < 0 ? 2 * share : 2 * share - 1)
  }
}
