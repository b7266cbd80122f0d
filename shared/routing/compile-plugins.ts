import { PLUGIN_NAMES } from '../plugins/catalogue.ts'
import { suggest } from '../suggest.ts'
import type { Report } from './report.ts'

/**
 * Reports plugins that nobody knows. Names only: what a plugin's options may be is for the schemas to say, which
 * gateways do without.
 */
export function checkPlugins(
  plugins: Readonly<Record<string, unknown>> | undefined,
  report: Report,
): void {
  for (const name of Object.keys(plugins ?? {})) {
    if (PLUGIN_NAMES.includes(name)) continue
    const meant = suggest(name, PLUGIN_NAMES)
    const hint = meant === null ? '' : `, did you mean "${meant}"?`
    report(`plugins.${name}`, `unknown plugin "${name}"${hint}`)
  }
}
