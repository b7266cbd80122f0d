import { z } from 'zod'
import { cookieNameSchema, headerNameSchema } from '../definitions/key-source.ts'

/** Callers are known by an API key. The places are looked at in the order header, query, cookie, basic. */
export const keyAuthSchema = z.strictObject({
  header: z
    .union([headerNameSchema, z.literal(false)])
    .optional()
    .describe(
      'Header that has the key, with or without "Bearer " before it. Default X-Api-Key; false: none.',
    ),
  query: z
    .union([z.string().min(1).max(256), z.literal(false)])
    .optional()
    .describe(
      'Query parameter that has the key. Default none: a key in a URL ends in logs and histories.',
    ),
  cookie: cookieNameSchema.optional().describe('Cookie that has the key. Default none.'),
  basic: z
    .boolean()
    .optional()
    .describe('The user name of basic authentication may be the key. Default false.'),
  keep: z
    .boolean()
    .optional()
    .describe('The target gets the key, too. Default false: it is removed, wherever it stood.'),
})

export type KeyAuthOptions = z.infer<typeof keyAuthSchema>
