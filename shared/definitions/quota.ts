import { z } from 'zod'
import {
  LIMIT_MAX,
  LIMITS_PER_OWNER_MAX,
  QUOTA_ALERTS_MAX,
  QUOTA_PERIOD_MS_MAX,
  QUOTA_PERIOD_MS_MIN,
  URL_CHARS_MAX,
} from '../limits.ts'
import { nameSchema } from './common.ts'

export const CALENDAR_PERIODS = ['hour', 'day', 'week', 'month', 'year'] as const

/** How much may be used in a long time; kept by the control plane, so that it outlives every gateway. */
const quotaSchema = z
  .strictObject({
    name: nameSchema.describe(
      'What the quota is called: one of a Consumer takes the place of its Plans’ of the same name, and theirs of the route’s.',
    ),
    limit: z.int().min(0).max(LIMIT_MAX).describe('What may be used in a period.'),
    period: z
      .enum(CALENDAR_PERIODS)
      .optional()
      .describe('By the calendar: weeks begin on Monday, everything at midnight.'),
    utcOffsetMinutes: z
      .int()
      .min(-720)
      .max(840)
      .optional()
      .describe('Whose midnight, for periods of the calendar: minutes east of UTC. Default 0.'),
    everyMs: z
      .int()
      .min(QUOTA_PERIOD_MS_MIN)
      .max(QUOTA_PERIOD_MS_MAX)
      .optional()
      .describe('In place of `period`: so long from the first use after the period before.'),
    by: z
      .enum(['consumer', 'key'])
      .optional()
      .describe('key: each key of a Consumer has the limit for itself. Default consumer.'),
    onExceeded: z
      .enum(['refuse', 'count'])
      .optional()
      .describe('count: what goes beyond is counted, not refused. Default refuse.'),
    alerts: z
      .strictObject({
        percents: z.array(z.int().min(1).max(1_000)).min(1).max(QUOTA_ALERTS_MAX),
        url: z
          .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
          .max(URL_CHARS_MAX),
      })
      .optional()
      .describe('Where it is told that so many percent of the limit are used, once a period.'),
  })
  .refine(({ period, everyMs }) => (period === undefined) !== (everyMs === undefined), {
    path: ['period'],
    message: 'or `everyMs` is needed, and not both',
  })
  .refine(
    ({ utcOffsetMinutes, period }) => utcOffsetMinutes === undefined || period !== undefined,
    {
      path: ['utcOffsetMinutes'],
      message: 'is for periods of the calendar',
    },
  )

/** Quotas of one Consumer, Plan or route: of each name one. */
export const quotasSchema = z
  .array(quotaSchema)
  .max(LIMITS_PER_OWNER_MAX)
  .refine((quotas) => new Set(quotas.map(({ name }) => name)).size === quotas.length, {
    message: 'names a quota twice',
  })

export type QuotaSpec = z.infer<typeof quotaSchema>
export type CalendarPeriod = (typeof CALENDAR_PERIODS)[number]
