import { z } from 'zod'
import { authenticationSchema } from './authentication.ts'
import { keyAuthSchema } from './key-auth.ts'
import type { PluginName } from './names.ts'
import { quotaOptionsSchema } from './quota.ts'
import { rateLimitPluginSchema } from './rate-limit.ts'

/** The options of every plugin. */
const OPTIONS = {
  authentication: authenticationSchema,
  'key-auth': keyAuthSchema,
  quota: quotaOptionsSchema,
  'rate-limit': rateLimitPluginSchema,
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
