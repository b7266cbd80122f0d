import type { QuotaSpec } from '../../shared/definitions/quota.ts'
import { QUOTA_ENTRIES_MAX, USAGE_ASK_MS, USAGE_KEPT_MS } from '../../shared/limits.ts'
import { calendarStart, periodEnd, periodLength } from '../../shared/quota-period.ts'
import type { UsageCount, UsageTotal } from '../../shared/usage-protocol.ts'

/** How one worker sees a quota of one Consumer, or of one of its keys. */
export type QuotaEntry = {
  readonly consumer: string
  /** Name of the quota, with the key behind a slash where keys are counted apart. */
  readonly name: string
  readonly quota: QuotaSpec
  /** Null: a period that begins with its first use, of which the cluster has not told yet. */
  startMs: number | null
  /** Infinity while that is not known. */
  endMs: number
  /** What the cluster has counted, as it told last. */
  known: number
  /** Used here, and not handed over yet. */
  pending: number
  /** Handed over, and not part of `known` yet. */
  handed: number
  usedAtMs: number
  askedAtMs: number
}

/** What was handed over at once, until the cluster has it. */
type Handed = {
  readonly batch: number
  readonly parts: readonly { entry: QuotaEntry; used: number }[]
}

/**
 * What one worker knows of quotas: what the cluster has counted, and what was used here since. Decides without waiting, so
 * what other workers and gateways use meanwhile is not part of it: they tell each other every USAGE_REPORT_MS.
 */
export class UsageBook {
  readonly #entries = new Map<string, QuotaEntry>()
  /** Uses in periods that ended before they were handed over. */
  #leftover: UsageCount[] = []
  readonly #handed: Handed[] = []
  #batch = 0

  /** The entry of a quota in the period that a moment is in; milliseconds since 1970. */
  entry(consumer: string, key: string | null, quota: QuotaSpec, nowMs: number): QuotaEntry {
    const name = key === null ? quota.name : `${quota.name}/${key}`
    const id = `${consumer} ${name}`
    let entry = this.#entries.get(id)
    if (entry === undefined || entry.quota !== quota) {
      entry = this.#fresh({ consumer, name, quota, nowMs }, entry)
      if (this.#entries.size >= QUOTA_ENTRIES_MAX) this.#forget(nowMs)
      this.#entries.set(id, entry)
    } else if (nowMs >= entry.endMs) this.#begin(entry, nowMs)
    return entry
  }

  /** Hands over what was used since the last time, and asks of what is in use how it stands; null: nothing to say. */
  take(nowMs: number): { readonly batch: number; readonly counts: readonly UsageCount[] } | null {
    const counts = this.#leftover
    const parts: { entry: QuotaEntry; used: number }[] = []
    this.#leftover = []
    for (const entry of this.#entries.values()) {
      const isAsking =
        nowMs - entry.usedAtMs < USAGE_KEPT_MS && nowMs - entry.askedAtMs >= USAGE_ASK_MS
      if (entry.pending === 0 && !isAsking) continue
      entry.askedAtMs = nowMs
      counts.push(countOf(entry, entry.pending))
      if (entry.pending === 0) continue
      parts.push({ entry, used: entry.pending })
      entry.handed += entry.pending
      entry.pending = 0
    }
    if (counts.length === 0) return null
    this.#batch += 1
    this.#handed.push({ batch: this.#batch, parts })
    return { batch: this.#batch, counts }
  }

  /** The cluster has what was handed over up to and with `through`, and tells how things stand. */
  learn(totals: readonly UsageTotal[], through: number): void {
    while ((this.#handed[0]?.batch ?? Infinity) <= through) {
      for (const { entry, used } of this.#handed.shift()?.parts ?? []) {
        entry.handed = Math.max(0, entry.handed - used)
      }
    }
    for (const { consumer, quota, startMs, used } of totals) {
      const entry = this.#entries.get(`${consumer} ${quota}`)
      if (entry === undefined || (entry.startMs !== null && startMs < entry.startMs)) continue
      if (entry.quota.period === undefined) {
        entry.startMs = startMs
        entry.endMs = periodEnd(entry.quota, startMs)
      } else if (startMs !== entry.startMs) continue
      entry.known = used
    }
  }

  #fresh(
    {
      consumer,
      name,
      quota,
      nowMs,
    }: Pick<QuotaEntry, 'consumer' | 'name' | 'quota'> & { readonly nowMs: number },
    before: QuotaEntry | undefined,
  ): QuotaEntry {
    const entry: QuotaEntry = {
      consumer,
      name,
      quota,
      startMs: null,
      endMs: 0,
      known: 0,
      pending: 0,
      handed: 0,
      usedAtMs: nowMs,
      // It is asked for with the next report.
      askedAtMs: -Infinity,
    }
    this.#begin(entry, nowMs)
    if (before === undefined) return entry
    // Its definition changed: what was used stays, as far as it is in the same period.
    if (before.pending > 0) this.#leftover.push(countOf(before, before.pending))
    const isSame = before.startMs === entry.startMs && before.quota.everyMs === quota.everyMs
    if (isSame) entry.known = before.known + before.pending + before.handed
    return entry
  }

  /** A period begins with nothing used; what is left of the one before is handed over as its. */
  #begin(entry: QuotaEntry, nowMs: number): void {
    if (entry.pending > 0) this.#leftover.push(countOf(entry, entry.pending))
    entry.pending = 0
    entry.handed = 0
    entry.known = 0
    entry.startMs = calendarStart(entry.quota, nowMs)
    entry.endMs = entry.startMs === null ? Infinity : periodEnd(entry.quota, entry.startMs)
  }

  /** Entries that nobody used lately go; the cluster has them. */
  #forget(nowMs: number): void {
    for (const [id, { usedAtMs, pending, handed }] of this.#entries) {
      if (pending + handed === 0 && nowMs - usedAtMs >= USAGE_KEPT_MS) this.#entries.delete(id)
    }
  }
}

function countOf({ consumer, name, quota, startMs }: QuotaEntry, used: number): UsageCount {
  // A period that is none of the calendar begins where the cluster counts.
  const start = quota.period === undefined ? null : startMs
  return { consumer, quota: name, used, startMs: start, periodMs: periodLength(quota) }
}

/** What is left of a quota; below 0 when more was used. */
export function left({ quota, known, pending, handed }: QuotaEntry): number {
  return quota.limit - known - pending - handed
}
