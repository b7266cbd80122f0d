import { z } from 'zod'
import { ACL_RULES_MAX, ACL_VALUES_MAX } from '../access-limits.ts'
import { LABEL_CHARS_MAX } from '../limits.ts'

const ruleSchema = z.strictObject({
  label: z.string().min(1).max(LABEL_CHARS_MAX),
  values: z
    .array(z.string().max(LABEL_CHARS_MAX))
    .min(1)
    .max(ACL_VALUES_MAX)
    .optional()
    .describe('Omitted: whatever the label says, if it is there.'),
})

const rulesSchema = z.array(ruleSchema).min(1).max(ACL_RULES_MAX)

/** Who may pass, by the labels of its Consumer. */
export const aclSchema = z
  .strictObject({
    allow: rulesSchema
      .optional()
      .describe('Only Consumers that one of these fits pass. Omitted: all but those of `deny`.'),
    deny: rulesSchema.optional().describe('Consumers that one of these fits are refused first.'),
  })
  .refine(({ allow, deny }) => allow !== undefined || deny !== undefined, {
    message: 'must have `allow` or `deny`',
  })

export type AclOptions = z.infer<typeof aclSchema>
export type AclRule = z.infer<typeof ruleSchema>
