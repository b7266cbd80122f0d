// The second implementation: every route against every request, one after the other, with nothing shared with the
// first but the types. Templates and patterns go through JavaScript's own RegExp.
import type { RouteSpec } from '../../../shared/definitions/api.ts'
import type { PatternSpec } from '../../../shared/definitions/pattern.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import type { RequestView } from '../../../shared/routing/types.ts'

type DumbRoute = { api: string; at: number; host: string; spec: RouteSpec }

/** The id of the route that a request takes, or null. */
export function dumbMatch(definitions: readonly Definition[], request: RequestView): string | null {
  const fitting = dumbRoutes(definitions).filter((route) => fits(route, request))
  const [best] = fitting.sort((a, b) => compare(a, b, request))
  return best === undefined ? null : `${best.api}/${best.at}`
}

function dumbRoutes(definitions: readonly Definition[]): DumbRoute[] {
  return definitions.flatMap((definition) =>
    definition.kind !== 'Api'
      ? []
      : (definition.spec.hosts ?? ['']).flatMap((host) =>
          definition.spec.routes.map((spec, at) => ({
            api: definition.name,
            at,
            host: host.toLowerCase(),
            spec,
          })),
        ),
  )
}

function fits({ host, spec }: DumbRoute, request: RequestView): boolean {
  return (
    hostRank(host, request.host) >= 0 &&
    pathFits(spec, request.path) &&
    predicatesFit(spec, request)
  )
}

/** Larger is more specific; negative does not fit. Of `*.x` and `.x` the narrower one comes first. */
function hostRank(pattern: string, host: string): number {
  if (pattern === '') return 0
  const name = pattern.replace(/^\*?\./, '')
  const isBelow = host.endsWith(`.${name}`)
  if (pattern.startsWith('*.')) return isBelow ? 2 * name.length + 1 : -1
  if (pattern.startsWith('.')) return isBelow || host === name ? 2 * name.length : -1
  return host === pattern ? 1e6 : -1
}

function trimmed(path: string): string {
  return path.replace(/\/$/, '')
}

function pathFits({ path, match = 'prefix' }: RouteSpec, given: string): boolean {
  if (match === 'exact') return given === path
  if (match === 'text-prefix') return given.startsWith(path)
  if (match === 'prefix') return given === trimmed(path) || given.startsWith(`${trimmed(path)}/`)
  if (match === 'regex') return new RegExp(path).test(given)
  return templateRegExp(path).test(given)
}

function templateRegExp(path: string): RegExp {
  const source = path
    .replace(/\{[^}]*\*\}/g, '\0')
    .replace(/\{[^}]*\}/g, '\x01')
    .replace(/[.*+?^$()[\]|\\]/g, '\\$&')
    .replaceAll('\0', '[^]*')
    .replaceAll('\x01', '[^/]+')
  return new RegExp(`^${source}$`)
}

function predicatesFit(spec: RouteSpec, request: RequestView): boolean {
  if (spec.methods !== undefined && !spec.methods.includes(request.method)) return false
  const parameters = new URLSearchParams(request.query)
  return (
    Object.entries(spec.headers ?? {}).every(([name, pattern]) => {
      const value = request.header(name.toLowerCase())
      return patternFits(pattern, value === undefined ? [] : [value])
    }) &&
    Object.entries(spec.query ?? {}).every(([name, pattern]) =>
      patternFits(pattern, parameters.getAll(name)),
    )
  )
}

function patternFits(pattern: PatternSpec, values: readonly string[]): boolean {
  if (typeof pattern === 'string') return values.includes(pattern)
  if ('prefix' in pattern) return values.some((value) => value.startsWith(pattern.prefix))
  if ('regex' in pattern) return values.some((value) => new RegExp(pattern.regex).test(value))
  return values.length > 0 === pattern.present
}

const KINDS = ['exact', 'template', 'regex', 'prefix', 'text-prefix']

function compare(a: DumbRoute, b: DumbRoute, request: RequestView): number {
  const byHost = hostRank(b.host, request.host) - hostRank(a.host, request.host)
  if (byHost !== 0) return byHost
  const kind = (route: DumbRoute) => KINDS.indexOf(route.spec.match ?? 'prefix')
  const isExact = (route: DumbRoute) => (kind(route) === 0 ? 1 : 0)
  return (
    isExact(b) - isExact(a) ||
    literalLength(b.spec) - literalLength(a.spec) ||
    kind(a) - kind(b) ||
    predicateCount(b.spec) - predicateCount(a.spec) ||
    (b.spec.priority ?? 0) - (a.spec.priority ?? 0) ||
    (a.api === b.api ? a.at - b.at : a.api < b.api ? -1 : 1)
  )
}

function literalLength({ path, match = 'prefix' }: RouteSpec): number {
  if (match === 'prefix') return trimmed(path).length
  if (match === 'template') return path.includes('{') ? path.indexOf('{') : path.length
  // The expressions of the generator are a literal up to the first of these.
  if (match === 'regex') return path.startsWith('^') ? path.slice(1).search(/[([$]|$/) : 0
  return path.length
}

function predicateCount(spec: RouteSpec): number {
  const { methods, headers = {}, query = {} } = spec
  return (methods === undefined ? 0 : 1) + Object.keys(headers).length + Object.keys(query).length
}
