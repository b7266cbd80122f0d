import { keyOf } from '../../shared/routing/request-key.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { Exchange } from '../exchange.ts'
import type { After } from '../request-context.ts'
import type { LiveTarget, LiveUpstream } from '../upstream/live-upstreams.ts'
import { stuckTarget } from './sticky.ts'

/**
 * Who gets the next attempt of a request: at first the target that its client was told to come back to, and then, like
 * everybody else, whom the balance of the upstream gives. Null: none can be had.
 */
export function chooseTarget(
  live: LiveUpstream,
  exchange: Exchange,
  tried: readonly LiveTarget[],
  nowMs: number,
): LiveTarget | null {
  const { sticky, hashOn } = live.compiled
  if (sticky !== null && tried.length === 0) {
    const stuck = stuckTarget(sticky, live, { exchange, nowMs })
    if (stuck !== null) return stuck
  }
  const key = hashOn === null ? undefined : keyOf(hashOn, exchange)
  return live.selector.choose(key ?? exchange.clientAddress, tried, nowMs)
}

/** Waits until it is known where the targets of an upstream are, for a time. Calls one of the two, once, or what it gives is called. */
export function awaitTargets(
  discovery: Discovery,
  after: After,
  wait: { readonly timeoutMs: number; readonly onLate: () => void; readonly onKnown: () => void },
): () => void {
  const stop = (): void => {
    stopTimer()
    stopWaiting()
  }
  const stopTimer = after(wait.timeoutMs, () => {
    stopWaiting()
    wait.onLate()
  })
  const stopWaiting = discovery.whenKnown(() => {
    stopTimer()
    wait.onKnown()
  })
  return stop
}
