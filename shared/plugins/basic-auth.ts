import { z } from 'zod'
import { REALM_CHARS_MAX } from '../access-limits.ts'

/** Callers are known by user name and password (RFC 7617), as `basic` credentials of Consumers have them. */
export const basicAuthSchema = z.strictObject({
  realm: z
    .string()
    .min(1)
    .max(REALM_CHARS_MAX)
    .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, 'must be ASCII without quotes')
    .optional()
    .describe('What browsers ask the password for. Default "api".'),
  keep: z.boolean().optional().describe('The target gets the password, too. Default false.'),
})

export type BasicAuthOptions = z.infer<typeof basicAuthSchema>
