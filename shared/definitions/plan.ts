import { z } from 'zod'
import {
  ACCESS_RULES_MAX,
  DESCRIPTION_CHARS_MAX,
  PATH_CHARS_MAX,
  PRIORITY_MAX,
  ROLES_MAX,
  ROUTES_PER_API_MAX,
} from '../limits.ts'
import { methodsSchema, nameSchema, roleSchema } from './common.ts'
import { quotasSchema } from './quota.ts'
import { rateLimitsSchema } from './rate-limit.ts'

/** Which requests somebody may make: of one Api, and of it only some routes or methods. */
const accessRuleSchema = z.strictObject({
  api: nameSchema,
  routes: z
    .array(z.string().min(1).max(PATH_CHARS_MAX))
    .min(1)
    .max(ROUTES_PER_API_MAX)
    .optional()
    .describe('`path` of the routes, as the Api has them. Omitted: all of them.'),
  methods: methodsSchema.optional().describe('Omitted: every method.'),
})

export type AccessRule = z.infer<typeof accessRuleSchema>

/** What Consumers get who have the plan. */
export const planSpecSchema = z.strictObject({
  priority: z
    .int()
    .min(-PRIORITY_MAX)
    .max(PRIORITY_MAX)
    .optional()
    .describe(
      'Of several plans with a limit of the same name, the one with the highest priority has its say; then the first ' +
        'by name. Default 0.',
    ),
  access: z
    .array(accessRuleSchema)
    .min(1)
    .max(ACCESS_RULES_MAX)
    .optional()
    .describe(
      'What may be asked for; the rules of all plans together. Omitted: this plan permits everything.',
    ),
  limits: rateLimitsSchema.optional(),
  quotas: quotasSchema.optional(),
  roles: z.array(roleSchema).max(ROLES_MAX).optional().describe('Added to those of the Consumer.'),
  description: z.string().max(DESCRIPTION_CHARS_MAX).optional(),
})

export type PlanSpec = z.infer<typeof planSpecSchema>
