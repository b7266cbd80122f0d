import { USAGE_SOURCE_MS } from '../../shared/limits.ts'
import type { UsageCount, UsageTotal } from '../../shared/usage-protocol.ts'
import type {
  ConsumerUsage,
  QuotaUsage,
  UsageAdjustment,
  UsageCommand,
  UsageRecord,
  UsageSource,
  UsageStep,
} from '../ports.ts'

/** What a usage command did. */
export type UsageApplied = {
  readonly totals: readonly UsageTotal[]
  readonly grown: readonly UsageStep[]
  /** What the disk must remember. */
  readonly records: readonly UsageRecord[]
}

/** What Consumers have used. Decided by commands alone, so that it is the same on every node. */
export class Usage {
  readonly #byConsumer = new Map<string, Record<string, QuotaUsage>>()
  readonly #sources = new Map<string, UsageSource>()

  constructor(parts: {
    readonly usage?: readonly ConsumerUsage[] | undefined
    readonly usageSources?: readonly UsageSource[] | undefined
  }) {
    for (const { consumer, quotas } of parts.usage ?? []) {
      this.#byConsumer.set(consumer, { ...quotas })
    }
    for (const source of parts.usageSources ?? []) this.#sources.set(source.source, source)
  }

  /** Null: nothing. */
  of(consumer: string): ConsumerUsage | null {
    const quotas = this.#byConsumer.get(consumer)
    return quotas === undefined ? null : { consumer, quotas }
  }

  /** How things stand for what a report names; quotas of which nothing is known are left out. */
  totalsOf(counts: readonly Pick<UsageCount, 'consumer' | 'quota'>[]): UsageTotal[] {
    return counts.flatMap(({ consumer, quota }) => {
      const usage = this.#usageOf(consumer, quota)
      return usage === undefined
        ? []
        : [{ consumer, quota, startMs: usage.startMs, used: usage.used }]
    })
  }

  /**
   * Counts reports that were not counted before, in order. Counts of Consumers that are gone are dropped: `isKnown` tells.
   */
  apply(command: UsageCommand, isKnown: (consumer: string) => boolean): UsageApplied {
    const changed = new Set<string>()
    const grown: UsageStep[] = []
    const records: UsageRecord[] = []
    for (const { source, sequence, counts } of command.reports) {
      if ((this.#sources.get(source)?.sequence ?? 0) >= sequence) continue
      const known = { source, sequence, atMs: command.atMs }
      this.#sources.set(source, known)
      records.push({ type: 'usage-source', source: known })
      for (const count of counts) {
        if (count.used === 0 || !isKnown(count.consumer)) continue
        const step = this.#count(count, command.atMs)
        changed.add(count.consumer)
        if (step !== null) grown.push(step)
      }
    }
    for (const adjustment of command.adjustments) {
      if (this.#adjust(adjustment)) changed.add(adjustment.consumer)
    }
    for (const consumer of changed) {
      const usage = this.of(consumer)
      if (usage !== null) records.push({ type: 'usage', usage })
    }
    records.push(...this.#forgetSources(command.atMs))
    const named = [...command.reports.flatMap(({ counts }) => counts), ...command.adjustments]
    return { totals: this.totalsOf(named), grown, records }
  }

  /** A Consumer is gone, and with it what it used. */
  forget(consumer: string): readonly UsageRecord[] {
    return this.#byConsumer.delete(consumer) ? [{ type: 'usage-forgotten', consumer }] : []
  }

  #usageOf(consumer: string, quota: string): QuotaUsage | undefined {
    const quotas = this.#byConsumer.get(consumer)
    return quotas !== undefined && Object.hasOwn(quotas, quota) ? quotas[quota] : undefined
  }

  #set(consumer: string, quota: string, usage: QuotaUsage): void {
    const quotas = this.#byConsumer.get(consumer)
    if (quotas === undefined) this.#byConsumer.set(consumer, { [quota]: usage })
    else quotas[quota] = usage
  }

  /** Null when the count belongs to a period that is over. */
  #count(count: UsageCount, atMs: number): UsageStep | null {
    const { consumer, quota, used } = count
    const standing = this.#usageOf(consumer, quota)
    const previous = standing?.previous ?? null
    if (standing !== undefined && isLate(count, standing)) {
      // The period ended between the use and its report.
      if (previous !== null && previous.startMs === count.startMs) {
        const later = { ...previous, used: previous.used + used }
        this.#set(consumer, quota, { ...standing, previous: later })
      }
      return null
    }
    const isSame = standing !== undefined && isSamePeriod(count, standing, atMs)
    const next: QuotaUsage = isSame
      ? { ...standing, used: standing.used + used }
      : {
          startMs: count.startMs ?? atMs,
          used,
          previous:
            standing === undefined ? null : { startMs: standing.startMs, used: standing.used },
        }
    this.#set(consumer, quota, next)
    return { consumer, quota, startMs: next.startMs, used: next.used, before: next.used - used }
  }

  /** Whether there was anything to change. */
  #adjust({ consumer, quota, amount }: UsageAdjustment): boolean {
    const standing = this.#usageOf(consumer, quota)
    if (standing === undefined) return false
    const used = amount === null ? 0 : standing.used - amount
    this.#set(consumer, quota, { ...standing, used })
    return true
  }

  /** A process that was silent for long is gone: no report of it is repeated any more. */
  #forgetSources(atMs: number): UsageRecord[] {
    const old = [...this.#sources.values()].filter((each) => each.atMs + USAGE_SOURCE_MS < atMs)
    for (const { source } of old) this.#sources.delete(source)
    return old.map(({ source }) => ({ type: 'usage-source-forgotten', source }))
  }
}

function isLate({ startMs }: UsageCount, standing: QuotaUsage): boolean {
  return startMs !== null && startMs < standing.startMs
}

function isSamePeriod(
  { startMs, periodMs }: UsageCount,
  standing: QuotaUsage,
  atMs: number,
): boolean {
  return startMs === null ? atMs < standing.startMs + periodMs : startMs === standing.startMs
}
