import { z } from 'zod'
import { quotasSchema } from '../definitions/quota.ts'
import { QUOTA_COST_MAX } from '../limits.ts'

/** Counts requests against the quotas of the Consumer that makes them, and refuses those beyond. */
export const quotaOptionsSchema = z.strictObject({
  quotas: quotasSchema
    .optional()
    .describe('For every Consumer, beside those that it has itself or by its Plans.'),
  cost: z
    .int()
    .min(0)
    .max(QUOTA_COST_MAX)
    .optional()
    .describe('What one request counts for. Default 1.'),
  headers: z
    .boolean()
    .optional()
    .describe(
      'Answers say X-Quota-Limit, X-Quota-Remaining and X-Quota-Reset (seconds) of the quota with the least left. Default true.',
    ),
})

export type QuotaOptions = z.infer<typeof quotaOptionsSchema>
