import type { ApiSpec, RouteSpec } from '../definitions/api.ts'
import { PLUGIN_NAMES } from '../plugins/names.ts'
import type { PluginSet } from '../plugins/schema.ts'
import { suggest } from '../suggest.ts'
import type { Report } from './report.ts'
import { sameJson } from './same-json.ts'

/**
 * Reports plugins that nobody knows. Names only: what a plugin's options may be is for the schemas to say, which
 * gateways do without.
 */
export function checkPlugins(
  plugins: Readonly<Record<string, unknown>> | undefined,
  report: Report,
): void {
  for (const name of Object.keys(plugins ?? {})) {
    if (PLUGIN_NAMES.some((known) => known === name)) continue
    const meant = suggest(name, PLUGIN_NAMES)
    const hint = meant === null ? '' : `, did you mean "${meant}"?`
    report(`plugins.${name}`, `unknown plugin "${name}"${hint}`)
  }
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
  const merged = Object.entries({ ...api, ...route.plugins }).filter(
    ([, options]) => options !== false,
  )
  // What is off is left out; the rest is as the schemas have it.
  return merged.length === 0 ? null : Object.fromEntries(merged)
}
