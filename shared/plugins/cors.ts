import { z } from 'zod'
import { methodsSchema } from '../definitions/common.ts'
import { headerNameSchema } from '../definitions/key-source.ts'
import { CORS_AGE_SECONDS_MAX, CORS_HEADERS_MAX, CORS_ORIGINS_MAX } from '../access-limits.ts'
import { REGEX_CHARS_MAX, URL_CHARS_MAX } from '../limits.ts'

const originSchema = z.union([
  z
    .string()
    .max(URL_CHARS_MAX)
    .regex(
      /^(\*|null|[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/\s,]+)$/,
      'must be an origin such as https://app.example.com, without a path; `*` in it stands for any text',
    ),
  z.strictObject({ regex: z.string().min(1).max(REGEX_CHARS_MAX) }),
])

const headersSchema = z.array(headerNameSchema).min(1).max(CORS_HEADERS_MAX)

/** Which pages of other origins may call, and what they may see (the CORS protocol of the Fetch standard). */
export const corsSchema = z
  .strictObject({
    origins: z
      .array(originSchema)
      .min(1)
      .max(CORS_ORIGINS_MAX)
      .describe(
        'Exact (https://app.example.com), with `*` for any text but "/" (https://*.example.com), or {regex} in RE2 syntax ' +
          'over the whole origin in lower case. "*": every origin, without credentials.',
      ),
    methods: methodsSchema.optional().describe('Omitted: GET, HEAD, POST, PUT, PATCH and DELETE.'),
    headers: headersSchema
      .optional()
      .describe('Headers that a page may send. Omitted: whatever it asks for.'),
    exposed: headersSchema.optional().describe('Headers of answers that a page may read.'),
    credentials: z
      .boolean()
      .optional()
      .describe('Pages may send cookies and certificates. Default false.'),
    maxAgeSeconds: z
      .int()
      .min(0)
      .max(CORS_AGE_SECONDS_MAX)
      .optional()
      .describe('How long a browser may remember a preflight. Omitted: as it likes.'),
    privateNetwork: z
      .boolean()
      .optional()
      .describe('Pages of public networks may call this one in a private network. Default false.'),
    others: z
      .enum(['pass', 'deny'])
      .optional()
      .describe(
        'What becomes of requests with another Origin: pass (default), so that the browser keeps the answer from the page; ' +
          'or deny, 403 ORIGIN_DENIED.',
      ),
  })
  .refine(({ credentials, origins }) => credentials !== true || !origins.includes('*'), {
    path: ['credentials'],
    message: 'excludes the origin "*": say which origins may come with credentials',
  })

export type CorsOptions = z.infer<typeof corsSchema>
