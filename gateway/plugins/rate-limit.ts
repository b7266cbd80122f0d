import type { RateLimitOptions } from '../../shared/plugins/rate-limit.ts'
import { KeyHash } from '../limits/key-hash.ts'
import { limitFields, type Told } from '../limits/limit-fields.ts'
import { MergedLimits } from '../limits/merged-limits.ts'
import type { CompiledLimit } from '../limits/compiled-limit.ts'
import type { Counters } from '../limits/counters.ts'
import type { SharedCounts } from '../limits/shared-counts.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Check, PluginParts } from './plugin.ts'
import { withRetryAfter } from './retry-after.ts'

const OVER = errorReply('OVER_RATE_LIMIT', 'too many requests')

/** Lets requests pass as often as they may come: 429 OVER_RATE_LIMIT. `bucket` is where its limits count if they do not say. */
export function rateLimit(
  options: RateLimitOptions,
  bucket: string,
  { counters, epochMs, metrics, sharedCounts }: PluginParts,
): Check {
  const place = {
    bucket,
    worker: counters.worker,
    seed: counters.seed,
    sharedSeed: sharedCounts.seed,
  }
  const limits = new MergedLimits(options.limits ?? [], place)
  const fields = limitFields(options.headers)
  const hash = new KeyHash()
  /** Limits of the request that is looked at, in the order of their wants. */
  const asked: CompiledLimit[] = []

  return (context) => {
    asked.length = 0
    counters.clear()
    for (const limit of limits.of(context.entitlements)) {
      if (!limit.concerns(context) || !limit.hashKey(context, hash)) continue
      asked.push(limit)
      counters.want(limit.rule, limit.costOf(context), hash, limit.isOpen)
    }
    if (asked.length === 0) return undefined
    const refusing = counters.decide(epochMs())
    if (counters.uncounted > 0) metrics.limitsUncounted(counters.uncounted)
    const told = asked.map((limit, at): Told => ({ limit, want: counters.at(at) }))
    context.answerLines += fields(told, told[refusing] ?? null)
    if (refusing < 0) {
      keepHolds(context, counters)
      shareCounts(asked, counters, sharedCounts)
      return undefined
    }
    metrics.overLimit()
    return overReply(counters.waitMs, asked[refusing])
  }
}

function shareCounts(
  asked: readonly CompiledLimit[],
  counters: Counters,
  sharedCounts: SharedCounts,
): void {
  for (let at = 0; at < asked.length; at++) {
    if (asked[at]?.scope !== 'cluster') continue
    const { a, b, rule, cost, place } = counters.at(at)
    if (place >= 0) sharedCounts.add(a, b, rule, cost)
  }
}

function keepHolds(context: RequestContext, counters: Counters): void {
  for (let at = 0; at < counters.wanted; at++) {
    const { hold } = counters.at(at)
    if (hold >= 0) context.whenOver({ requestOver: () => counters.giveBack(hold) })
  }
}

function overReply(waitMs: number, limit: CompiledLimit | undefined): Reply {
  // What never passes may be asked again when everything is different.
  const ms = waitMs === Infinity ? (limit?.rule.windowMs ?? 0) : waitMs
  return withRetryAfter(OVER, ms)
}
