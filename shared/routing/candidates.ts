import { PATH_CHARS_MAX } from '../limits.ts'
import { endOfLiterals, endOfSegment, hashOfRange } from './bytes.ts'
import { find } from './hash-map.ts'
import { levelsOf, type HostIndex } from './host-index.ts'
import type { Walk } from './match.ts'
import { routesAt, type PathIndex, type Place } from './path-index.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'

/** A route that a request comes by: it fits as far as the host and its literal texts say. */
export type Candidate = {
  readonly route: RouteEntry
  /** The host pattern, `*` for any. */
  readonly host: string
  /** How many bytes of the path its literal texts and whole segments have taken. */
  readonly at: number
}

/** What `findRoute` asks, in the same order, but on and on: for explaining, not for serving. */
export function* candidatesOf(hosts: HostIndex, walk: Walk): Generator<Candidate> {
  for (const { host, paths } of levelsOf(hosts, walk.request.host)) {
    const routes = new Set(routesAlong(paths, walk, 0))
    for (const route of [...routes].sort(compareRoutes)) {
      const at = endOfLiterals(route, walk.path)
      // Exact paths and templates are left out where the path does not end with them: they would only be noise.
      const isNoise = at < 0 || (route.end === 'end' && at < walk.path.length)
      if (!isNoise) yield { route, host, at }
    }
  }
}

/** Every route that may have a text wherever the path can end one, whether or not a segment ends there too. */
function* routesAlong(index: PathIndex, walk: Walk, start: number): Generator<RouteEntry> {
  if (index === null) return
  if (index.end !== 'several') {
    yield index
    return
  }
  const end = Math.min(walk.path.length, start + TEXT_BYTES_MAX)
  for (let at = start; at <= end; at++) {
    const hash = hashOfRange(walk.path, start, at)
    yield* routesFrom(find(index.bounded, hash, null), walk, at + 1)
    yield* routesFrom(find(index.loose, hash, null), walk, at)
  }
}

/** A code unit becomes at most three bytes. */
const TEXT_BYTES_MAX = 3 * PATH_CHARS_MAX

function* routesFrom(place: Place | undefined, walk: Walk, at: number): Generator<RouteEntry> {
  if (place === undefined) return
  yield* routesAt(place)
  const end = endOfSegment(walk.path, at)
  if (end > at && place.end === 'several') yield* routesAlong(place.wild, walk, end)
}
