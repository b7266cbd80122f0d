import type { ApiSpec, RouteSpec } from '../definitions/api.ts'
import { PLUGIN_NAMES } from '../plugins/names.ts'
import type { PluginSet } from '../plugins/schema.ts'
import { suggest } from '../suggest.ts'
import { mergeRoles } from './merge-roles.ts'
import { compileRegex } from './regex.ts'
import type { Report } from './report.ts'
import { sameJson } from './same-json.ts'

/**
 * Reports plugins that nobody knows, and regular expressions in options that RE2 does not. What else options may be is
 * for the schemas to say, which gateways do without.
 */
export function checkPlugins(plugins: RouteSpec['plugins'], report: Report): void {
  for (const name of Object.keys(plugins ?? {})) {
    if (PLUGIN_NAMES.some((known) => known === name)) continue
    const meant = suggest(name, PLUGIN_NAMES)
    const hint = meant === null ? '' : `, did you mean "${meant}"?`
    report(`plugins.${name}`, `unknown plugin "${name}"${hint}`)
  }
  checkPatterns(plugins, report)
}

/** A list whose items may be regular expressions. */
type Patterns = readonly (string | { readonly regex: string })[] | undefined

function checkPatterns(plugins: RouteSpec['plugins'], report: Report): void {
  const { cors, mtls, 'bot-deny': botDeny } = plugins ?? {}
  if (cors) checkList(cors.origins, 'cors.origins', report)
  if (botDeny) {
    checkList(botDeny.deny, 'bot-deny.deny', report)
    checkList(botDeny.allow, 'bot-deny.allow', report)
  }
  if (mtls) {
    for (const [at, { value }] of (mtls.rules ?? []).entries()) {
      if (typeof value !== 'string') checkRegex(value.regex, `mtls.rules.${at}.value`, report)
    }
  }
}

function checkList(patterns: Patterns, path: string, report: Report): void {
  for (const [at, pattern] of (patterns ?? []).entries()) {
    if (typeof pattern !== 'string') checkRegex(pattern.regex, `${path}.${at}`, report)
  }
}

function checkRegex(regex: string, path: string, report: Report): void {
  const compiled = compileRegex(regex)
  if (!compiled.ok) report(`plugins.${path}.regex`, compiled.reason)
}

/** What an Api had in its form before. */
type Before = { readonly plugins: PluginSet | null; readonly spec: ApiSpec } | undefined

/** The plugins of an Api; the same object as before when nothing differs, so that what was made of it lives on. */
export function pluginsOfApi({ plugins }: ApiSpec, before: Before): PluginSet | null {
  if (plugins === undefined || Object.keys(plugins).length === 0) return null
  if (before !== undefined && sameJson(before.spec.plugins, plugins)) return before.plugins
  return plugins
}

/** What a route makes of the plugins of its Api; the same object as before when nothing differs. */
export function pluginsOfRoute(
  route: RouteSpec,
  api: PluginSet | null,
  before: {
    readonly api: PluginSet | null
    readonly spec: RouteSpec
    readonly plugins: PluginSet | null
  } | null,
): PluginSet | null {
  if (route.plugins === undefined) return api
  if (before !== null && before.api === api && sameJson(before.spec.plugins, route.plugins)) {
    return before.plugins
  }
  const { roles } = route.plugins
  const own = roles ? { roles: mergeRoles(api?.roles, roles) } : null
  const merged = Object.entries({ ...api, ...route.plugins, ...own }).filter(
    ([, options]) => options !== false,
  )
  // What is off is left out; the rest is as the schemas have it.
  return merged.length === 0 ? null : Object.fromEntries(merged)
}
