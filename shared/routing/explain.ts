import { EXPLAIN_CANDIDATES_MAX } from '../limits.ts'
import { candidatesOf, type Candidate } from './candidates.ts'
import type { RoutingTable } from './draft.ts'
import { acceptsRest, walkOf, type Walk } from './match.ts'
import { explainPattern, matchesAnyValue, matchesPattern } from './predicates.ts'
import { queryValues } from './query-parameters.ts'
import { explainOrder, type RouteEntry } from './routes.ts'
import { branchByCondition, describeSplit } from './split.ts'
import type { ExplainedCandidate, Explanation, RequestView } from './types.ts'

/**
 * The decision of `matchRoute` for a request: the route, and why the candidates before and after it lost, in the
 * order in which they are tried. Candidates are routes whose host and literal texts fit; at most
 * EXPLAIN_CANDIDATES_MAX losers are listed.
 */
export function explain(table: RoutingTable, request: RequestView): Explanation {
  let matched: Candidate | null = null
  const losers: ExplainedCandidate[] = []
  const walk = walkOf(request)
  for (const candidate of candidatesOf(table.hosts, walk)) {
    const reason = whyNot(candidate, walk)
    if (reason === null && matched === null) matched = candidate
    else if (losers.length < EXPLAIN_CANDIDATES_MAX) {
      losers.push(described(candidate, reason ?? whyLater(matched, candidate)))
    }
    if (matched !== null && losers.length >= EXPLAIN_CANDIDATES_MAX) break
  }
  if (matched === null) return { matched, candidates: losers }
  const { route } = matched
  const targetPath = route.rewritePath(request.path)
  return {
    matched: { ...described(matched, ''), upstream: upstreamFor(route, request), targetPath },
    candidates: losers,
  }
}

/** The upstream, or of several the one whose conditions the request fulfils, or all of them with their weights. */
function upstreamFor({ upstreamKey, split }: RouteEntry, request: RequestView): string {
  if (split === null) return upstreamKey
  return branchByCondition(split, request)?.upstreamKey ?? describeSplit(split)
}

function described({ route, host }: Candidate, reason: string): ExplainedCandidate {
  return { api: route.api, route: route.at, host, match: route.match, path: route.path, reason }
}

/** Null when the candidate takes the request. */
function whyNot({ route, at }: Candidate, walk: Walk): string | null {
  const { request } = walk
  if (!acceptsRest(route, walk, at)) return `path ${request.path} does not match`
  if (route.methods !== null && !route.methods.includes(request.method)) {
    return `method ${request.method} is not ${route.methods.join(' or ')}`
  }
  return whyNotHeaders(route, request) ?? whyNotQuery(route, request)
}

function whyNotHeaders(route: RouteEntry, request: RequestView): string | null {
  for (const { name, pattern } of route.headers) {
    const value = request.header(name)
    if (matchesPattern(pattern, value)) continue
    return `header ${name} ${explainPattern(pattern, value === undefined ? [] : [value])}`
  }
  return null
}

function whyNotQuery(route: RouteEntry, request: RequestView): string | null {
  for (const { name, pattern } of route.query) {
    const values = queryValues(request.query, name)
    if (matchesAnyValue(pattern, values)) continue
    return `query parameter ${name} ${explainPattern(pattern, values)}`
  }
  return null
}

function whyLater(matched: Candidate | null, candidate: Candidate): string {
  if (matched === null) return ''
  if (matched.host !== candidate.host) {
    return `less specific: host ${candidate.host} after ${matched.host}`
  }
  return explainOrder(matched.route, candidate.route)
}
