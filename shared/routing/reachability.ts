import type { CompiledApi } from './compile-api.ts'
import { pathsOf, type HostIndex } from './host-index.ts'
import type { HostPattern } from './hosts.ts'
import { neighboursOf, type PathIndex } from './path-index.ts'
import { compareRoutes, takesAllOf, type RouteEntry } from './routes.ts'
import type { CompileIssue } from './types.ts'

/**
 * Routes that will never be asked because another one of the same host and path takes everything they would. Looks
 * only at pairs with a route that is new in `after`: pairs that stood before were judged before.
 */
export function unreachableRoutes(
  hosts: HostIndex,
  changes: readonly { readonly before: CompiledApi | undefined; readonly after: CompiledApi }[],
): readonly CompileIssue[] {
  const found = new Map<string, Shadow>()
  const report: ReportPair = (later, first, host) => {
    const known = found.get(later.id)
    // Of several that take everything, the one that is asked first is named.
    if (known !== undefined && compareRoutes(known.first, first) <= 0) return
    found.set(later.id, { later, first, host })
  }
  for (const { before, after } of changes) {
    const oldHosts = before === undefined ? NOTHING : new Set(before.hosts.map(({ text }) => text))
    const oldRoutes = before === undefined ? NOTHING : new Set(before.routes)
    for (const host of after.hosts) {
      const paths = pathsOf(hosts, host)
      const isOldHost = oldHosts.has(host.text)
      for (const route of after.routes) {
        if (!isOldHost || !oldRoutes.has(route)) judge(paths, route, host, report)
      }
    }
  }
  return Array.from(found.values(), issueOf)
}

const NOTHING: ReadonlySet<unknown> = new Set()

type Shadow = {
  readonly later: RouteEntry
  readonly first: RouteEntry
  readonly host: HostPattern
}

function issueOf({ later, first, host }: Shadow): CompileIssue {
  const where = host.type === 'any' ? '' : ` on ${host.text}`
  const message =
    `can never be reached${where}: ` +
    `Api "${first.api}" route ${first.at} takes every such request`
  return { kind: 'Api', name: later.api, path: `spec.routes.${later.at}`, message }
}

type ReportPair = (later: RouteEntry, first: RouteEntry, host: HostPattern) => void

function judge(paths: PathIndex, route: RouteEntry, host: HostPattern, report: ReportPair): void {
  for (const other of neighboursOf(paths, route)) {
    if (other === route) continue
    if (takesAllOf(other, route)) report(route, other, host)
    else if (takesAllOf(route, other)) report(other, route, host)
  }
}
