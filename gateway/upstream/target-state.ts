/**
 * What is known of one target of one upstream. Belongs to the worker and outlives every change of the upstream that keeps
 * the target. Moments are milliseconds of the worker's clock.
 */
export type TargetState = {
  /** Calls under way. Changed by `callBegan` and `callEnded` only. */
  inFlight: number
  /** Smooth round robin: what the target is owed. Moved by the balance. */
  credit: number
  /** Whoever must hear when `inFlight` moves; null in small sets. */
  order: LoadOrder | null
  /** Where the target stands in `order`. */
  place: number
  /** When it was last chosen by `order`, counted in choices. */
  turn: number
  /** Attempts that went to it, and those that failed, since the worker came up. */
  requests: number
  failures: number
  failuresInRow: number
  /** Takes no requests before it; 0 when it is not ejected. */
  ejectedUntilMs: number
  /** Ejections without a long quiet time in between: each lasts twice as long as the one before. */
  ejections: number
  /** What active checks say; true as long as there were too few of them. */
  isUp: boolean
  /** Checks that agree, up to the last: good ones positive, failed ones negative. */
  checksInRow: number
  /** Null before the first check. */
  checkedAtMs: number | null
  /** Why the last check failed; null when it was good. */
  checkFailure: string | null
  /** Since when it takes requests without a break; long ago for one that was there from the beginning. */
  upSinceMs: number
}

/** An order of targets by their load, which must be told of every step. */
export type LoadOrder = {
  moved(state: TargetState): void
}

/** A target that nobody has heard of. */
export function newTargetState(upSinceMs: number): TargetState {
  return {
    inFlight: 0,
    credit: 0,
    order: null,
    place: 0,
    turn: 0,
    requests: 0,
    failures: 0,
    failuresInRow: 0,
    ejectedUntilMs: 0,
    ejections: 0,
    isUp: true,
    checksInRow: 0,
    checkedAtMs: null,
    checkFailure: null,
    upSinceMs,
  }
}

/** A target that was there from the beginning has no slow start. */
export const LONG_AGO = Number.NEGATIVE_INFINITY

export function callBegan(state: TargetState): void {
  state.requests += 1
  state.inFlight += 1
  state.order?.moved(state)
}

export function callEnded(state: TargetState): void {
  state.inFlight -= 1
  state.order?.moved(state)
}
