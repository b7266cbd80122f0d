/** Time as the node sees it: a port, so that a simulation can own it. Milliseconds everywhere. */
export type Clock = {
  /** Milliseconds since 1970, for people and for history. */
  now(): number
  /** Milliseconds that only grow, for durations. */
  monotonic(): number
  /** Calls again and again; returns the way to stop. */
  every(ms: number, action: () => void): () => void
  /** Calls once; returns the way to call it off. */
  after(ms: number, action: () => void): () => void
  /** Calls once what is ready now has been taken in: inputs that arrive together are carried out together. */
  defer(action: () => void): void
}

/** Resolves once what is ready now has been taken in. */
export function nextTurn(clock: Pick<Clock, 'defer'>): Promise<void> {
  return new Promise((resolve) => {
    clock.defer(resolve)
  })
}
