import type { Literals } from './bytes.ts'
import type { CompiledRoute, RequestView } from './types.ts'
import { coversPattern, matchesAnyValue, matchesPattern, type Predicate } from './predicates.ts'
import { queryValues } from './query-parameters.ts'
import type { Regex } from './regex.ts'
import type { Match } from '../definitions/api.ts'

/** A compiled route with what matching and ordering need. Immutable; survives changes that do not touch it. */
export type RouteEntry = CompiledRoute &
  Literals & {
    /** How many bytes the first of `texts` has. */
    readonly size: number
    /** Literal texts with one whole segment between each two: one unless `match` is `template`. */
    readonly texts: readonly [string, ...string[]]
    /**
     * What may follow the texts: nothing, nothing or further segments, anything, or what `regex` says of the whole path.
     */
    readonly end: 'end' | 'segment' | 'rest' | 'expression'
    /** Of a regex route, or of a template that the index cannot walk; not null when `end` is `expression`. */
    readonly regex: Regex | null
    /** Null: every method. */
    readonly methods: readonly string[] | null
    readonly headers: readonly Predicate[]
    readonly query: readonly Predicate[]
    /** Methods count one, each header one, each query parameter one. */
    readonly predicateCount: number
    readonly priority: number
    readonly rewritePrefix: string | null
  }

const MATCH_RANK: Readonly<Record<Match, number>> = {
  exact: 0,
  template: 1,
  regex: 2,
  prefix: 3,
  'text-prefix': 4,
}

/**
 * The order in which routes of one host are tried: negative when `a` comes first. Total for routes of one table:
 * an Api's name and the place in it decide in the end, load order never does.
 */
export function compareRoutes(a: RouteEntry, b: RouteEntry): number {
  return (
    b.texts[0].length - a.texts[0].length ||
    MATCH_RANK[a.match] - MATCH_RANK[b.match] ||
    b.predicateCount - a.predicateCount ||
    b.priority - a.priority ||
    compareText(a.api, b.api) ||
    a.at - b.at
  )
}

/** By code unit, so that the order is the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Why `winner` comes before `loser` on one host, in a few words: the first difference of `compareRoutes`. */
export function explainOrder(winner: RouteEntry, loser: RouteEntry): string {
  if (winner.texts[0].length !== loser.texts[0].length) {
    return `less specific: a literal prefix of ${loser.texts[0].length} characters, not ${winner.texts[0].length}`
  }
  if (winner.match !== loser.match) return `less specific: ${loser.match} after ${winner.match}`
  if (winner.predicateCount !== loser.predicateCount) {
    return `less specific: ${loser.predicateCount} predicates, not ${winner.predicateCount}`
  }
  if (winner.priority !== loser.priority) {
    return `priority ${loser.priority} is below ${winner.priority}`
  }
  if (winner.api !== loser.api) return `equally specific, and "${winner.api}" comes first by name`
  return `equally specific, and route ${winner.at} comes first in the Api`
}

/** Whether the request has the method, headers and query parameters that the route asks for. */
export function acceptsRequest(route: RouteEntry, request: RequestView): boolean {
  if (route.predicateCount === 0) return true
  if (route.methods !== null && !route.methods.includes(request.method)) return false
  for (const { name, pattern } of route.headers) {
    if (!matchesPattern(pattern, request.header(name))) return false
  }
  for (const { name, pattern } of route.query) {
    if (!matchesAnyValue(pattern, queryValues(request.query, name))) return false
  }
  return true
}

/** Whether `later`, on one host, only ever sees what `first` has already taken. */
export function takesAllOf(first: RouteEntry, later: RouteEntry): boolean {
  if (!takeSamePaths(first, later) || compareRoutes(first, later) >= 0) return false
  return (
    coversMethods(first.methods, later.methods) &&
    coversAll(first.headers, later.headers) &&
    coversAll(first.query, later.query)
  )
}

/** As far as it can be told from the outside; names of parameters in templates do not matter. */
function takeSamePaths(a: RouteEntry, b: RouteEntry): boolean {
  return (
    a.match === b.match &&
    a.end === b.end &&
    a.regex?.source === b.regex?.source &&
    a.texts.length === b.texts.length &&
    a.texts.every((text, at) => text === b.texts[at])
  )
}

function coversMethods(wide: readonly string[] | null, narrow: readonly string[] | null): boolean {
  if (wide === null) return true
  return narrow !== null && narrow.every((method) => wide.includes(method))
}

function coversAll(wide: readonly Predicate[], narrow: readonly Predicate[]): boolean {
  return wide.every((predicate) =>
    narrow.some(
      (other) => other.name === predicate.name && coversPattern(predicate.pattern, other.pattern),
    ),
  )
}
