import type { ApiSpec, RouteSpec } from '../../../shared/definitions/api.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import type { UpstreamSpec } from '../../../shared/definitions/upstream.ts'
import { adoptChanges, compileTable, type RoutingTable } from '../../../shared/routing/table.ts'
import type { DefinitionChange, RequestView } from '../../../shared/routing/types.ts'

const UPSTREAM: UpstreamSpec = { targets: [{ url: 'http://127.0.0.1:9001' }] }

/** An Api with an inline upstream unless `spec` has one. */
export function api(name: string, spec: ApiSpec): Definition {
  return {
    kind: 'Api',
    name,
    spec: { upstream: UPSTREAM, ...spec },
    revision: 1,
    createdRevision: 1,
  }
}

/** An Api of which nothing is filled in. */
export function bareApi(name: string, spec: ApiSpec): Definition {
  return { kind: 'Api', name, spec, revision: 1, createdRevision: 1 }
}

export function upstream(name: string, port = 9001): Definition {
  const spec = { targets: [{ url: `http://127.0.0.1:${port}` }] }
  return { kind: 'Upstream', name, spec, revision: 1, createdRevision: 1 }
}

export function put(definition: Definition): DefinitionChange {
  return { op: 'put', definition }
}

export function remove(kind: 'Api' | 'Upstream', name: string): DefinitionChange {
  return { op: 'delete', kind, name }
}

/** A request by what differs from `GET /` without host. */
export function request(
  path: string,
  more: {
    method?: string
    host?: string
    query?: string
    headers?: Readonly<Record<string, string>>
  } = {},
): RequestView {
  const { method = 'GET', host = '', query = '', headers = {} } = more
  return { method, host, path, query, header: (name) => headers[name] }
}

/** A table of definitions that must compile. */
export function tableOf(...definitions: readonly Definition[]): RoutingTable {
  const result = compileTable(definitions)
  if (!result.ok) throw new Error(JSON.stringify(result.issues))
  return result.table
}

/** A table of one Api with these routes, on any host. */
export function routes(...specs: readonly RouteSpec[]): RoutingTable {
  return tableOf(api('a', { routes: [...specs] }))
}

export function adopt(table: RoutingTable, ...changes: readonly DefinitionChange[]) {
  return adoptChanges(table, changes)
}
