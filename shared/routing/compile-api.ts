import type { ApiSpec, RouteSpec } from '../definitions/api.ts'
import type { Definition } from '../definitions/kinds.ts'
import { definitionKey } from '../changes.ts'
import { checkPlugins } from './compile-plugins.ts'
import { compileRoute, type Report } from './compile-route.ts'
import { compileUpstream } from './compile-upstream.ts'
import { ANY_HOST, parseHost, type HostPattern } from './hosts.ts'
import type { RouteEntry } from './routes.ts'
import { sameJson } from './same-json.ts'
import type { CompileIssue, CompiledUpstream } from './types.ts'

export type ApiDefinition = Extract<Definition, { kind: 'Api' }>
export type UpstreamDefinition = Extract<Definition, { kind: 'Upstream' }>

/** An Api taken apart. Whether its references lead anywhere, and its routes can be reached, is not decided here. */
export type CompiledApi = {
  readonly definition: ApiDefinition
  /** Never empty, each once. */
  readonly hosts: readonly HostPattern[]
  /** Those that compile, by place. All of them once the Api is part of a table. */
  readonly routes: readonly RouteEntry[]
  /** Written inline in the Api or its routes. */
  readonly upstreams: readonly CompiledUpstream[]
  /** Names of Upstreams that it needs, each once. */
  readonly references: readonly string[]
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
  const hosts = compileHosts(spec, report)
  const routes: RouteEntry[] = []
  for (const [at, route] of spec.routes.entries()) {
    const compiled = reused(definition, at, before) ?? compileRouteOf(definition, at, report)
    if (compiled !== null) routes.push(compiled)
    checkPlugins(route.plugins, within(report, `routes.${at}`))
  }
  const upstreams = inlineUpstreams(definition, before)
  const named = referencesOf(spec)
  const references = named.length === 0 ? NO_NAMES : namesIn(named)
  // Copies, because an array that has grown by `push` keeps room for 17.
  const api = { definition, hosts, routes: routes.slice(), upstreams, references }
  return { api, issues }
}

/** Every place where an Api names an Upstream. */
export function referencesOf(
  spec: ApiSpec,
): readonly { readonly path: string; readonly upstream: string }[] {
  const references: { path: string; upstream: string }[] = []
  if (typeof spec.upstream === 'string') {
    references.push({ path: 'spec.upstream', upstream: spec.upstream })
  }
  for (const [at, { upstream }] of spec.routes.entries()) {
    if (typeof upstream === 'string') {
      references.push({ path: `spec.routes.${at}.upstream`, upstream })
    }
  }
  return references
}

const NO_NAMES: readonly string[] = []

function namesIn(references: ReturnType<typeof referencesOf>): readonly string[] {
  return [...new Set(references.map(({ upstream }) => upstream))]
}

function compileHosts(spec: ApiSpec, report: Report): readonly HostPattern[] {
  if (spec.hosts === undefined) return ANY_HOSTS
  const hosts = new Map<string, HostPattern>()
  for (const [at, text] of spec.hosts.entries()) {
    const host = parseHost(text)
    if (hosts.has(host.text)) report(`hosts.${at}`, `names the host ${host.text} a second time`)
    hosts.set(host.text, host)
  }
  return [...hosts.values()]
}

const ANY_HOSTS: readonly HostPattern[] = [ANY_HOST]

function reused(
  definition: ApiDefinition,
  at: number,
  before: CompiledApi | undefined,
): RouteEntry | null {
  const old = before?.routes[at]
  if (before === undefined || old === undefined) return null
  const isSame =
    old.upstreamKey === upstreamKeyOf(definition, at) &&
    sameJson(before.definition.spec.routes[at], definition.spec.routes[at])
  return isSame ? old : null
}

function compileRouteOf(definition: ApiDefinition, at: number, report: Report): RouteEntry | null {
  const spec = definition.spec.routes[at] as RouteSpec // `at` comes from the array itself.
  const upstreamKey = upstreamKeyOf(definition, at)
  const reportHere = within(report, `routes.${at}`)
  if (upstreamKey === null) {
    reportHere('upstream', 'is required: neither the route nor its Api has an upstream')
  }
  // Compiled all the same, so that what else is wrong with the route is said at once.
  const place = { api: definition.name, at, upstreamKey: upstreamKey ?? '' }
  return compileRoute(spec, place, reportHere)
}

function upstreamKeyOf({ name, spec }: ApiDefinition, at: number): string | null {
  const own = spec.routes[at]?.upstream
  if (typeof own === 'string') return definitionKey('Upstream', own)
  if (own !== undefined) return `${definitionKey('Api', name)}/${at}`
  if (typeof spec.upstream === 'string') return definitionKey('Upstream', spec.upstream)
  return spec.upstream === undefined ? null : definitionKey('Api', name)
}

function inlineUpstreams(
  { name, spec }: ApiDefinition,
  before: CompiledApi | undefined,
): readonly CompiledUpstream[] {
  const upstreams: CompiledUpstream[] = []
  const add = (key: string, upstream: ApiSpec['upstream']): void => {
    if (upstream === undefined || typeof upstream === 'string') return
    const old = before?.upstreams.find((candidate) => candidate.key === key)
    const isSame = old !== undefined && sameJson(old.spec, upstream)
    upstreams.push(isSame ? old : compileUpstream(key, upstream))
  }
  const key = definitionKey('Api', name)
  add(key, spec.upstream)
  for (const [at, route] of spec.routes.entries()) add(`${key}/${at}`, route.upstream)
  return upstreams.slice()
}

function within(report: Report, base: string): Report {
  return (path, message) => report(`${base}.${path}`, message)
}
