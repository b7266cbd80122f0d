import { z } from 'zod'
import { nameSchema } from '../definitions/common.ts'
import { cookieNameSchema, headerNameSchema } from '../definitions/key-source.ts'
import {
  CLAIM_PATH_CHARS_MAX,
  CLAIM_VALUES_MAX,
  REMOTE_CACHE_SECONDS_MAX,
  REMOTE_TIMEOUT_MS_MAX,
  SCOPES_MAX,
  SUBJECT_CHARS_MAX,
  TOKEN_ISSUERS_MAX,
  TOKEN_SKEW_SECONDS_MAX,
  URL_CHARS_MAX,
} from '../limits.ts'

/** The name of a Secret. */
export const secretNameSchema = z.strictObject({ secret: nameSchema.describe('Name of a Secret.') })

/** Where a plugin calls an authorization server. */
export const remoteUrlSchema = z
  .string()
  .max(URL_CHARS_MAX)
  .refine(isRemoteUrl, 'must be an http or https URL without credentials and fragment')

function isRemoteUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, hash } = new URL(text)
  const isHttp = protocol === 'https:' || protocol === 'http:'
  return isHttp && username === '' && password === '' && hash === ''
}

export const remoteTimeoutSchema = z.int().min(10).max(REMOTE_TIMEOUT_MS_MAX)

export const remoteSecondsSchema = z.int().min(0).max(REMOTE_CACHE_SECONDS_MAX)

/** Where a token stands, looked at in the order header, query, cookie. */
export const tokenPlaces = {
  header: z
    .union([headerNameSchema, z.literal(false)])
    .optional()
    .describe(
      'Header that has the token; "Bearer " before it is needed in Authorization (default), and may stand in others.',
    ),
  query: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Query parameter that has it. Default none: a token in a URL ends in logs and histories.',
    ),
  cookie: cookieNameSchema.optional().describe('Cookie that has it. Default none.'),
  keep: z
    .boolean()
    .optional()
    .describe('The target gets the token, too. Default false: it is removed, wherever it stood.'),
}

const claimPathSchema = z
  .string()
  .min(1)
  .max(CLAIM_PATH_CHARS_MAX)
  .describe('Name of a claim, or the way to a nested one: realm_access.roles.')

const claimValueSchema = z.union([z.string().max(SUBJECT_CHARS_MAX), z.number(), z.boolean()])

const issuerSchema = z.string().min(1).max(URL_CHARS_MAX)

export const issuersSchema = z.array(issuerSchema).min(1).max(TOKEN_ISSUERS_MAX)

export const audiencesSchema = z
  .array(z.string().min(1).max(URL_CHARS_MAX))
  .min(1)
  .max(TOKEN_ISSUERS_MAX)
  .optional()
  .describe('One of them must be in `aud`. Default: whatever it is.')

/** What claims must be, and what they give. */
export const claimUse = {
  claims: z
    .record(
      claimPathSchema,
      z.union([
        claimValueSchema,
        z.array(claimValueSchema).min(1).max(CLAIM_VALUES_MAX),
        z.strictObject({ present: z.literal(true) }),
      ]),
    )
    .optional()
    .describe(
      'What claims must be: a value, one of several, or just {present: true}. Of a claim that is a list, one must fit.',
    ),
  scopes: z
    .strictObject({
      claim: claimPathSchema.optional().describe('Default scope, else scp.'),
      required: z
        .array(z.string().min(1).max(SUBJECT_CHARS_MAX))
        .max(SCOPES_MAX)
        .optional()
        .describe('All of them must be there.'),
      plans: z
        .record(z.string().min(1).max(SUBJECT_CHARS_MAX), nameSchema)
        .optional()
        .describe(
          'Plans that scopes give, beside those of the Consumer. A token without any of these scopes is refused.',
        ),
    })
    .optional(),
  consumer: z
    .strictObject({
      claim: claimPathSchema.optional().describe('Default sub.'),
      by: z
        .enum(['subject', 'name'])
        .optional()
        .describe(
          'subject (default): a Consumer that has the issuer and this value among its `subjects`. name: the Consumer of that name.',
        ),
      required: z
        .boolean()
        .optional()
        .describe('false: a token of nobody known here is good, too. Default true.'),
    })
    .optional()
    .describe(
      'Which Consumer a token is of. Default: by issuer and sub, if there is one; without it the token is good by itself.',
    ),
}

export const skewSchema = z
  .int()
  .min(0)
  .max(TOKEN_SKEW_SECONDS_MAX)
  .optional()
  .describe('By how much clocks may differ. Default 30.')

const claimUseSchema = z.strictObject(claimUse)
const placesSchema = z.strictObject(tokenPlaces)

export type ClaimUseOptions = z.infer<typeof claimUseSchema>
export type TokenPlaceOptions = z.infer<typeof placesSchema>
