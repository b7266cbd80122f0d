import type { UsageAnswer, UsageReport, UsageTotal } from '../../shared/usage-protocol.ts'

/** What was used of one quota: in the period under way, and in the one before. */
export type QuotaUsage = {
  /** Milliseconds since 1970. */
  readonly startMs: number
  /** Below 0 when more was granted than used. */
  readonly used: number
  readonly previous: { readonly startMs: number; readonly used: number } | null
}

/** What one Consumer has used, by quota. */
export type ConsumerUsage = {
  readonly consumer: string
  readonly quotas: Readonly<Record<string, QuotaUsage>>
}

/** How far the reports of one gateway process are counted. */
export type UsageSource = {
  readonly source: string
  readonly sequence: number
  readonly atMs: number
}

/** Somebody changes what counts as used: `amount` null sets it to 0, else so much is taken off it. */
export type UsageAdjustment = {
  readonly consumer: string
  readonly quota: string
  readonly amount: number | null
}

/** A command of the system's own: what gateways counted, many reports at once. It makes no revision. */
export type UsageCommand = {
  readonly type: 'usage'
  /** Tells it from all others. */
  readonly id: string
  /** The leader's clock; milliseconds since 1970. */
  readonly atMs: number
  readonly reports: readonly UsageReport[]
  readonly adjustments: readonly UsageAdjustment[]
}

/** What a usage command leaves on disk. */
export type UsageRecord =
  | { readonly type: 'usage'; readonly usage: ConsumerUsage }
  | { readonly type: 'usage-forgotten'; readonly consumer: string }
  | { readonly type: 'usage-source'; readonly source: UsageSource }
  | { readonly type: 'usage-source-forgotten'; readonly source: string }

/** Part of a usage total that went over something at a moment: for alerts. */
export type UsageStep = UsageTotal & { readonly before: number }

/** The usage of Consumers, as the HTTP API sees it. */
export type UsagePort = {
  /**
   * Counts a report, on the leader, and resolves when a majority has it. A report with nothing used is answered at once.
   * NOT_LEADER, WRITE_UNCERTAIN (the same report may be sent again), OVERLOADED, FEATURE_UNAVAILABLE.
   */
  count(report: UsageReport): Promise<UsageAnswer>
  /** Changes what counts as used; on the leader, errors as `count`. */
  adjust(adjustment: UsageAdjustment): Promise<UsageAnswer>
  /** What a Consumer has used, as this node has applied it; null: nothing. */
  of(consumer: string): ConsumerUsage | null
  /** Called on the node that leads for every total that grew. Returns the way to stop. */
  onGrown(listener: (steps: readonly UsageStep[]) => void): () => void
}
