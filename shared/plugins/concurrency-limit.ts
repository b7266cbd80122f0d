import { z } from 'zod'
import { CONCURRENT_MAX, CONCURRENT_WAITING_MAX, CONCURRENT_WAIT_MS_MAX } from '../limits.ts'

/** How many requests may be under way at once, and how many may wait for one of them to end. */
export const concurrencyLimitSchema = z.strictObject({
  limit: z
    .int()
    .min(1)
    .max(CONCURRENT_MAX)
    .describe('Requests under way at once, in all worker threads of a gateway together.'),
  by: z
    .enum(['upstream', 'route', 'api'])
    .optional()
    .describe(
      'What they go to: the same upstream (default), whatever route leads there, the same route or the same Api.',
    ),
  queue: z
    .int()
    .min(0)
    .max(CONCURRENT_WAITING_MAX)
    .optional()
    .describe('Requests that may wait in each worker thread, first come first served. Default 0.'),
  waitMs: z
    .int()
    .min(1)
    .max(CONCURRENT_WAIT_MS_MAX)
    .optional()
    .describe('How long a request waits at most. Default 1,000.'),
})

export type ConcurrencyLimitOptions = z.infer<typeof concurrencyLimitSchema>
