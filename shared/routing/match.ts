import { unreachable } from '../assert.ts'
import { HOST_MEMO_MAX } from '../limits.ts'
import { ByteScratch, endOfLiterals, endOfSegment, hashOfRange } from './bytes.ts'
import type { RoutingTable } from './draft.ts'
import { find } from './hash-map.ts'
import { levelsOf, type HostIndex } from './host-index.ts'
import type { PathIndex, PathNode, Place } from './path-index.ts'
import { acceptsRequest, compareRoutes, type RouteEntry } from './routes.ts'
import type { RequestView } from './types.ts'

// The beginnings of a path that have the size of a text in the table are looked up by their hashes, the longest first,
// because what is longer is more specific. The number of looks is bounded by the texts in the table, never by the
// request. Nothing is allocated but for a host that is new to the table.

/** A request on its way through the table. */
export type Walk = {
  request: RequestView
  readonly path: ByteScratch
}

const NOBODY: RequestView = { method: '', host: '', path: '', query: '', header: () => undefined }

/** A walk for a request, whose path is loaded. */
export function walkOf(request: RequestView): Walk {
  const path = new ByteScratch()
  path.load(request.path)
  return { request, path }
}

/** Used again for each request: matching is synchronous and never nested. */
const walk = walkOf(NOBODY)

const SLASH = 47

/** The route that a request takes, or null. More specific hosts first, then more specific paths. */
export function findRoute(
  { hosts, hostMemo }: Pick<RoutingTable, 'hosts' | 'hostMemo'>,
  request: RequestView,
): RouteEntry | null {
  walk.request = request
  walk.path.load(request.path)
  const found =
    hosts.named === null ? bestIn(hosts.any, walk, 0, null) : findByHost(hosts, hostMemo)
  walk.request = NOBODY
  return found
}

function findByHost(hosts: HostIndex, memo: RoutingTable['hostMemo']): RouteEntry | null {
  const { host } = walk.request
  for (const paths of memo.get(host) ?? resolved(hosts, memo, host)) {
    const found = bestIn(paths, walk, 0, null)
    if (found !== null) return found
  }
  return null
}

/** The routes to ask for a host, remembered while there is room. */
function resolved(
  hosts: HostIndex,
  memo: RoutingTable['hostMemo'],
  host: string,
): readonly PathIndex[] {
  const levels = levelsOf(hosts, host).map(({ paths }) => paths)
  // A copy, because the host may be a piece of a whole request, which it would keep alive.
  if (memo.size < HOST_MEMO_MAX) memo.set(Buffer.from(host).toString(), levels)
  return levels
}

/** The first in order of `best` and the routes of an index whose texts go on at `start`. */
function bestIn(
  index: PathIndex,
  walk: Walk,
  start: number,
  best: RouteEntry | null,
): RouteEntry | null {
  if (index === null) return best
  if (index.end !== 'several') return better(index, walk, best)
  const first = bestBounded(index, walk, start, best)
  return index.loose === null ? first : bestLoose(index, walk, start, first)
}

function bestBounded(
  { bounded, boundedSizes }: PathNode,
  walk: Walk,
  start: number,
  best: RouteEntry | null,
): RouteEntry | null {
  const { path } = walk
  let first = best
  for (const size of boundedSizes.values) {
    const end = start + size
    if (end > path.length || (end < path.length && path.bytes[end] !== SLASH)) continue
    if (isBeyond(first, start, end)) break
    const place = find(bounded, hashOfRange(path, start, end), null)
    if (place !== undefined) first = bestAt(place, walk, end + 1, first)
  }
  return first
}

function bestLoose(
  { loose, looseSizes }: PathNode,
  walk: Walk,
  start: number,
  best: RouteEntry | null,
): RouteEntry | null {
  const { path } = walk
  let first = best
  for (const size of looseSizes.values) {
    const end = start + size
    if (end > path.length) continue
    if (isBeyond(first, start, end)) break
    const place = find(loose, hashOfRange(path, start, end), null)
    if (place !== undefined) first = bestAt(place, walk, end, first)
  }
  return first
}

/**
 * Whether `first` has a longer first text than any other route whose beginning is no longer than `at`, and so comes
 * before it. Behind a parameter, which is where `start` is not 0, all have the same first text, and every one counts.
 */
function isBeyond(first: RouteEntry | null, start: number, at: number): boolean {
  return start === 0 && first !== null && first.size > at
}

/** The first in order of `best` and the routes of a place behind which a parameter would begin at `at`. */
function bestAt(place: Place, walk: Walk, at: number, best: RouteEntry | null): RouteEntry | null {
  if (place.end !== 'several') return better(place, walk, best)
  let first = best
  for (const route of place.routes) {
    first = better(route, walk, best)
    // The next ones come later in the order.
    if (first !== best) break
  }
  if (place.wild === null) return first
  const end = endOfSegment(walk.path, at)
  return end === at ? first : bestIn(place.wild, walk, end, first)
}

/** The route, if it comes before `best` and takes the request; otherwise `best`. */
function better(route: RouteEntry, walk: Walk, best: RouteEntry | null): RouteEntry | null {
  if (best !== null && compareRoutes(best, route) < 0) return best
  const at = endOfLiterals(route, walk.path)
  if (at < 0 || !acceptsRest(route, walk, at)) return best
  return acceptsRequest(route, walk.request) ? route : best
}

/** Whether a route takes the path, whose literal texts up to `at` are known to fit. */
export function acceptsRest(route: RouteEntry, walk: Walk, at: number): boolean {
  switch (route.end) {
    case 'end':
      return at === walk.path.length
    case 'segment':
      return at === walk.path.length || walk.path.bytes[at] === SLASH
    case 'rest':
      return true
    case 'expression':
      return route.regex?.test(walk.request.path) ?? false
    default:
      return unreachable(route.end)
  }
}
