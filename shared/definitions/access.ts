import { z } from 'zod'
import { DESCRIPTION_CHARS_MAX, HOST_CHARS_MAX, TOKEN_USES_MAX } from '../limits.ts'
import { momentSchema, nameSchema } from './common.ts'

/**
 * What a token may do. admin: everything. editor: read, and write what is no access definition. viewer: read. gateway:
 * watch and report. node: enrol a node, and nothing on the API.
 */
export const ROLES = ['admin', 'editor', 'viewer', 'gateway', 'node'] as const

export type Role = (typeof ROLES)[number]

/** The name of the token that the first leader makes; no definition may have it. */
export const BOOTSTRAP_NAME = 'bootstrap'

/** What a gateway may be called: a host name by default, so more than a definition may be. */
const GATEWAY_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/

const descriptionSchema = z.string().max(DESCRIPTION_CHARS_MAX)

/** What is known of a token. Its secret is known to its bearer alone. */
export const tokenSpecSchema = z
  .strictObject({
    role: z
      .enum(ROLES)
      .describe(
        'admin: everything. editor: read, and write what is no Token or Revocation. viewer: read. ' +
          'gateway: watch and report. node: enrol a node.',
      ),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
      .describe('SHA-256 of the secret part of the token, in hex.'),
    lastFour: z
      .string()
      .regex(/^[A-Za-z0-9_-]{4}$/, 'must be 4 characters')
      .optional()
      .describe('The end of the secret, by which people recognise a token.'),
    expiresAt: momentSchema
      .optional()
      .describe('From then on the token is refused. Omitted: it does not expire.'),
    kinds: z
      .array(z.string().regex(/^[A-Z][A-Za-z]{0,62}$/, 'must be a kind, such as Api'))
      .min(1)
      .max(64)
      .optional()
      .describe(
        'editor: the only kinds that it may write. viewer: the only kinds that it may read.',
      ),
    maxUses: z
      .int()
      .min(1)
      .max(TOKEN_USES_MAX)
      .optional()
      .describe(
        'node, gateway: how many may enrol with it. Omitted: one node, or any number of gateways.',
      ),
    enrolled: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(HOST_CHARS_MAX),
          key: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'),
        }),
      )
      .max(TOKEN_USES_MAX)
      .optional()
      .describe('Written by nodes: who has enrolled with it, and the SHA-256 of which key.'),
    description: descriptionSchema.optional(),
  })
  .refine(({ role, kinds }) => kinds === undefined || role === 'editor' || role === 'viewer', {
    path: ['kinds'],
    message: 'is for editors and viewers only',
  })
  .refine(({ role, maxUses }) => maxUses === undefined || role === 'node' || role === 'gateway', {
    path: ['maxUses'],
    message: 'is for nodes and gateways only',
  })

export type TokenSpec = z.infer<typeof tokenSpecSchema>

/** Takes a token or a certificate out of use, at once and everywhere. */
export const revocationSpecSchema = z
  .strictObject({
    token: nameSchema.optional().describe('The name of a token, or "bootstrap".'),
    certificate: z
      .string()
      .regex(/^[0-9a-f]{8,128}$/, 'must be lower-case hex digits')
      .optional()
      .describe('Serial number or SHA-256 fingerprint of a certificate, in lower-case hex.'),
    node: nameSchema.optional().describe('The name of a node: whatever certificate it shows.'),
    gateway: z
      .string()
      .regex(GATEWAY_NAME, 'must be the name of a gateway')
      .optional()
      .describe('The name of a gateway: whatever certificate it shows.'),
    reason: descriptionSchema.optional(),
  })
  .refine(
    ({ token, certificate, node, gateway }) =>
      [token, certificate, node, gateway].filter((each) => each !== undefined).length === 1,
    { message: 'must name one token, certificate, node or gateway' },
  )

export type RevocationSpec = z.infer<typeof revocationSpecSchema>
