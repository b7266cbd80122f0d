import { z } from 'zod'
import { headerNameSchema } from '../definitions/key-source.ts'
import { nameSchema } from '../definitions/common.ts'

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
