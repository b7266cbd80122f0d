import { z } from 'zod'
import { LIMIT_MAX, LIMIT_WINDOW_MS_MAX } from '../limits.ts'
import { nameSchema } from './common.ts'

/** How often something may happen. */
export const rateLimitSchema = z.strictObject({
  name: nameSchema.describe(
    'What the limit is called: one of a Consumer or Plan takes the place of the route’s of the same name.',
  ),
  limit: z.int().min(0).max(LIMIT_MAX).describe('Requests within the window.'),
  windowMs: z.int().min(1).max(LIMIT_WINDOW_MS_MAX),
})

export type RateLimitSpec = z.infer<typeof rateLimitSchema>
