import type { Clock } from './clock.ts'

/** The machine's own time. Timers do not keep the process alive: sockets and the disk do. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  every(ms, action) {
    const timer = setInterval(action, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
  after(ms, action) {
    const timer = setTimeout(action, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  defer(action) {
    setImmediate(action)
  },
}
