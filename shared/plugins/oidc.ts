import { z } from 'zod'
import { cookieNameSchema } from '../definitions/key-source.ts'
import {
  CLIENT_ID_CHARS_MAX,
  PATH_CHARS_MAX,
  SCOPES_MAX,
  SESSION_SECONDS_MAX,
  URL_CHARS_MAX,
} from '../limits.ts'
import {
  claimUse,
  remoteTimeoutSchema,
  remoteUrlSchema,
  secretNameSchema,
  skewSchema,
} from './token.ts'

const pathSchema = z
  .string()
  .max(PATH_CHARS_MAX)
  .regex(/^\/(?!\/)[A-Za-z0-9._~!$&'()*+,;=:@/-]*$/, 'must be a path such as /shop/callback')

/** People log in at an OpenID provider (authorization code flow with PKCE), and a sealed cookie keeps their session. */
export const oidcSchema = z.strictObject({
  issuer: remoteUrlSchema.describe('The provider; below it lies .well-known/openid-configuration.'),
  clientId: z.string().min(1).max(CLIENT_ID_CHARS_MAX),
  clientSecret: secretNameSchema.optional().describe('Omitted: a public client, by PKCE alone.'),
  clientAuth: z
    .enum(['basic', 'post'])
    .optional()
    .describe('How the secret is shown: in Authorization (default) or in the form.'),
  sessionSecret: secretNameSchema.describe(
    'Seals the cookies; text of at least 32 characters. Another one ends all sessions.',
  ),
  callbackPath: pathSchema.describe(
    'Where the provider sends people back to, below a route that has this plugin. It is registered at the provider ' +
      'with scheme and host before it.',
  ),
  logoutPath: pathSchema.optional().describe('Whoever comes here is logged out. Default none.'),
  afterLogout: z
    .union([pathSchema, remoteUrlSchema])
    .optional()
    .describe('Where they are sent then. Default /.'),
  baseUrl: remoteUrlSchema
    .max(URL_CHARS_MAX)
    .optional()
    .describe(
      'Scheme and host as clients see them. Default: as the request has them, so that several hosts work.',
    ),
  requestScopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'must be a scope'))
    .max(SCOPES_MAX)
    .optional()
    .describe('What is asked for beside openid. Default: nothing more.'),
  cookie: cookieNameSchema.optional().describe('Default raftway-session.'),
  sessionSeconds: z
    .int()
    .min(1)
    .max(SESSION_SECONDS_MAX)
    .optional()
    .describe('A session ends so long after the login, whatever happens. Default 28800.'),
  timeoutMs: remoteTimeoutSchema.optional().describe('For calls of the provider. Default 5000.'),
  ...claimUse,
  skewSeconds: skewSchema,
})

export type OidcOptions = z.infer<typeof oidcSchema>
