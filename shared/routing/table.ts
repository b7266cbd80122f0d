import type { PluginName } from '../plugins/names.ts'
import { applyChanges } from './apply.ts'
import { allUpstreams, apiOf, upstreamAt, type RoutingTable } from './draft.ts'
import { EMPTY_HOSTS } from './host-index.ts'
import { findRoute } from './match.ts'
import type {
  CompiledRoute,
  CompiledUpstream,
  CompileIssue,
  Definition,
  RequestView,
} from './types.ts'

/** The table without definitions: matches nothing. */
export const EMPTY_TABLE: RoutingTable = {
  routeCount: 0,
  definitionCount: 0,
  hosts: EMPTY_HOSTS,
  apis: null,
  upstreams: null,
  users: null,
  streams: new Map(),
  plans: new Map(),
  pending: null,
  upstreamMemo: new Map(),
  hostMemo: new Map(),
}

/** A table from scratch, all or nothing, or every issue of every definition. The order does not matter. */
export function compileTable(
  definitions: Iterable<Definition>,
):
  | { readonly ok: true; readonly table: RoutingTable }
  | { readonly ok: false; readonly issues: readonly CompileIssue[] } {
  const changes = Array.from(definitions, (definition) => ({ op: 'put', definition }) as const)
  return applyChanges(EMPTY_TABLE, changes)
}

/**
 * The route that a request takes, or null. Allocates nothing unless a candidate asks for a query parameter or has a
 * regular expression, or the host is new to the table. `upstreamOf` of the same table resolves the route's upstream.
 */
export function matchRoute(table: RoutingTable, request: RequestView): CompiledRoute | null {
  return findRoute(table, request)
}

/** The upstream of a key; always there for the keys of routes of the same table. */
export function upstreamOf(table: RoutingTable, key: string): CompiledUpstream | undefined {
  const known = table.upstreamMemo.get(key)
  if (known !== undefined) return known
  const upstream = upstreamAt(table, key)
  if (upstream !== undefined) table.upstreamMemo.set(key, upstream)
  return upstream
}

/** Whether a route names a plugin itself, and does not have it of its Api. */
export function isOwnPlugin(
  table: RoutingTable,
  { api, at }: Pick<CompiledRoute, 'api' | 'at'>,
  name: PluginName,
): boolean {
  return apiOf(table, api)?.definition.spec.routes[at]?.plugins?.[name] !== undefined
}

/** Whether there is a route of this id. */
export function hasRoute(table: RoutingTable, id: string): boolean {
  const slash = id.lastIndexOf('/')
  const routes = apiOf(table, id.slice(0, Math.max(0, slash)))?.routes
  return routes !== undefined && Number(id.slice(slash + 1)) < routes.length
}

/** Whether a route is still there as it was: its Api has not changed since. */
export function isUnchanged(table: RoutingTable, route: CompiledRoute): boolean {
  return apiOf(table, route.api)?.routes[route.at] === route
}

/** Whether there is an upstream of this key. */
export function hasUpstream(table: RoutingTable, key: string): boolean {
  return upstreamAt(table, key) !== undefined
}

/** Every upstream, named and inline, in order of the keys. */
export function* upstreams(table: RoutingTable): Generator<CompiledUpstream> {
  yield* allUpstreams(table)
}

export { adoptChanges, type Adopted } from './adopt.ts'
export { applyChanges, applyInSteps, runToEnd } from './apply.ts'
export { explain } from './explain.ts'
export { printTable } from './print.ts'
export type { RoutingTable }
