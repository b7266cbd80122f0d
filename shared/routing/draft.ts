import { definitionKey } from '../changes.ts'
import type { PlanSpec } from '../definitions/plan.ts'
import { hashOf } from './bytes.ts'
import { hostsServed, type CompiledApi, type InlineUpstream } from './compile-api.ts'
import { compileUpstream, isWatched } from './compile-upstream.ts'
import { find, newEdit, update, valuesOf, type HashMap } from './hash-map.ts'
import { updateHost, type HostIndex } from './host-index.ts'
import type { HostPattern } from './hosts.ts'
import { insertRoute, removeRoute, type PathIndex } from './path-index.ts'
import { compareText, type RouteEntry } from './routes.ts'
import { sameJson } from './same-json.ts'
import type { CompiledStream } from './streams.ts'
import type { CompiledUpstream, RoutingChange } from './types.ts'

/** A change that a gateway could not use, and what it waits for. */
export type Pending = {
  /** Of the definition. */
  readonly key: string
  readonly change: RoutingChange
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
  readonly apis: HashMap<CompiledApi>
  /** Named ones, by key; those written inline are in their Apis. */
  readonly upstreams: HashMap<CompiledUpstream>
  /** By name of an Upstream. */
  readonly users: HashMap<Users>
  /** By name. */
  readonly streams: ReadonlyMap<string, CompiledStream>
  /** By name. Another object whenever a Plan changes, and only then. */
  readonly plans: ReadonlyMap<string, PlanSpec>
  /** By definition key. Only tables of gateways have any. */
  readonly pending: HashMap<Pending>
  /** Upstreams that requests have asked for: `upstreams` again, but faster. Starts empty with each table. */
  readonly upstreamMemo: Map<string, CompiledUpstream>
  /** By host that requests have named: what `hosts` has for it, in order. Starts empty with each table. */
  readonly hostMemo: Map<string, readonly PathIndex[]>
}

/** The Apis that need an Upstream. */
type Users = { readonly upstream: string; readonly apis: HashMap<{ readonly name: string }> }

/** The Api of a name. */
export function apiOf(table: RoutingTable, name: string): CompiledApi | undefined {
  return find(table.apis, hashOf(name), (api) => api.definition.name === name)
}

/** The upstream of a key, named or inline. */
export function upstreamAt(table: RoutingTable, key: string): CompiledUpstream | undefined {
  if (key.startsWith(INLINE_STREAM)) {
    return table.streams.get(key.slice(INLINE_STREAM.length))?.inline ?? undefined
  }
  if (!key.startsWith(INLINE)) return find(table.upstreams, hashOf(key), (each) => each.key === key)
  // `Api/petstore` or `Api/petstore/2`; names have no slash.
  const end = key.indexOf('/', INLINE.length)
  const api = apiOf(table, key.slice(INLINE.length, end < 0 ? key.length : end))
  const inline = api?.upstreams.find((upstream) => upstream.key === key)
  return inline === undefined ? undefined : compiledInline(inline)
}

function compiledInline(inline: InlineUpstream): CompiledUpstream {
  inline.compiled ??= compileUpstream(inline.key, inline.spec)
  return inline.compiled
}

const INLINE = definitionKey('Api', '')
const INLINE_STREAM = definitionKey('Stream', '')

/** Every upstream, named and inline, in the order of the keys. */
export function allUpstreams(table: RoutingTable): CompiledUpstream[] {
  const apis = [...valuesOf(table.apis)]
  const inline = apis.flatMap(({ upstreams }) => upstreams.map(compiledInline))
  for (const stream of table.streams.values())
    if (stream.inline !== null) inline.push(stream.inline)
  return [...valuesOf(table.upstreams), ...inline].sort((a, b) => compareText(a.key, b.key))
}

/** The names of the Apis that need an Upstream, in order. */
export function usersOf(table: RoutingTable, upstream: string): string[] {
  const users = find(table.users, hashOf(upstream), (each) => each.upstream === upstream)
  return Array.from(valuesOf(users?.apis ?? null), ({ name }) => name).sort(compareText)
}

/** All that could not be used, in the order of the keys. */
export function pendingOf(table: RoutingTable): Pending[] {
  return [...valuesOf(table.pending)].sort((a, b) => compareText(a.key, b.key))
}

/** A route on one of its hosts. */
export type PlacedRoute = { readonly route: RouteEntry; readonly host: HostPattern }

/** The next table while it is being made. Owns what it makes until `finish`; the table it began with stays as it is. */
export class TableDraft {
  readonly #edit = newEdit()
  readonly #changedKeys: string[] = []
  readonly #watchedKeys: string[] = []
  readonly #inCompany: PlacedRoute[] = []
  readonly #table: Mutable<RoutingTable>
  /** Null until a Stream changes. */
  #streams: Map<string, CompiledStream> | null = null
  /** Null until a Plan changes. */
  #plans: Map<string, PlanSpec> | null = null

  constructor(table: RoutingTable) {
    this.#table = { ...table }
  }

  /** The table as far as it is made. To be read at once: the next change alters it. */
  get table(): RoutingTable {
    return this.#table
  }

  /** The table, for good. The draft must not be used any more. */
  finish(): RoutingTable {
    return { ...this.#table, upstreamMemo: new Map(), hostMemo: new Map() }
  }

  /** Keys of upstreams put or removed, in the order of the changes. */
  get upstreamsChanged(): readonly string[] {
    return this.#changedKeys
  }

  /** Those of them that must live before their first request. */
  get upstreamsWatched(): readonly string[] {
    return this.#watchedKeys
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
    const isMeant = (api: CompiledApi) => api.definition.name === name
    table.apis = update(table.apis, { hash: hashOf(name), isMeant }, change, this.#edit)
    this.#moveRoutes(before, after)
    this.#noteUpstreams(before, after)
    this.#moveReferences(name, before, after)
    table.routeCount += routeCount(after) - routeCount(before)
    table.definitionCount += count(after) - count(before)
  }

  /** Replaces a named Upstream; null takes it away. */
  replaceUpstream(key: string, after: CompiledUpstream | null): void {
    const table = this.#table
    const before = upstreamAt(table, key) ?? null
    const isMeant = (upstream: CompiledUpstream) => upstream.key === key
    const change = () => after ?? undefined
    table.upstreams = update(table.upstreams, { hash: hashOf(key), isMeant }, change, this.#edit)
    if (before !== after) {
      this.#changedKeys.push(key)
      if (after?.isWatched === true) this.#watchedKeys.push(key)
    }
    table.definitionCount += count(after) - count(before)
  }

  /** Replaces a Stream; null takes it away. */
  replaceStream(name: string, after: CompiledStream | null): void {
    const table = this.#table
    const before = table.streams.get(name) ?? null
    if (before === after) return
    // A copy for all changes of this draft: Streams are few.
    this.#streams ??= new Map(table.streams)
    table.streams = this.#streams
    if (after === null) this.#streams.delete(name)
    else this.#streams.set(name, after)
    table.definitionCount += count(after) - count(before)
    if (before?.inline === after?.inline) return
    const key = definitionKey('Stream', name)
    this.#changedKeys.push(key)
    if (after?.inline?.isWatched === true) this.#watchedKeys.push(key)
  }

  /** Replaces a Plan; null takes it away. */
  replacePlan(name: string, after: PlanSpec | null): void {
    const table = this.#table
    const before = table.plans.get(name) ?? null
    if (after === before || (after !== null && sameJson(before, after))) return
    // A copy for all changes of this draft: Plans are few.
    this.#plans ??= new Map(table.plans)
    table.plans = this.#plans
    if (after === null) this.#plans.delete(name)
    else this.#plans.set(name, after)
    table.definitionCount += count(after) - count(before)
  }

  /** Remembers a change that could not be used; null forgets it. */
  hold(key: string, pending: Pending | null): void {
    const table = this.#table
    if (table.pending === null && pending === null) return
    const isMeant = (each: Pending) => each.key === key
    const change = () => pending ?? undefined
    table.pending = update(table.pending, { hash: hashOf(key), isMeant }, change, this.#edit)
  }

  #moveRoutes(before: CompiledApi | null, after: CompiledApi | null): void {
    if (before === null) {
      // The usual case of a whole config, where the sets below would cost more than the routes.
      for (const host of hostsOfApi(after)) this.#moveOnHost(host, [], after?.routes ?? [])
      return
    }
    const oldHosts = new Map(hostsOfApi(before).map((host) => [host.text, host]))
    const newHosts = new Map(hostsOfApi(after).map((host) => [host.text, host]))
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

  #noteUpstreams(before: CompiledApi | null, after: CompiledApi | null): void {
    for (const { key } of before?.upstreams ?? []) {
      const isKept = after?.upstreams.some((upstream) => upstream.key === key) ?? false
      if (!isKept) this.#changedKeys.push(key)
    }
    for (const upstream of after?.upstreams ?? []) {
      if (before?.upstreams.includes(upstream) === true) continue
      this.#changedKeys.push(upstream.key)
      if (isWatched(upstream.spec)) this.#watchedKeys.push(upstream.key)
    }
  }

  #moveReferences(name: string, before: CompiledApi | null, after: CompiledApi | null): void {
    for (const upstream of difference(before?.references ?? [], after?.references ?? [])) {
      this.#setUser(upstream, name, undefined)
    }
    for (const upstream of difference(after?.references ?? [], before?.references ?? [])) {
      this.#setUser(upstream, name, { name })
    }
  }

  #setUser(upstream: string, api: string, user: { readonly name: string } | undefined): void {
    const table = this.#table
    const key = { hash: hashOf(api), isMeant: (each: { name: string }) => each.name === api }
    const change = (before: Users | undefined): Users | undefined => {
      const apis = update(before?.apis ?? null, key, () => user, this.#edit)
      return apis === null ? undefined : { upstream, apis }
    }
    const isMeant = (each: Users) => each.upstream === upstream
    table.users = update(table.users, { hash: hashOf(upstream), isMeant }, change, this.#edit)
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function hostsOfApi(api: CompiledApi | null): readonly HostPattern[] {
  return api === null ? [] : hostsServed(api.definition.spec)
}

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
