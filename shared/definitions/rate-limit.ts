import { z } from 'zod'
import {
  EXEMPT_CONSUMERS_MAX,
  LABELS_MAX,
  LIMIT_COST_MAX,
  LIMIT_KEY_PARTS_MAX,
  LIMIT_MAX,
  LIMIT_WINDOW_MS_MAX,
  LIMITS_PER_OWNER_MAX,
  ROLES_MAX,
} from '../limits.ts'
import { labelsSchema, nameSchema, networksSchema, roleSchema } from './common.ts'
import { headerNameSchema } from './key-source.ts'

/** How requests are counted. */
const LIMIT_ALGORITHMS = ['sliding-window', 'fixed-window', 'token-bucket', 'concurrency'] as const

const keyPartSchema = z.union([
  z.enum(['consumer', 'key', 'ip', 'route', 'api']),
  z.strictObject({ header: headerNameSchema }),
  z.strictObject({ claim: z.string().min(1).max(256) }),
])

const costSchema = z.union([
  z.int().min(1).max(LIMIT_COST_MAX),
  z.strictObject({
    header: headerNameSchema.describe('Of the request; a whole number.'),
    max: z.int().min(1).max(LIMIT_COST_MAX).describe('What counts in place of any larger number.'),
    default: z
      .int()
      .min(1)
      .max(LIMIT_COST_MAX)
      .optional()
      .describe('Without the header, or with no number in it. Default 1.'),
  }),
])

const exemptSchema = z.strictObject({
  consumers: z.array(nameSchema).min(1).max(EXEMPT_CONSUMERS_MAX).optional(),
  networks: networksSchema.optional(),
  roles: z.array(roleSchema).min(1).max(ROLES_MAX).optional(),
  labels: labelsSchema
    .refine((labels) => Object.keys(labels).length > 0, `names 1 to ${LABELS_MAX} labels`)
    .optional()
    .describe('Consumers with any of these labels.'),
})

/** What only counting needs, which `unlimited` has none of. */
const COUNTED = ['limit', 'windowMs', 'algorithm', 'burst', 'by', 'cost', 'bucket'] as const

/** How often something may happen. */
const rateLimitSchema = z
  .strictObject({
    name: nameSchema.describe(
      'What the limit is called: one of a Consumer or Plan takes the place of the route’s of the same name.',
    ),
    limit: z
      .int()
      .min(0)
      .max(LIMIT_MAX)
      .optional()
      .describe('Requests within the window; with concurrency: at a time.'),
    unlimited: z.literal(true).optional().describe('In place of `limit`: switches the name off.'),
    windowMs: z.int().min(1).max(LIMIT_WINDOW_MS_MAX).optional(),
    algorithm: z
      .enum(LIMIT_ALGORITHMS)
      .optional()
      .describe(
        'sliding-window (default): this window, and of the one before it as much as still overlaps. fixed-window: this ' +
          'window alone. token-bucket: `limit` tokens come back each window, `burst` of them can be saved up. ' +
          'concurrency: requests at a time, without a window.',
      ),
    burst: z
      .int()
      .min(1)
      .max(LIMIT_MAX)
      .optional()
      .describe('Of a token-bucket: how much may come at once. Default `limit`.'),
    by: z
      .union([keyPartSchema, z.array(keyPartSchema).min(1).max(LIMIT_KEY_PARTS_MAX)])
      .optional()
      .describe(
        'Whose requests are counted together: consumer (default), key, ip (of IPv6 the /64), route, api, {header} or ' +
          '{claim}, or several of them. What a request does not have is its address instead, unless `absent` says else.',
      ),
    absent: z
      .enum(['ip', 'skip'])
      .optional()
      .describe(
        'For requests without what `by` names, such as those of nobody known. ip (default): they are counted by ' +
          'address. skip: the limit is not for them.',
      ),
    authenticated: z
      .enum(['count', 'skip'])
      .optional()
      .describe('skip: the limit is not for callers who are known. Default count.'),
    cost: costSchema.optional().describe('What a request counts. Default 1.'),
    bucket: nameSchema
      .optional()
      .describe(
        'Limits of the same name and bucket count together, wherever they stand. Default: the Api, or the route where ' +
          'the limit is the route’s own.',
      ),
    scope: z
      .enum(['worker', 'gateway', 'cluster'])
      .optional()
      .describe('Who counts together: one thread, one gateway (default), or all gateways.'),
    onFailure: z
      .enum(['open', 'closed'])
      .optional()
      .describe('When it cannot be counted: open (default) lets requests pass, closed refuses.'),
    exempt: exemptSchema.optional().describe('Who is not counted: whoever is in any of the lists.'),
    shown: z
      .boolean()
      .optional()
      .describe('X-RateLimit-* tell of this one. Default: of the one with the least left.'),
  })
  .superRefine((limit, context) => {
    const say = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (limit.unlimited === true) {
      for (const field of COUNTED) {
        if (limit[field] !== undefined) say(field, 'is not for what is unlimited')
      }
      return
    }
    if (limit.limit === undefined) say('limit', 'is required, or `unlimited`')
    const isConcurrency = limit.algorithm === 'concurrency'
    if (limit.windowMs === undefined && !isConcurrency) say('windowMs', 'is required')
    if (limit.burst !== undefined && limit.algorithm !== 'token-bucket') {
      say('burst', 'is for algorithm token-bucket')
    }
    if (!isConcurrency) return
    if (limit.windowMs !== undefined) say('windowMs', 'is not for algorithm concurrency')
    if (limit.cost !== undefined) say('cost', 'is not for algorithm concurrency')
    if (limit.scope === 'cluster') say('scope', 'must be worker or gateway for concurrency')
  })

export type RateLimitSpec = z.infer<typeof rateLimitSchema>

/** The limits of one owner. */
export const rateLimitsSchema = z
  .array(rateLimitSchema)
  .max(LIMITS_PER_OWNER_MAX)
  .refine(
    (limits) => new Set(limits.map(({ name }) => name)).size === limits.length,
    'has two limits of one name',
  )
