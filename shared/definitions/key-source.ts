import { z } from 'zod'
import { COOKIE_NAME_CHARS_MAX } from '../limits.ts'

export const headerNameSchema = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/, 'must be a header name')

export const cookieNameSchema = z
  .string()
  .max(COOKIE_NAME_CHARS_MAX)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a cookie name')

/** What of a request decides, so that equal requests go the same way. */
export const keySourceSchema = z
  .strictObject({
    header: headerNameSchema.optional(),
    cookie: cookieNameSchema.optional(),
    query: z.string().min(1).max(256).optional(),
    path: z.literal(true).optional(),
    client: z.literal(true).optional(),
  })
  .refine((source) => Object.keys(source).length === 1, 'must name exactly one')
  .describe(
    'One of {header}, {cookie}, {query}, {path: true} and {client: true}, the address of the client, which also stands in ' +
      'for a value that a request does not have.',
  )

export type KeySourceSpec = z.infer<typeof keySourceSchema>
