import { LATENESS_LOOK_MS } from '../shared/limits.ts'

/** Looks at the clock again and again, and tells how much later than meant each look came; returns how to stop it. */
export function watchLateness(now: () => number, onLook: (lateMs: number) => void): () => void {
  let meantAtMs = now() + LATENESS_LOOK_MS
  const timer = setInterval(() => {
    const nowMs = now()
    onLook(nowMs - meantAtMs)
    meantAtMs = nowMs + LATENESS_LOOK_MS
  }, LATENESS_LOOK_MS)
  timer.unref()
  return () => clearInterval(timer)
}
