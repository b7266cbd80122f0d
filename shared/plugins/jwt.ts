import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import {
  CERTIFICATE_CHARS_MAX,
  KEY_ID_CHARS_MAX,
  REVOKED_TOKENS_MAX,
  TOKEN_KEYS_MAX,
  URL_CHARS_MAX,
} from '../limits.ts'
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

const ALGORITHMS = [
  ...(['HS256', 'HS384', 'HS512'] as const),
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
] as const

const ofIssuer = {
  issuer: z
    .string()
    .min(1)
    .max(URL_CHARS_MAX)
    .optional()
    .describe('Only for tokens of this issuer. Default: of any of `issuers`.'),
}
const kid = z.string().min(1).max(KEY_ID_CHARS_MAX).optional()

const jwkSchema = z
  .record(z.string().max(64), z.unknown())
  .refine((jwk) => isPublicJwk(jwk), 'must be a public key as a JWK')

const keySchema = z.union([
  z.strictObject({
    pem: z
      .string()
      .max(CERTIFICATE_CHARS_MAX)
      .refine(isPublicPem, 'must be a public key or a certificate as PEM'),
    kid,
    ...ofIssuer,
  }),
  z.strictObject({ jwk: jwkSchema, ...ofIssuer }),
  z.strictObject({
    ...secretNameSchema.shape,
    encoding: z
      .enum(['utf8', 'base64', 'hex'])
      .optional()
      .describe('How the text of the Secret stands for bytes, at least 32. Default utf8.'),
    kid,
    ...ofIssuer,
  }),
  z.strictObject({
    jwks: remoteUrlSchema,
    cacheSeconds: remoteSecondsSchema
      .optional()
      .describe('The keys are looked up again after it. Default 600.'),
    staleSeconds: remoteSecondsSchema
      .optional()
      .describe('How long they are good when they cannot be looked up. Default 86400.'),
    timeoutMs: remoteTimeoutSchema.optional().describe('Default 5000.'),
    ...ofIssuer,
  }),
])

/** Callers are known by a token that an issuer has signed (RFC 7519). */
export const jwtSchema = z.strictObject({
  ...tokenPlaces,
  keys: z
    .array(keySchema)
    .min(1)
    .max(TOKEN_KEYS_MAX)
    .describe(
      'What tokens are checked with: {pem}, {jwk}, {secret} (for HS algorithms, nothing else) or {jwks}, a URL.',
    ),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .optional()
    .describe('Default: every one that the kind of a key is for; HS only with keys by {secret}.'),
  issuers: issuersSchema.optional().describe('Default: whatever `iss` is.'),
  audiences: audiencesSchema,
  ...claimUse,
  skewSeconds: skewSchema,
  maxAgeSeconds: z.int().min(1).optional().describe('Since `iat`, which is then needed.'),
  requireExpiry: z.boolean().optional().describe('false: `exp` may be missing. Default true.'),
  type: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('What `typ` must be, such as at+jwt. Default: whatever.'),
  revoked: z
    .array(z.string().min(1).max(KEY_ID_CHARS_MAX))
    .max(REVOKED_TOKENS_MAX)
    .optional()
    .describe('Tokens with one of these as `jti` are refused.'),
})

export type JwtOptions = z.infer<typeof jwtSchema>

/** A key that could sign is a secret, and must not stand in a definition. */
function isPublicPem(pem: string): boolean {
  if (pem.includes('PRIVATE KEY')) return false
  try {
    return createPublicKey(pem).type === 'public'
  } catch {
    return false
  }
}

function isPublicJwk(jwk: Readonly<Record<string, unknown>>): boolean {
  if (Object.hasOwn(jwk, 'd') || Object.hasOwn(jwk, 'k')) return false
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' }).type === 'public'
  } catch {
    return false
  }
}
