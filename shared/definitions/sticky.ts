import { z } from 'zod'
import { PATH_CHARS_MAX, STICKY_SECONDS_MAX } from '../limits.ts'
import { cookieNameSchema, headerNameSchema } from './key-source.ts'

/** By a cookie that the gateway sets, or by a header that it adds to answers and clients send back. */
export const stickySchema = z
  .strictObject({
    cookie: z
      .strictObject({
        name: cookieNameSchema,
        path: z
          .string()
          .max(PATH_CHARS_MAX)
          .regex(/^\/[!-:<-~]*$/, 'must begin with "/", without spaces and ";"')
          .optional()
          .describe('Default /.'),
        seconds: z
          .int()
          .min(1)
          .max(STICKY_SECONDS_MAX)
          .optional()
          .describe('How long a client keeps it. Default: as long as its session.'),
      })
      .optional()
      .describe('HttpOnly, SameSite=Lax, and Secure over TLS.'),
    header: headerNameSchema
      .optional()
      .describe('For clients without cookies: they send back what an answer had in it.'),
  })
  .refine(
    ({ cookie, header }) => (cookie === undefined) !== (header === undefined),
    'must have either `cookie` or `header`',
  )

export type StickySpec = z.infer<typeof stickySchema>
