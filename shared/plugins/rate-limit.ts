import { z } from 'zod'
import { rateLimitsSchema } from '../definitions/rate-limit.ts'

/** How often requests may come: all limits are checked, and only if none refuses are all of them counted. */
export const rateLimitPluginSchema = z.strictObject({
  limits: rateLimitsSchema.optional(),
  headers: z
    .enum(['ratelimit', 'x-ratelimit', 'both', 'none'])
    .optional()
    .describe(
      'How callers are told what is left: RateLimit and RateLimit-Policy (ratelimit, default), X-RateLimit-Limit, ' +
        '-Remaining and -Reset (x-ratelimit), both, or none.',
    ),
})

export type RateLimitOptions = z.infer<typeof rateLimitPluginSchema>
