import { nextTurn, type Clock } from '../clock.ts'

/** Longest stretch of work between two turns of the loop: a fraction of a heartbeat, so that none is late. */
const SLICE_MS = 8

/** Runs a computation in steps to its end, letting the loop turn whenever a slice is used up. Rejects with what it throws. */
export async function inSlices<T>(clock: Clock, steps: Generator<undefined, T>): Promise<T> {
  let beganMs = clock.monotonic()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (clock.monotonic() - beganMs < SLICE_MS) continue
    await nextTurn(clock)
    beganMs = clock.monotonic()
  }
}
