import { z } from 'zod'
import { roleSchema } from '../definitions/common.ts'
import { ROLE_GROUPS_MAX } from '../access-limits.ts'
import { ROLES_MAX } from '../limits.ts'

const rolesSchema = z.array(roleSchema).min(1).max(ROLES_MAX)

/** Roles that a caller must have, from its Consumer and Plans together. */
export const rolesOptionsSchema = z
  .strictObject({
    all: rolesSchema.optional().describe('Each of them is required.'),
    any: z
      .union([rolesSchema, z.array(rolesSchema).min(1).max(ROLE_GROUPS_MAX)])
      .optional()
      .describe('One of them is required; of a list of lists, one of each.'),
    mode: z
      .enum(['append', 'override'])
      .optional()
      .describe(
        'Of a route: append (default) asks for what its Api asks for, and for this; override only for this.',
      ),
  })
  .refine(({ all, any }) => all !== undefined || any !== undefined, {
    message: 'must have `all` or `any`; `roles: false` on a route asks for none',
  })

export type RolesOptions = z.infer<typeof rolesOptionsSchema>
