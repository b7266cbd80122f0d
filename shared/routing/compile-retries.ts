import type { BreakerSpec, HedgeSpec, RetriesSpec } from '../definitions/retries.ts'
import {
  BREAKER_FAILURE_PERCENT_DEFAULT,
  BREAKER_LONGEST_OPEN_MS_DEFAULT,
  BREAKER_OPEN_MS_DEFAULT,
  BREAKER_PROBES_DEFAULT,
  BREAKER_REQUESTS_DEFAULT,
  BREAKER_WINDOW_MS_DEFAULT,
  RETRIES_PER_SECOND_DEFAULT,
} from '../limits.ts'
import type { BreakerOptions, CompiledRetry } from './types.ts'

/** One object for all upstreams that say nothing beyond the number of attempts. */
const PLAIN: CompiledRetry = {
  statuses: [],
  perTryMs: 0,
  backoffMs: 0,
  backoffMsMax: 0,
  budget: null,
  hedgeMs: 0,
}

/** How an upstream is asked again, with defaults. */
export function compileRetry(
  retries: RetriesSpec | undefined,
  hedge: HedgeSpec | undefined,
): CompiledRetry {
  if (retries === undefined && hedge === undefined) return PLAIN
  const { budget, backoff } = retries ?? {}
  return {
    statuses: retries?.statuses ?? PLAIN.statuses,
    perTryMs: retries?.perTryMs ?? 0,
    backoffMs: backoff?.baseMs ?? 0,
    backoffMsMax: backoff?.maxMs ?? 10 * (backoff?.baseMs ?? 0),
    budget:
      budget === undefined
        ? null
        : { percent: budget.percent, perSecond: budget.perSecond ?? RETRIES_PER_SECOND_DEFAULT },
    hedgeMs: hedge?.afterMs ?? 0,
  }
}

/** Options of a breaker with their defaults; null for an upstream without one. */
export function compileBreaker(spec: BreakerSpec | undefined): BreakerOptions | null {
  if (spec === undefined) return null
  const openMs = spec.openMs ?? BREAKER_OPEN_MS_DEFAULT
  return {
    failurePercent: spec.failurePercent ?? BREAKER_FAILURE_PERCENT_DEFAULT,
    requestsMin: spec.requestsMin ?? BREAKER_REQUESTS_DEFAULT,
    windowMs: spec.windowMs ?? BREAKER_WINDOW_MS_DEFAULT,
    openMs,
    openMsMax: Math.max(openMs, spec.openMsMax ?? BREAKER_LONGEST_OPEN_MS_DEFAULT),
    probes: spec.probes ?? BREAKER_PROBES_DEFAULT,
  }
}
