import type { PlacedRoute } from './draft.ts'
import { pathsOf, type HostIndex } from './host-index.ts'
import type { HostPattern } from './hosts.ts'
import { neighboursOf } from './path-index.ts'
import { compareRoutes, compareText, takesAllOf, type RouteEntry } from './routes.ts'
import type { CompileIssue } from './types.ts'

/**
 * Routes that will never be asked because another one of the same host and path takes everything they would. Looks
 * only at pairs with a route of `newcomers`: the others were judged before. Yields after each of them, as
 * `applyInSteps` does.
 */
export function* unreachableRoutes(
  hosts: HostIndex,
  newcomers: readonly PlacedRoute[],
): Generator<undefined, readonly CompileIssue[]> {
  const found = new Map<string, Shadow>()
  const note = (shadow: Shadow): void => {
    const known = found.get(shadow.later.id)
    // Of several that take everything, the one that is asked first is named.
    if (known !== undefined && compareRoutes(known.first, shadow.first) <= 0) return
    found.set(shadow.later.id, shadow)
  }
  for (const { route, host } of newcomers) {
    yield
    for (const other of neighboursOf(pathsOf(hosts, host), route)) {
      if (other === route) continue
      if (takesAllOf(other, route)) note({ later: route, first: other, host })
      else if (takesAllOf(route, other)) note({ later: other, first: route, host })
    }
  }
  return [...found.values()].sort(byPlace).map(issueOf)
}

type Shadow = {
  readonly later: RouteEntry
  readonly first: RouteEntry
  readonly host: HostPattern
}

function byPlace(a: Shadow, b: Shadow): number {
  return compareText(a.later.api, b.later.api) || a.later.at - b.later.at
}

function issueOf({ later, first, host }: Shadow): CompileIssue {
  const where = host.type === 'any' ? '' : ` on ${host.text}`
  const message =
    `can never be reached${where}: ` +
    `Api "${first.api}" route ${first.at} takes every such request`
  return { kind: 'Api', name: later.api, path: `spec.routes.${later.at}`, message }
}
