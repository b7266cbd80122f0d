import { z } from 'zod'
import { readArgon2Hash } from '../argon2-hash.ts'
import { ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX } from '../access-limits.ts'
import {
  CREDENTIALS_PER_CONSUMER_MAX,
  DESCRIPTION_CHARS_MAX,
  METADATA_CHARS_MAX,
  METADATA_MAX,
  PLANS_PER_CONSUMER_MAX,
  REFERERS_MAX,
  ROLES_MAX,
  SUBJECT_CHARS_MAX,
  URL_CHARS_MAX,
  USERNAME_CHARS_MAX,
} from '../limits.ts'
import { momentSchema, nameSchema, networksSchema, roleSchema } from './common.ts'
import { quotasSchema } from './quota.ts'
import { rateLimitsSchema } from './rate-limit.ts'
import { secretSchema } from './secret.ts'

const hexSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')

const keySchema = z.strictObject({
  name: nameSchema.describe('Unique among the keys of the Consumer.'),
  hash: hexSchema.describe(
    'HMAC-SHA256 of the key, in hex. The key itself is known to its bearer.',
  ),
  prefix: z.string().min(1).max(16).optional().describe('How the key begins, for people.'),
  lastFour: z.string().length(4).optional().describe('How the key ends, for people.'),
  enabled: z.boolean().optional().describe('Default true.'),
  createdAt: momentSchema.optional(),
  expiresAt: momentSchema.optional().describe('From then on the key is refused.'),
})

const basicSchema = z.strictObject({
  username: z
    .string()
    .max(USERNAME_CHARS_MAX)
    .regex(/^[^\p{Cc}:]+$/u, 'must be text without ":"'),
  hash: z
    .string()
    .max(512)
    .regex(
      /^\$argon2id\$v=19\$m=[0-9]{1,7},t=[0-9]{1,3},p=[0-9]{1,3}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/,
      'must be an argon2id hash: $argon2id$v=19$m=…,t=…,p=…$salt$hash',
    )
    .refine((hash) => readArgon2Hash(hash) !== null, {
      abort: true,
      error:
        `may cost at most m=${ARGON2_MEMORY_KIB_MAX} (ARGON2_MEMORY_KIB_MAX), t=${ARGON2_PASSES_MAX} (ARGON2_PASSES_MAX) ` +
        `and p=${ARGON2_LANES_MAX} (ARGON2_LANES_MAX), and at least m=8·p`,
    })
    .describe('argon2id of the password, as a PHC string.'),
})

const hmacSchema = z.strictObject({
  keyId: z
    .string()
    .max(USERNAME_CHARS_MAX)
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be visible ASCII without quotes'),
  secret: secretSchema.describe('What signatures are made with.'),
})

const subjectSchema = z.strictObject({
  issuer: z.string().min(1).max(URL_CHARS_MAX).optional().describe('Omitted: any.'),
  subject: z.string().min(1).max(SUBJECT_CHARS_MAX),
})

/** A list of at most so many credentials of a kind as a Consumer may have. */
function manyOf<T extends z.ZodType>(schema: T): z.ZodOptional<z.ZodArray<T>> {
  return z.array(schema).max(CREDENTIALS_PER_CONSUMER_MAX).optional()
}

const credentialsSchema = z.strictObject({
  keys: manyOf(keySchema).refine(
    (keys = []) => new Set(keys.map(({ name }) => name)).size === keys.length,
    'names a key twice',
  ),
  basic: manyOf(basicSchema),
  hmac: manyOf(hmacSchema),
  certificates: manyOf(
    z.strictObject({ fingerprint: hexSchema.describe('SHA-256 of the certificate, in hex.') }),
  ),
  subjects: manyOf(subjectSchema).describe('Of tokens: who bears one of these is the Consumer.'),
})

/** Who calls: a person, a program, a partner. */
export const consumerSpecSchema = z.strictObject({
  enabled: z.boolean().optional().describe('false: every request is refused. Default true.'),
  expiresAt: momentSchema.optional().describe('From then on every request is refused.'),
  plans: z
    .array(nameSchema)
    .max(PLANS_PER_CONSUMER_MAX)
    .refine((plans) => new Set(plans).size === plans.length, 'names a plan twice')
    .optional()
    .describe('Names of Plans.'),
  roles: z.array(roleSchema).max(ROLES_MAX).optional(),
  metadata: z
    .record(
      z.string().regex(/^[A-Za-z0-9_.-]{1,63}$/, 'must be letters, digits, ".", "_" and "-"'),
      z.string().max(METADATA_CHARS_MAX),
    )
    .refine((metadata) => Object.keys(metadata).length <= METADATA_MAX, {
      message: `at most ${METADATA_MAX} members (METADATA_MAX)`,
    })
    .optional()
    .describe('For headers and error texts; nothing is decided by it.'),
  limits: rateLimitsSchema
    .optional()
    .describe('In place of those of the same name of its plans and of routes.'),
  quotas: quotasSchema
    .optional()
    .describe('In place of those of the same name of its plans and of routes.'),
  allow: z
    .strictObject({
      ips: networksSchema.optional().describe('Addresses that it may call from.'),
      referers: z
        .array(z.string().min(1).max(URL_CHARS_MAX))
        .min(1)
        .max(REFERERS_MAX)
        .optional()
        .describe('Pages that it may call from: `*` stands for any text, case does not matter.'),
    })
    .optional(),
  credentials: credentialsSchema.optional(),
  description: z.string().max(DESCRIPTION_CHARS_MAX).optional(),
})

export type ConsumerSpec = z.infer<typeof consumerSpecSchema>
