import type { ApiErrors } from '../definitions/api-errors.ts'
import type { ApiSpec, RouteSpec } from '../definitions/api.ts'
import type { UpstreamSpec } from '../definitions/upstream.ts'
import type { Definition } from '../definitions/kinds.ts'
import { definitionKey } from '../changes.ts'
import type { PluginSet } from '../plugins/schema.ts'
import { checkPlugins, pluginsOfApi, pluginsOfRoute } from './compile-plugins.ts'
import { compileRoute } from './compile-route.ts'
import type { Report } from './report.ts'
import { ANY_HOST, parseHost, type HostPattern } from './hosts.ts'
import type { RouteEntry } from './routes.ts'
import { keyAt, placesOf } from './upstream-places.ts'
import { sameJson } from './same-json.ts'
import { NOT_FOR_APIS, tcpTargetAt } from './tcp-targets.ts'
import type { CompileIssue, CompiledUpstream } from './types.ts'

export type ApiDefinition = Extract<Definition, { kind: 'Api' }>
export type UpstreamDefinition = Extract<Definition, { kind: 'Upstream' }>

/** An Api taken apart. Whether its references lead anywhere, and its routes can be reached, is not decided here. */
export type CompiledApi = {
  readonly definition: ApiDefinition
  /** For routes that have none of their own. */
  readonly plugins: PluginSet | null
  /** Null: nothing of its own. */
  readonly errors: ApiErrors | null
  /** Those that compile, by place. All of them once the Api is part of a table. */
  readonly routes: readonly RouteEntry[]
  /** Written inline in the Api or its routes. */
  readonly upstreams: readonly InlineUpstream[]
  /** Names of Upstreams that it needs, each once. */
  readonly references: readonly string[]
}

/** An upstream that is compiled when it is first asked for: of a hundred thousand a gateway may never use most. */
export type InlineUpstream = {
  readonly key: string
  readonly spec: UpstreamSpec
  /** Null until then. */
  compiled: CompiledUpstream | null
}

/** The hosts that an Api serves: never empty, each once unless the Api has an issue. */
export function hostsServed({ hosts }: ApiSpec): readonly HostPattern[] {
  return hosts === undefined ? ANY_HOSTS : hosts.map(parseHost)
}

/**
 * Compiles an Api and collects everything that is wrong with it by itself. What does not differ from `before`, the
 * form that it replaces, is taken over as the same objects, so that the table need not touch it.
 */
export function compileApi(
  definition: ApiDefinition,
  before: CompiledApi | undefined,
): { readonly api: CompiledApi; readonly issues: readonly CompileIssue[] } {
  const { name, spec } = definition
  const issues: CompileIssue[] = []
  const report: Report = (path, message) => {
    issues.push({ kind: 'Api', name, path: `spec.${path}`, message })
  }
  checkPlugins(spec.plugins, report)
  checkHosts(spec, report)
  const plugins = pluginsOfApi(
    spec,
    before === undefined ? undefined : { plugins: before.plugins, spec: before.definition.spec },
  )
  const errors = errorsOf(spec, before)
  // By `map`, because an array that grows by `push` keeps room for 17.
  const compiled = spec.routes.map((route, at) => {
    const place = { definition, at, errors, plugins: routePlugins(route, at, plugins, before) }
    const own = reused(place, before) ?? compileRouteOf(place, report)
    if (route.plugins !== undefined) checkPlugins(route.plugins, within(report, at))
    return own
  })
  const routes = compiled.every(isThere) ? compiled : compiled.filter(isThere)
  const upstreams = inlineUpstreams(definition, before)
  checkTargets(spec, report)
  return {
    api: { definition, plugins, errors, routes, upstreams, references: namesIn(spec) },
    issues,
  }
}

/** The same object as before when nothing differs, so that what was made of it lives on. */
function errorsOf({ errors }: ApiSpec, before: CompiledApi | undefined): ApiErrors | null {
  if (errors === undefined) return null
  const isSame = before !== undefined && sameJson(before.errors, errors)
  return isSame ? before.errors : errors
}

function isThere(route: RouteEntry | null): route is RouteEntry {
  return route !== null
}

/** Every place where an Api names an Upstream. */
export function referencesOf(
  spec: ApiSpec,
): readonly { readonly path: string; readonly upstream: string }[] {
  const references: { path: string; upstream: string }[] = []
  if (typeof spec.upstream === 'string') {
    references.push({ path: 'spec.upstream', upstream: spec.upstream })
  }
  for (const [at, route] of spec.routes.entries()) {
    for (const { path, upstream } of placesOf(route)) {
      if (typeof upstream !== 'string') continue
      references.push({ path: `spec.routes.${at}.${path}`, upstream })
    }
  }
  return references
}

const NO_NAMES: readonly string[] = []

function namesIn(spec: ApiSpec): readonly string[] {
  const references = referencesOf(spec)
  if (references.length === 0) return NO_NAMES
  return [...new Set(references.map(({ upstream }) => upstream))]
}

function checkHosts({ hosts }: ApiSpec, report: Report): void {
  if (hosts === undefined || hosts.length === 1) return
  const seen = new Set<string>()
  for (const [at, { text }] of hosts.map(parseHost).entries()) {
    if (seen.has(text)) report(`hosts.${at}`, `names the host ${text} a second time`)
    seen.add(text)
  }
}

const ANY_HOSTS: readonly HostPattern[] = [ANY_HOST]

/** A route of an Api, and what it makes of the Api's plugins. */
type PlaceInApi = {
  readonly definition: ApiDefinition
  readonly at: number
  readonly plugins: PluginSet | null
  readonly errors: ApiErrors | null
}

function routePlugins(
  route: RouteSpec,
  at: number,
  plugins: PluginSet | null,
  before: CompiledApi | undefined,
): PluginSet | null {
  const old = before?.routes[at]
  const spec = before?.definition.spec.routes[at]
  if (before === undefined || old === undefined || spec === undefined) {
    return pluginsOfRoute(route, plugins, null)
  }
  return pluginsOfRoute(route, plugins, { api: before.plugins, spec, plugins: old.plugins })
}

function reused(
  { definition, at, plugins, errors }: PlaceInApi,
  before: CompiledApi | undefined,
): RouteEntry | null {
  const old = before?.routes[at]
  if (before === undefined || old === undefined) return null
  const isSame =
    old.upstreamKey === upstreamKeyOf(definition, at) &&
    old.recordSample === recordSampleOf(definition, at) &&
    old.isHttpsOnly === isHttpsOnly(definition) &&
    old.plugins === plugins &&
    old.errors === errors &&
    sameJson(before.definition.spec.routes[at], definition.spec.routes[at])
  return isSame ? old : null
}

function compileRouteOf(
  { definition, at, plugins, errors }: PlaceInApi,
  report: Report,
): RouteEntry | null {
  const spec = definition.spec.routes[at] as RouteSpec // `at` comes from the array itself.
  const upstreamKey = upstreamKeyOf(definition, at)
  const reportHere = within(report, at)
  if (upstreamKey === null) {
    reportHere('upstream', 'is required: neither the route nor its Api has an upstream')
  }
  // Compiled all the same, so that what else is wrong with the route is said at once.
  const recordSample = recordSampleOf(definition, at)
  const place = {
    api: definition.name,
    at,
    upstreamKey: upstreamKey ?? '',
    recordSample,
    isHttpsOnly: isHttpsOnly(definition),
    plugins,
    errors,
    branchKeys:
      spec.split === undefined ? NO_NAMES : keysBelow('split.', definition.name, at, spec),
    mirrorKey:
      spec.mirror === undefined
        ? null
        : (keysBelow('mirror.', definition.name, at, spec)[0] ?? null),
  }
  return compileRoute(spec, place, reportHere)
}

function keysBelow(path: string, api: string, at: number, spec: RouteSpec): readonly string[] {
  const places = placesOf(spec).filter((place) => place.path.startsWith(path))
  return places.map((place) => keyAt({ api, at }, place))
}

function upstreamKeyOf({ name, spec }: ApiDefinition, at: number): string | null {
  // Its own, or the first branch of its split; a mirror is not one that answers.
  const own = placesOf(spec.routes[at] as RouteSpec).find(({ path }) => path !== 'mirror.upstream')
  if (own !== undefined) return keyAt({ api: name, at }, own)
  if (typeof spec.upstream === 'string') return definitionKey('Upstream', spec.upstream)
  return spec.upstream === undefined ? null : definitionKey('Api', name)
}

function recordSampleOf({ spec }: ApiDefinition, at: number): number | null {
  return spec.routes[at]?.records?.sample ?? spec.records?.sample ?? null
}

function isHttpsOnly({ spec }: ApiDefinition): boolean {
  return spec.https === 'redirect'
}

function inlineUpstreams(
  { name, spec }: ApiDefinition,
  before: CompiledApi | undefined,
): readonly InlineUpstream[] {
  const key = definitionKey('Api', name)
  const inline = (own: string, upstream: UpstreamSpec): InlineUpstream => {
    const old = before?.upstreams.find((candidate) => candidate.key === own)
    const isSame = old !== undefined && sameJson(old.spec, upstream)
    return isSame ? old : { key: own, spec: upstream, compiled: null }
  }
  const upstreams = isInline(spec.upstream) ? [inline(key, spec.upstream)] : []
  for (const [at, route] of spec.routes.entries()) {
    for (const place of placesOf(route)) {
      if (!isInline(place.upstream)) continue
      upstreams.push(inline(keyAt({ api: name, at }, place), place.upstream))
    }
  }
  return upstreams
}

/** No upstream that is written in an Api may be for Streams. */
function checkTargets(spec: ApiSpec, report: Report): void {
  const check = (path: string, upstream: ApiSpec['upstream']): void => {
    const at = isInline(upstream) ? tcpTargetAt(upstream) : -1
    if (at !== -1) report(`${path}.targets.${at}.url`, NOT_FOR_APIS)
  }
  check('upstream', spec.upstream)
  for (const [at, route] of spec.routes.entries()) {
    for (const { path, upstream } of placesOf(route)) check(`routes.${at}.${path}`, upstream)
  }
}

function isInline(upstream: ApiSpec['upstream']): upstream is UpstreamSpec {
  return upstream !== undefined && typeof upstream !== 'string'
}

/** Reports what is wrong with the route at a place. */
function within(report: Report, at: number): Report {
  return (path, message) => report(`routes.${at}.${path}`, message)
}
