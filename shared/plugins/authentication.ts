import { z } from 'zod'
import { headerNameSchema } from '../definitions/key-source.ts'
import { nameSchema } from '../definitions/common.ts'
import { LIMIT_MAX, LIMIT_WINDOW_MS_MAX } from '../limits.ts'

/** How the plugins that tell who calls work together, and what a target hears of it. */
export const authenticationSchema = z.strictObject({
  require: z
    .enum(['any', 'all', 'none'])
    .optional()
    .describe(
      'any (default): one of the plugins must know the caller. all: each of them must, and all the same Consumer. none: ' +
        'a caller may come without credentials; wrong ones are refused all the same.',
    ),
  anonymous: nameSchema
    .optional()
    .describe('The Consumer that callers without credentials are. Implies that they may come.'),
  attempts: z
    .union([
      z.literal(false),
      z.strictObject({
        limit: z.int().min(1).max(LIMIT_MAX),
        windowMs: z.int().min(1).max(LIMIT_WINDOW_MS_MAX),
      }),
    ])
    .optional()
    .describe(
      'Wrong credentials that one address may show: `limit` at once, and as many again within the window. Then it is 429 ' +
        'TOO_MANY_ATTEMPTS, unless it shows what was good from there before. Default 20 a minute; false: any number.',
    ),
  headers: z
    .strictObject({
      consumer: headerNameSchema.optional(),
      credential: headerNameSchema.optional(),
      roles: headerNameSchema.optional(),
      labels: z.record(z.string().min(1).max(63), headerNameSchema).optional(),
      metadata: z.record(z.string().min(1).max(63), headerNameSchema).optional(),
      claims: z.record(z.string().min(1).max(256), headerNameSchema).optional(),
    })
    .optional()
    .describe(
      'Headers in which the target is told who calls: `consumer` (default X-Consumer-Name), `credential` (its name; ' +
        'default X-Consumer-Credential), `roles` (joined by ","; default X-Consumer-Roles), and single labels, metadata ' +
        'and claims. The same headers from a client are removed.',
    ),
})

export type AuthenticationOptions = z.infer<typeof authenticationSchema>
