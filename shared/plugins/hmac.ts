import { z } from 'zod'
import { headerNameSchema } from '../definitions/key-source.ts'
import { SIGNATURE_AGE_SECONDS_MAX, SIGNED_COMPONENTS_MAX } from '../access-limits.ts'

/** Algorithms by the names that both forms of signatures give them. */
const ALGORITHMS = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const

/** Callers are known by signatures that they make with a secret which never travels. */
export const hmacSchema = z.strictObject({
  forms: z
    .array(z.enum(['rfc9421', 'draft-cavage']))
    .min(1)
    .optional()
    .describe(
      'rfc9421: Signature-Input and Signature. draft-cavage: `Authorization: Signature keyId="…",…`. Default both.',
    ),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional().describe('Default all three.'),
  components: z
    .array(
      z
        .string()
        .regex(
          /^(@method|@path|@query|@authority|@scheme|[!#$%&'*+.^_`|~0-9a-z-]{1,256})$/,
          'must be @method, @path, @query, @authority, @scheme or a header name in lower case',
        ),
    )
    .min(1)
    .max(SIGNED_COMPONENTS_MAX)
    .optional()
    .describe(
      'What a signature must cover; what says more counts too, such as @target-uri and (request-target). @query only where a ' +
        'request has one. Default @method, @path and @query.',
    ),
  maxAgeSeconds: z
    .int()
    .min(1)
    .max(SIGNATURE_AGE_SECONDS_MAX)
    .optional()
    .describe('How old a signature may be. Default 300.'),
  skewSeconds: z
    .int()
    .min(0)
    .max(SIGNATURE_AGE_SECONDS_MAX)
    .optional()
    .describe('How far the clock of a client may be ahead. Default 60.'),
  nonce: z
    .enum(['checked', 'required'])
    .optional()
    .describe(
      'checked (default): a nonce that is given is good once in each worker. required: rfc9421 with a nonce only.',
    ),
  digest: z
    .enum(['checked', 'required'])
    .optional()
    .describe(
      'checked (default): a body whose Content-Digest, or Digest, is signed must be that one. required: every body must be signed.',
    ),
  dateHeader: headerNameSchema
    .optional()
    .describe('draft-cavage: also good in place of Date, such as X-Aux-Date.'),
  keep: z.boolean().optional().describe('The target gets the signature, too. Default false.'),
})

export type HmacOptions = z.infer<typeof hmacSchema>
export type HmacAlgorithm = (typeof ALGORITHMS)[number]
