import { z } from 'zod'
import { aclSchema } from './acl.ts'
import { authenticationSchema } from './authentication.ts'
import { basicAuthSchema } from './basic-auth.ts'
import { botDenySchema } from './bot-deny.ts'
import { concurrencyLimitSchema } from './concurrency-limit.ts'
import { corsSchema } from './cors.ts'
import { hmacSchema } from './hmac.ts'
import { ipListSchema } from './ip-list.ts'
import { jwtSchema } from './jwt.ts'
import { keyAuthSchema } from './key-auth.ts'
import { mtlsSchema } from './mtls.ts'
import { oauth2IntrospectionSchema } from './oauth2-introspection.ts'
import { oidcSchema } from './oidc.ts'
import type { PluginName } from './names.ts'
import { quotaOptionsSchema } from './quota.ts'
import { rateLimitPluginSchema } from './rate-limit.ts'
import { refererAllowSchema } from './referer-allow.ts'
import { requireHttpsSchema } from './require-https.ts'
import { rolesOptionsSchema } from './roles.ts'
import { sizeLimitSchema } from './size-limit.ts'

/** The options of every plugin. */
const OPTIONS = {
  cors: corsSchema,
  'require-https': requireHttpsSchema,
  'bot-deny': botDenySchema,
  'ip-deny': ipListSchema,
  'ip-allow': ipListSchema,
  'referer-allow': refererAllowSchema,
  authentication: authenticationSchema,
  'key-auth': keyAuthSchema,
  quota: quotaOptionsSchema,
  'rate-limit': rateLimitPluginSchema,
  'basic-auth': basicAuthSchema,
  hmac: hmacSchema,
  mtls: mtlsSchema,
  roles: rolesOptionsSchema,
  acl: aclSchema,
  'size-limit': sizeLimitSchema,
  'concurrency-limit': concurrencyLimitSchema,
  jwt: jwtSchema,
  'oauth2-introspection': oauth2IntrospectionSchema,
  oidc: oidcSchema,
} as const satisfies Record<PluginName, z.ZodType>

type OrOff<T extends Readonly<Record<string, z.ZodType>>> = {
  [K in keyof T]: z.ZodUnion<readonly [T[K], z.ZodLiteral<false>]>
}

/** Plugins by name, of an Api. */
export const apiPluginsSchema = z.strictObject(OPTIONS).partial()

const OPTIONS_OR_OFF = Object.fromEntries(
  Object.entries(OPTIONS).map(([name, schema]) => [name, z.union([schema, z.literal(false)])]),
) as OrOff<typeof OPTIONS> // The same names.

/** The same of a route, which may switch off what its Api has. */
export const routePluginsSchema = z.strictObject(OPTIONS_OR_OFF).partial()

/** The plugins of a route with their options: its own, and those of its Api that it does not replace. */
export type PluginSet = z.infer<typeof apiPluginsSchema>
