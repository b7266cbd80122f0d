import { unreachable } from '../assert.ts'
import type { ApiErrors } from '../definitions/api-errors.ts'
import type { RouteSpec } from '../definitions/api.ts'
import { METHOD_LISTS_MAX } from '../limits.ts'
import type { PluginSet } from '../plugins/schema.ts'
import { literalsOf } from './bytes.ts'
import { compilePredicates } from './compile-predicates.ts'
import { compileMirror, compileSplit } from './compile-split.ts'
import { compileRegex } from './regex.ts'
import type { Report } from './report.ts'
import {
  keepPath,
  replaceAll,
  replaceMatch,
  replaceSegments,
  replaceText,
  asTargetText,
  withoutTrailingSlash,
  type RewritePath,
} from './rewrite.ts'
import type { RouteEntry } from './routes.ts'
import { parseTemplate } from './template.ts'

export type RoutePlace = {
  readonly api: string
  /** Place in the Api's routes. */
  readonly at: number
  readonly upstreamKey: string
  readonly recordSample: number | null
  readonly isHttpsOnly: boolean
  readonly plugins: PluginSet | null
  readonly errors: ApiErrors | null
  /** Of the branches of its split, in order. */
  readonly branchKeys: readonly string[]
  /** Null without a mirror. */
  readonly mirrorKey: string | null
}

/** A route ready to be matched, or null once everything that is wrong with it has been reported. */
export function compileRoute(
  spec: RouteSpec,
  place: RoutePlace,
  report: Report,
): RouteEntry | null {
  const compiledPath = compilePath(spec, report)
  const headers = compilePredicates(spec.headers, 'headers', report)
  const query = compilePredicates(spec.query, 'query', report)
  const rewritePath = compiledPath === null ? null : compileRewrite(spec, compiledPath, report)
  const split = spec.split === undefined ? null : compileSplit(spec.split, place.branchKeys, report)
  if (compiledPath === null || headers === null || query === null || rewritePath === null) {
    return null
  }
  if (spec.split !== undefined && split === null) return null
  const { slab, from } = literalsOf(compiledPath.texts)
  return {
    // What matching reads stands first, side by side in memory.
    end: compiledPath.end,
    slab,
    from,
    size: Buffer.byteLength(compiledPath.texts[0]),
    predicateCount: (spec.methods === undefined ? 0 : 1) + headers.length + query.length,
    methods: spec.methods === undefined ? null : shared(spec.methods),
    headers,
    query,
    regex: compiledPath.regex,
    texts: compiledPath.texts,
    id: `${place.api}/${place.at}`,
    api: place.api,
    at: place.at,
    match: spec.match ?? 'prefix',
    path: spec.path,
    upstreamKey: place.upstreamKey,
    timeouts: spec.timeouts ?? null,
    bodyBytesMax: spec.bodyBytesMax ?? null,
    split,
    mirror: spec.mirror === undefined ? null : compileMirror(spec.mirror, place.mirrorKey ?? ''),
    recordSample: place.recordSample,
    isHttpsOnly: place.isHttpsOnly,
    plugins: place.plugins,
    errors: place.errors,
    rewritePath,
    priority: spec.priority ?? 0,
    rewritePrefix: spec.rewrite?.prefix ?? null,
  }
}

type CompiledPath = Pick<RouteEntry, 'texts' | 'end' | 'regex'>

function compilePath(spec: RouteSpec, report: Report): CompiledPath | null {
  const { path, match = 'prefix' } = spec
  if (match === 'regex') return compileRegexPath(path, report)
  if (!path.startsWith('/')) {
    report('path', 'must begin with "/"')
    return null
  }
  if (/[?#]/.test(path)) {
    report('path', 'must not contain "?" or "#": a path ends before them; see `query`')
    return null
  }
  if (match === 'template') return compileTemplatePath(path, report)
  const literal = match === 'prefix' ? withoutTrailingSlash(path) : path
  return { texts: [literal], end: ENDS[match], regex: null }
}

const ENDS = { exact: 'end', prefix: 'segment', 'text-prefix': 'rest' } as const

function compileRegexPath(path: string, report: Report): CompiledPath | null {
  const compiled = compileRegex(path)
  if (!compiled.ok) {
    report('path', compiled.reason)
    return null
  }
  const { regex } = compiled
  return { texts: [regex.literal], end: 'expression', regex }
}

function compileTemplatePath(path: string, report: Report): CompiledPath | null {
  const parsed = parseTemplate(path)
  if (!parsed.ok) {
    report('path', parsed.reason)
    return null
  }
  const { texts, end, expression } = parsed.template
  if (expression === null) return { texts, end, regex: null }
  const compiled = compileRegex(expression)
  if (!compiled.ok) {
    report('path', `is too large a template: ${compiled.reason}`)
    return null
  }
  return { texts, end, regex: compiled.regex }
}

function compileRewrite(
  spec: RouteSpec,
  compiled: CompiledPath,
  report: Report,
): RewritePath | null {
  if (spec.rewrite === undefined) return keepPath
  const replacement = asTargetText(spec.rewrite.prefix)
  const { match = 'prefix' } = spec
  switch (match) {
    case 'prefix':
      return replaceSegments(spec.path, replacement)
    case 'text-prefix':
    case 'template':
      return replaceText(compiled.texts[0].length, replacement)
    case 'exact':
      return replaceAll(replacement)
    case 'regex':
      if (compiled.regex?.isAnchored === true) return replaceMatch(compiled.regex, replacement)
      report('rewrite', 'needs an expression that begins with "^", so that there is a prefix')
      return null
    default:
      return unreachable(match)
  }
}

/**
 * The same list for all routes with these methods: one that many routes share is in a cache when it is needed. Bounded,
 * because definitions may name methods that nobody else does.
 */
function shared(methods: readonly string[]): readonly string[] {
  const key = methods.join()
  const known = methodLists.get(key)
  if (known !== undefined) return known
  if (methodLists.size < METHOD_LISTS_MAX) methodLists.set(key, methods)
  return methods
}

const methodLists = new Map<string, readonly string[]>()
