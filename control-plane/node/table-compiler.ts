import type { Clock } from '../clock.ts'
import type { Applier } from './applier.ts'
import { inSlices } from './slices.ts'

/** Routes compiled between two looks at the clock: some milliseconds. */
const ROUTES_AT_ONCE = 64
/** Changes gather for so long: those of one definition are compiled as the last of them. */
const GATHER_MS = 100

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
    this.#clock.after(GATHER_MS, () => {
      inSlices(this.#clock, this.#compile())
        .catch(this.#onError)
        .finally(() => {
          this.#isRunning = false
        })
    })
  }

  *#compile(): Generator<undefined, void> {
    while (this.#applier.state.compileSome(ROUTES_AT_ONCE) > 0) yield
  }
}
