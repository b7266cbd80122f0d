import { z } from 'zod'
import { nameSchema } from '../definitions/common.ts'
import { BODY_BYTES_BOUND_MAX, EXEMPT_CONSUMERS_MAX } from '../limits.ts'

const bytesSchema = z.int().min(0).max(BODY_BYTES_BOUND_MAX)

/** How large request bodies may be. */
export const sizeLimitSchema = z.strictObject({
  bytes: bytesSchema.describe('A larger body is 413 BODY_TOO_LARGE, at the byte that is too much.'),
  consumers: z
    .record(nameSchema, bytesSchema)
    .refine((consumers) => Object.keys(consumers).length <= EXEMPT_CONSUMERS_MAX, {
      message: `at most ${EXEMPT_CONSUMERS_MAX} consumers (EXEMPT_CONSUMERS_MAX)`,
    })
    .optional()
    .describe('For single Consumers, in place of `bytes`.'),
  requireLength: z
    .boolean()
    .optional()
    .describe('A body whose length is not told before is 411 LENGTH_REQUIRED. Default false.'),
})

export type SizeLimitOptions = z.infer<typeof sizeLimitSchema>
