import { z } from 'zod'
import { CLIENT_ID_CHARS_MAX } from '../limits.ts'
import {
  audiencesSchema,
  claimUse,
  issuersSchema,
  remoteSecondsSchema,
  remoteTimeoutSchema,
  remoteUrlSchema,
  secretNameSchema,
  skewSchema,
  tokenPlaces,
} from './token.ts'

/** Callers are known by a token that an authorization server is asked about (RFC 7662). */
export const oauth2IntrospectionSchema = z.strictObject({
  ...tokenPlaces,
  url: remoteUrlSchema.describe('The introspection endpoint.'),
  clientId: z.string().min(1).max(CLIENT_ID_CHARS_MAX).describe('Who the gateway is to it.'),
  clientSecret: secretNameSchema,
  clientAuth: z
    .enum(['basic', 'post'])
    .optional()
    .describe('How it shows its secret: in Authorization (default) or in the form.'),
  issuers: issuersSchema
    .optional()
    .describe('What `iss` of the answer must be. Default: whatever.'),
  audiences: audiencesSchema,
  ...claimUse,
  skewSeconds: skewSchema,
  timeoutMs: remoteTimeoutSchema.optional().describe('Default 3000.'),
  cacheSeconds: remoteSecondsSchema
    .optional()
    .describe(
      'How long an answer is believed, never beyond `exp`: a token that is revoked is good for so long. Default 60.',
    ),
  negativeSeconds: remoteSecondsSchema
    .optional()
    .describe('How long a token that is not active is not asked about again. Default 5.'),
  staleSeconds: remoteSecondsSchema
    .optional()
    .describe(
      'How long beyond cacheSeconds a token that was good passes while the server gives no answer. Default 0: 503 at once.',
    ),
})

export type Oauth2IntrospectionOptions = z.infer<typeof oauth2IntrospectionSchema>
