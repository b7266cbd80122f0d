import { zodIssues } from '../definitions/issues.ts'
import { PLUGINS } from '../plugins/catalogue.ts'
import { suggest } from '../suggest.ts'
import type { Report } from './compile-route.ts'

/** Reports plugins that nobody knows and options that a plugin does not take. A route may say `false` to any. */
export function checkPlugins(
  plugins: Readonly<Record<string, unknown>> | undefined,
  owner: 'api' | 'route',
  report: Report,
): void {
  if (plugins === undefined) return
  for (const [name, options] of Object.entries(plugins)) {
    const plugin = Object.hasOwn(PLUGINS, name) ? PLUGINS[name] : undefined
    if (plugin === undefined) {
      const meant = suggest(name, Object.keys(PLUGINS))
      const hint = meant === null ? '' : `, did you mean "${meant}"?`
      report(`plugins.${name}`, `unknown plugin "${name}"${hint}`)
      continue
    }
    if (owner === 'route' && options === false) continue
    const result = plugin.optionsSchema.safeParse(options)
    if (result.success) continue
    for (const issue of zodIssues(result.error, plugin.optionsSchema, `plugins.${name}`)) {
      report(issue.path, issue.message)
    }
  }
}
