import { z } from 'zod'
import { USER_AGENT_PATTERNS_MAX } from '../access-limits.ts'
import { PREDICATE_CHARS_MAX, REGEX_CHARS_MAX } from '../limits.ts'

const agentSchema = z.union([
  z.string().min(1).max(PREDICATE_CHARS_MAX),
  z.strictObject({ regex: z.string().min(1).max(REGEX_CHARS_MAX) }),
])

const agentsSchema = z.array(agentSchema).min(1).max(USER_AGENT_PATTERNS_MAX)

/** Programs that are not served, by what they say of themselves in User-Agent. */
export const botDenySchema = z.strictObject({
  deny: agentsSchema.describe(
    'Texts that may stand anywhere in it, whatever their case, or {regex} in RE2 syntax: `(?i)^curl/`.',
  ),
  allow: agentsSchema.optional().describe('Looked at first: what fits passes.'),
  missing: z
    .enum(['allow', 'deny'])
    .optional()
    .describe('What becomes of requests without a User-Agent. Default allow.'),
  status: z.int().min(400).max(499).optional().describe('Default 403.'),
})

export type BotDenyOptions = z.infer<typeof botDenySchema>
export type UserAgentPattern = z.infer<typeof agentSchema>
