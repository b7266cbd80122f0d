import type { Clock } from '../clock.ts'
import type { Applier } from './applier.ts'
import { inSlices } from './slices.ts'

/** Changes compiled between two looks at the clock. */
const CHANGES_AT_ONCE = 4

/**
 * Brings applied changes into the routing table of a node that does not plan writes: in the background, so that a
 * large transaction never keeps it from answering its leader. Whoever asks for the table gets it whole all the same.
 */
export class TableCompiler {
  readonly #clock: Clock
  readonly #applier: Applier
  readonly #onError: (error: unknown) => void
  #isRunning = false

  constructor(clock: Clock, applier: Applier, onError: (error: unknown) => void) {
    this.#clock = clock
    this.#applier = applier
    this.#onError = onError
  }

  /** There may be something to compile. */
  wake(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    inSlices(this.#clock, this.#compile())
      .catch(this.#onError)
      .finally(() => {
        this.#isRunning = false
      })
  }

  *#compile(): Generator<undefined, void> {
    while (this.#applier.state.compileSome(CHANGES_AT_ONCE) > 0) yield
  }
}
