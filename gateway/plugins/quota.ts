import type { QuotaSpec } from '../../shared/definitions/quota.ts'
import type { QuotaOptions } from '../../shared/plugins/quota.ts'
import type { Entitlements } from '../consumers/consumer.ts'
import type { Identity } from '../consumers/identity.ts'
import { left, type QuotaEntry } from '../quotas/usage-book.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Check, PluginParts } from './plugin.ts'

const OVER_QUOTA = errorReply('OVER_QUOTA', 'the quota is used up')

/**
 * Counts a request against every quota of its Consumer, or refuses it and counts nothing. The last of all looks: what was
 * refused before it is not counted. Callers who are no Consumer have no quotas.
 */
export function quota(options: QuotaOptions, { usage, epochMs }: PluginParts): Check {
  const { cost = 1, headers = true, quotas: own = [] } = options
  /** What a Consumer has, and what the route adds; worked out once for each set of entitlements. */
  const merged = new WeakMap<Entitlements, readonly QuotaSpec[]>()

  function quotasOf(entitlements: Entitlements): readonly QuotaSpec[] {
    const known = merged.get(entitlements)
    if (known !== undefined) return known
    const names = new Set(entitlements.quotas.map(({ name }) => name))
    const all = [...entitlements.quotas, ...own.filter(({ name }) => !names.has(name))]
    merged.set(entitlements, all)
    return all
  }

  return (context) => {
    const { identity, entitlements } = context
    const consumer = identity?.consumer ?? null
    if (identity === null || consumer === null || entitlements === null) return undefined
    const quotas = quotasOf(entitlements)
    if (quotas.length === 0) return undefined
    const nowMs = epochMs()
    const entries = quotas.map((each) =>
      usage.entry(consumer.name, each.by === 'key' ? keyOf(identity) : null, each, nowMs),
    )
    let tightest = entries[0]
    for (const entry of entries) {
      if (entry.quota.onExceeded !== 'count' && left(entry) < cost) {
        return refusal(context, entry, { nowMs, headers })
      }
      if (tightest !== undefined && left(entry) < left(tightest)) tightest = entry
    }
    for (const entry of entries) {
      entry.pending += cost
      entry.usedAtMs = nowMs
    }
    if (headers && tightest !== undefined) context.answerLines += lines(tightest, nowMs)
    return undefined
  }
}

/** Keys are told apart by their names, of which a Consumer has each once. */
function keyOf({ credential }: Identity): string {
  return credential ?? ''
}

function refusal(
  context: RequestContext,
  entry: QuotaEntry,
  { nowMs, headers }: { readonly nowMs: number; readonly headers: boolean },
): Reply {
  entry.usedAtMs = nowMs
  if (headers) context.answerLines += lines(entry, nowMs)
  if (entry.endMs === Infinity) return OVER_QUOTA
  const retry = `Retry-After: ${secondsTo(entry.endMs, nowMs)}\r\n`
  return { ...OVER_QUOTA, lines: OVER_QUOTA.lines + retry }
}

function lines(entry: QuotaEntry, nowMs: number): string {
  const remaining = Math.max(0, left(entry))
  const reset =
    entry.endMs === Infinity ? '' : `X-Quota-Reset: ${secondsTo(entry.endMs, nowMs)}\r\n`
  return `X-Quota-Limit: ${entry.quota.limit}\r\nX-Quota-Remaining: ${remaining}\r\n${reset}`
}

function secondsTo(endMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((endMs - nowMs) / 1_000))
}
