import type { Random } from '../../shared/random.ts'
import type { ActiveCheck, CompiledTarget } from '../../shared/routing/types.ts'
import { takeVerdict } from './health-verdict.ts'
import type { LiveTarget, LiveUpstream } from './live-upstreams.ts'

/** Asks a target once: null when it is well, or why not. Never rejects for what the target did; ends with `signal`. */
export type Probe = (
  target: CompiledTarget,
  check: ActiveCheck,
  signal: AbortSignal,
) => Promise<string | null>

/** Begins the active checks of an upstream that has some; what it returns ends them. */
export type WatchTargets = (live: LiveUpstream) => () => void

/** Share of the interval by which checks are spread, so that many upstreams and workers do not ask in step. */
const JITTER = 0.1

/** Active checks: each target is asked at its interval, from its last check on, whatever changes in between. */
export function activeChecks(parts: {
  readonly probe: Probe
  readonly now: () => number
  readonly random: Random
}): WatchTargets {
  return (live) => {
    const { active } = live.compiled.health
    if (active === null) return () => {}
    const watches = live.targets.map((target) => new TargetWatch(live, { target, active }, parts))
    return () => {
      for (const watch of watches) watch.stop()
    }
  }
}

class TargetWatch {
  readonly #live: LiveUpstream
  readonly #target: LiveTarget
  readonly #check: ActiveCheck
  readonly #parts: Parameters<typeof activeChecks>[0]
  readonly #stopped = new AbortController()
  #timer: NodeJS.Timeout | null = null

  constructor(
    live: LiveUpstream,
    asked: { readonly target: LiveTarget; readonly active: ActiveCheck },
    parts: Parameters<typeof activeChecks>[0],
  ) {
    this.#live = live
    this.#target = asked.target
    this.#check = asked.active
    this.#parts = parts
    const { checkedAtMs } = asked.target.state
    // A change must not be a reason to ask again: ten thousand of them would be a flood.
    const waitMs = checkedAtMs === null ? 0 : checkedAtMs + asked.active.intervalMs - parts.now()
    this.#after(Math.max(0, waitMs))
  }

  stop(): void {
    this.#stopped.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #after(ms: number): void {
    // `#ask` hears every failure itself.
    this.#timer = setTimeout(() => void this.#ask(), ms)
    this.#timer.unref()
  }

  async #ask(): Promise<void> {
    const { target, state } = this.#target
    const { signal } = this.#stopped
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#check.timeoutMs)])
    const failure = await this.#parts.probe(target, this.#check, limit)
    if (signal.aborted) return
    const nowMs = this.#parts.now()
    if (takeVerdict(state, this.#check, { failure, nowMs })) this.#live.selector.changed()
    const { intervalMs } = this.#check
    const spread = (this.#parts.random.next() / 0x1_0000_0000 - 0.5) * JITTER
    this.#after(Math.round(intervalMs * (1 + spread)))
  }
}
