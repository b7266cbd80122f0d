import { keyOf } from './bytes.ts'
import type { CompiledApi } from './compile-api.ts'
import { updateHost, type HostIndex } from './host-index.ts'
import type { HostPattern } from './hosts.ts'
import { insertRoute, removeRoute, type PathIndex } from './path-index.ts'
import { newEdit, update, valueAt, type Tree } from './radix-tree.ts'
import type { RouteEntry } from './routes.ts'
import type { CompiledUpstream, DefinitionChange } from './types.ts'

/** A change that a gateway could not use, and what it waits for. */
export type Pending = {
  readonly change: DefinitionChange
  readonly reason: string
  /** Another definition may heal it; otherwise only its own next form can. */
  readonly waitsForOthers: boolean
}

/**
 * Everything that a gateway needs to route by, at one revision. Immutable: a change makes another table that shares
 * nearly all of this one. Readers outside this folder use the functions of `table.ts`.
 */
export type RoutingTable = {
  /** Routes of all Apis; one that several hosts share counts once. */
  readonly routeCount: number
  /** Definitions in force. */
  readonly definitionCount: number
  readonly hosts: HostIndex
  /** By name. */
  readonly apis: Tree<CompiledApi>
  /** By key: named ones, and those written inline in Apis. */
  readonly upstreams: Tree<CompiledUpstream>
  /** By name of an Upstream: the names of the Apis that need it. */
  readonly references: Tree<Tree<true>>
  /** By definition key. Only tables of gateways have any. */
  readonly pending: Tree<Pending>
  /** Upstreams that requests have asked for: `upstreams` again, but faster. Starts empty with each table. */
  readonly upstreamMemo: Map<string, CompiledUpstream>
}

/** A route on one of its hosts. */
export type PlacedRoute = { readonly route: RouteEntry; readonly host: HostPattern }

/** The next table while it is being made. Owns what it makes until `finish`; the table it began with stays as it is. */
export class TableDraft {
  readonly #edit = newEdit()
  readonly #changedKeys: string[] = []
  readonly #inCompany: PlacedRoute[] = []
  readonly #table: Mutable<RoutingTable>

  constructor(table: RoutingTable) {
    this.#table = { ...table }
  }

  /** The table as far as it is made. To be read at once: the next change alters it. */
  get table(): RoutingTable {
    return this.#table
  }

  /** The table, for good. The draft must not be used any more. */
  finish(): RoutingTable {
    return { ...this.#table, upstreamMemo: new Map() }
  }

  /** Keys of upstreams put or removed, in the order of the changes. */
  get upstreamsChanged(): readonly string[] {
    return this.#changedKeys
  }

  /** Routes that met others at their place when they came in: only among these can there be an unreachable one. */
  get inCompany(): readonly PlacedRoute[] {
    return this.#inCompany
  }

  /** Replaces an Api; null takes it away. What both forms share is not touched. */
  replaceApi(name: string, after: CompiledApi | null): void {
    const table = this.#table
    let before: CompiledApi | null = null
    const change = (old: CompiledApi | undefined): CompiledApi | undefined => {
      before = old ?? null
      return after ?? undefined
    }
    table.apis = update(table.apis, keyOf(name), change, this.#edit)
    this.#moveRoutes(before, after)
    this.#moveUpstreams(before, after)
    this.#moveReferences(name, before, after)
    table.routeCount += routeCount(after) - routeCount(before)
    table.definitionCount += count(after) - count(before)
  }

  /** Replaces a named Upstream; null takes it away. */
  replaceUpstream(key: string, after: CompiledUpstream | null): void {
    const before = valueAt(this.#table.upstreams, keyOf(key)) ?? null
    this.#putUpstream(key, after)
    this.#table.definitionCount += count(after) - count(before)
  }

  /** Remembers a change that could not be used; null forgets it. */
  hold(key: string, pending: Pending | null): void {
    if (this.#table.pending === null && pending === null) return
    this.#table.pending = update(
      this.#table.pending,
      keyOf(key),
      () => pending ?? undefined,
      this.#edit,
    )
  }

  #moveRoutes(before: CompiledApi | null, after: CompiledApi | null): void {
    if (before === null) {
      // The usual case of a whole config, where the sets below would cost more than the routes.
      for (const host of after?.hosts ?? []) this.#moveOnHost(host, [], after?.routes ?? [])
      return
    }
    const oldHosts = new Map(before.hosts.map((host) => [host.text, host]))
    const newHosts = new Map(after?.hosts.map((host) => [host.text, host]))
    const oldRoutes = before.routes
    const newRoutes = after?.routes ?? []
    const gone = difference(oldRoutes, newRoutes)
    const come = difference(newRoutes, oldRoutes)
    for (const host of oldHosts.values()) {
      if (newHosts.has(host.text)) this.#moveOnHost(host, gone, come)
      else this.#moveOnHost(host, oldRoutes, [])
    }
    for (const host of newHosts.values()) {
      if (!oldHosts.has(host.text)) this.#moveOnHost(host, [], newRoutes)
    }
  }

  #moveOnHost(host: HostPattern, gone: readonly RouteEntry[], come: readonly RouteEntry[]): void {
    if (gone.length + come.length === 0) return
    const onCompany = (route: RouteEntry): void => {
      this.#inCompany.push({ route, host })
    }
    const change = (paths: PathIndex): PathIndex => {
      let here = paths
      // First out, then in: a route's old and new form would stand at the same place in the order.
      for (const route of gone) here = removeRoute(here, route, this.#edit)
      for (const route of come) here = insertRoute(here, route, this.#edit, onCompany)
      return here
    }
    this.#table.hosts = updateHost(this.#table.hosts, host, change, this.#edit)
  }

  #moveUpstreams(before: CompiledApi | null, after: CompiledApi | null): void {
    for (const { key } of before?.upstreams ?? []) {
      const isKept = after?.upstreams.some((upstream) => upstream.key === key) ?? false
      if (!isKept) this.#putUpstream(key, null)
    }
    for (const upstream of after?.upstreams ?? []) this.#putUpstream(upstream.key, upstream)
  }

  #putUpstream(key: string, after: CompiledUpstream | null): void {
    const change = (before: CompiledUpstream | undefined): CompiledUpstream | undefined => {
      if (before !== (after ?? undefined)) this.#changedKeys.push(key)
      return after ?? undefined
    }
    this.#table.upstreams = update(this.#table.upstreams, keyOf(key), change, this.#edit)
  }

  #moveReferences(name: string, before: CompiledApi | null, after: CompiledApi | null): void {
    for (const upstream of difference(before?.references ?? [], after?.references ?? [])) {
      this.#setReference(upstream, name, undefined)
    }
    for (const upstream of difference(after?.references ?? [], before?.references ?? [])) {
      this.#setReference(upstream, name, true)
    }
  }

  #setReference(upstream: string, api: string, value: true | undefined): void {
    const changeApis = (apis: Tree<true> = null): Tree<true> | undefined =>
      update(apis, keyOf(api), () => value, this.#edit) ?? undefined
    this.#table.references = update(this.#table.references, keyOf(upstream), changeApis, this.#edit)
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function routeCount(api: CompiledApi | null): number {
  return api?.routes.length ?? 0
}

function count(definition: object | null): number {
  return definition === null ? 0 : 1
}

function difference<T>(all: readonly T[], without: readonly T[]): readonly T[] {
  if (without.length === 0) return all
  const known = new Set(without)
  return all.filter((item) => !known.has(item))
}
