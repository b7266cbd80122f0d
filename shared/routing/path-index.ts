import { ByteScratch, hashOfRange } from './bytes.ts'
import { find, sizeOf, update, valuesOf, type Edit, type HashMap } from './hash-map.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'

// A route is found by the hashes of its literal texts, and then compares its texts itself. So an index need not keep
// texts, and where there is only one route there is no index at all, only the route.

/** The routes of one host, or what follows a parameter. */
export type PathIndex = RouteEntry | PathNode | null

export type PathNode = {
  /** What tells a node from a route. */
  readonly end: 'several'
  /** Who may change the node in place. */
  readonly edit: Edit
  /**
   * By the hash of a text that ends where a segment ends, without a slash there: `/pets` and `/pets/` are one place.
   * All exact paths, prefixes by whole segments, and templates whose parameters are whole segments.
   */
  bounded: HashMap<Place>
  boundedSizes: Sizes
  /** By the hash of a text that may end inside a segment. */
  loose: HashMap<Place>
  looseSizes: Sizes
}

/** The sizes in bytes that texts have, falling, and beside each how many routes have such a text. Owned by its node. */
type Sizes = { readonly values: number[]; readonly routes: number[] }

/** What is known once a text was found: nearly always one route. Texts with the same hash share one. */
export type Place = RouteEntry | PlaceEntry

type PlaceEntry = {
  readonly end: 'several'
  readonly edit: Edit
  /** Routes whose last text ends here, in the order of `compareRoutes`. */
  routes: RouteEntry[]
  /** Templates with a parameter here: what follows it. */
  wild: PathIndex
}

type Change = {
  readonly route: RouteEntry
  readonly edit: Edit
  readonly onCompany: (route: RouteEntry) => void
}

/**
 * The index with one more route, which must not be in it. A route that meets others at its place is told to
 * `onCompany`: only such routes may be unreachable.
 */
export function insertRoute(
  index: PathIndex,
  route: RouteEntry,
  edit: Edit,
  onCompany: (route: RouteEntry) => void,
): PathIndex {
  return insertAt(index, { route, edit, onCompany }, 0)
}

/** The index without a route, which is known by identity. */
export function removeRoute(index: PathIndex, route: RouteEntry, edit: Edit): PathIndex {
  return removeAt(index, { route, edit, onCompany: () => undefined }, 0)
}

/** The routes at the place of `route`: all that take the same paths are among them. */
export function neighboursOf(index: PathIndex, route: RouteEntry): readonly RouteEntry[] {
  let here = index
  for (let level = 0; level < route.texts.length; level++) {
    if (here === null) return []
    if (here.end !== 'several') return [here]
    const { hash, map } = textAt(route, level)
    const place = find(here[map], hash, null)
    if (place === undefined) return []
    if (place.end !== 'several') return [place]
    if (isLast(route, level)) return place.routes
    here = place.wild
  }
  return []
}

/** Every route, in no order that means anything. */
export function* routesIn(index: PathIndex): Generator<RouteEntry> {
  if (index === null) return
  if (index.end !== 'several') {
    yield index
    return
  }
  for (const map of [index.bounded, index.loose]) {
    for (const place of valuesOf(map)) {
      yield* routesAt(place)
      if (place.end === 'several') yield* routesIn(place.wild)
    }
  }
}

/** The routes whose last text ends at a place, in order. */
export function routesAt(place: Place): readonly RouteEntry[] {
  return place.end === 'several' ? place.routes : [place]
}

function insertAt(index: PathIndex, change: Change, level: number): PathIndex {
  if (index === null) return change.route
  if (index.end === 'several') return withRoute(ownedNode(index, change.edit), change, level)
  const node = withRoute(emptyNode(change.edit), { ...change, route: index }, level)
  return withRoute(node, change, level)
}

function withRoute(node: PathNode, change: Change, level: number): PathNode {
  const text = textAt(change.route, level)
  const insert = (before: Place | undefined): Place => insertInPlace(before, change, level)
  node[text.map] = update(node[text.map], { hash: text.hash, isMeant: null }, insert, change.edit)
  count(node[text.sizes], text.bytes, 1)
  return node
}

function insertInPlace(before: Place | undefined, change: Change, level: number): Place {
  if (before === undefined) return change.route
  if (before.end === 'several') return addToPlace(ownedPlace(before, change.edit), change, level)
  const entry: PlaceEntry = { end: 'several', edit: change.edit, routes: [], wild: null }
  return addToPlace(addToPlace(entry, { ...change, route: before }, level), change, level)
}

function addToPlace(entry: PlaceEntry, change: Change, level: number): PlaceEntry {
  const { route } = change
  if (!isLast(route, level)) {
    entry.wild = insertAt(entry.wild, change, level + 1)
    return entry
  }
  if (entry.routes.length > 0) change.onCompany(route)
  entry.routes.splice(placeIn(entry.routes, route), 0, route)
  return entry
}

function removeAt(index: PathIndex, change: Change, level: number): PathIndex {
  if (index === null || index === change.route) return null
  if (index.end !== 'several') return index
  const text = textAt(change.route, level)
  const remove = (before: Place | undefined): Place | undefined =>
    before === undefined ? undefined : removeFromPlace(before, change, level)
  const places = update(index[text.map], { hash: text.hash, isMeant: null }, remove, change.edit)
  const node = ownedNode(index, change.edit)
  node[text.map] = places
  count(node[text.sizes], text.bytes, -1)
  return tidiedNode(node)
}

function removeFromPlace(before: Place, change: Change, level: number): Place | undefined {
  const { route } = change
  if (before.end !== 'several') return before === route ? undefined : before
  const entry = ownedPlace(before, change.edit)
  if (isLast(route, level)) entry.routes = entry.routes.filter((other) => other !== route)
  else entry.wild = removeAt(entry.wild, change, level + 1)
  const { routes, wild } = entry
  if (routes.length === 0 && wild?.end !== 'several') return wild ?? undefined
  return routes.length === 1 && wild === null ? routes[0] : entry
}

/** A node with one route is that route. */
function tidiedNode(node: PathNode): PathIndex {
  if (sizeOf(node.bounded) + sizeOf(node.loose) > 1) return node
  for (const place of valuesOf(node.bounded ?? node.loose)) {
    return place.end === 'several' ? node : place
  }
  return null
}

function emptyNode(edit: Edit): PathNode {
  const [boundedSizes, looseSizes] = [noSizes(), noSizes()]
  return { end: 'several', edit, bounded: null, boundedSizes, loose: null, looseSizes }
}

function ownedNode(node: PathNode, edit: Edit): PathNode {
  if (node.edit === edit) return node
  const [boundedSizes, looseSizes] = [copied(node.boundedSizes), copied(node.looseSizes)]
  return { ...node, edit, boundedSizes, looseSizes }
}

function noSizes(): Sizes {
  return { values: [], routes: [] }
}

function copied({ values, routes }: Sizes): Sizes {
  return { values: values.slice(), routes: routes.slice() }
}

/** Counts a route with a text of that size in, or out. */
function count({ values, routes }: Sizes, bytes: number, more: 1 | -1): void {
  let at = 0
  while ((values[at] ?? -1) > bytes) at++
  if (values[at] !== bytes) {
    values.splice(at, 0, bytes)
    routes.splice(at, 0, 0)
  }
  const after = (routes[at] ?? 0) + more
  routes[at] = after
  if (after > 0) return
  values.splice(at, 1)
  routes.splice(at, 1)
}

function ownedPlace(entry: PlaceEntry, edit: Edit): PlaceEntry {
  return entry.edit === edit ? entry : { ...entry, edit, routes: entry.routes.slice() }
}

function isLast(route: RouteEntry, level: number): boolean {
  return level === route.texts.length - 1
}

type TextPlace = {
  readonly map: 'bounded' | 'loose'
  readonly sizes: 'boundedSizes' | 'looseSizes'
  readonly hash: number
  readonly bytes: number
}

const scratch = new ByteScratch()

/** Where one of a route's texts is looked up. */
function textAt(route: RouteEntry, level: number): TextPlace {
  const text = route.texts[level] ?? ''
  scratch.load(text)
  const { length } = scratch
  const endsAlone = isLast(route, level) && (route.end === 'end' || route.end === 'segment')
  if (endsAlone || text.endsWith('/')) {
    const bytes = text.endsWith('/') ? length - 1 : length
    return { map: 'bounded', sizes: 'boundedSizes', hash: hashOfRange(scratch, 0, bytes), bytes }
  }
  return { map: 'loose', sizes: 'looseSizes', hash: hashOfRange(scratch, 0, length), bytes: length }
}

/** Where a route is in a list, or where it belongs. */
function placeIn(list: readonly RouteEntry[], route: RouteEntry): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = list[middle]
    if (other !== undefined && compareRoutes(other, route) < 0) low = middle + 1
    else high = middle
  }
  return low
}
