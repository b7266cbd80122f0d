import { z } from 'zod'
import { NAME_CHARS_MAX, USAGE_COUNTS_MAX, USAGE_ID_CHARS_MAX } from './limits.ts'

const countSchema = z.strictObject({
  consumer: z.string().min(1).max(NAME_CHARS_MAX),
  /** Name of the quota, with the key behind a slash where keys are counted apart. */
  quota: z.string().min(1).max(USAGE_ID_CHARS_MAX),
  /** What was used since the report before; 0 only asks how things stand. */
  used: z.int().min(0),
  /** When the period began, for periods of the calendar; null: it begins with the first use after the last one. */
  startMs: z.int().min(0).nullable(),
  /** How long a period lasts that is none of the calendar; ignored for those. */
  periodMs: z.int().min(1),
})

/** What one gateway has counted since its report before. */
export const usageReportSchema = z.strictObject({
  /** The process that counts: another one at every start. */
  source: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
  /** Its reports in order, from 1 on. A report that was taken before is not counted again. */
  sequence: z.int().min(1),
  counts: z.array(countSchema).max(USAGE_COUNTS_MAX),
})

export type UsageReport = z.infer<typeof usageReportSchema>
export type UsageCount = UsageReport['counts'][number]

/** How much of a quota is used in the period that began at `startMs`, as the cluster has it. */
export type UsageTotal = {
  readonly consumer: string
  readonly quota: string
  readonly startMs: number
  readonly used: number
}

/** The answer to a report, for everything that it names. */
export type UsageAnswer = { readonly totals: readonly UsageTotal[] }
