import { keyOf } from './bytes.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'
import { update, valueAt, type Edit, type Tree } from './radix-tree.ts'

/** The routes of one host, by the literal text that their paths begin with. */
export type PathIndex = Tree<PathValue>

/** What is known once a path was followed to a literal text: nearly always one route, which then needs no list. */
export type PathValue = RouteEntry | PathEntry

type PathEntry = {
  /** What tells an entry from a route. */
  readonly end: 'several'
  /** Who may change the entry and its list in place. */
  readonly edit: Edit
  /** Routes whose last text ends here, in the order of `compareRoutes`. */
  routes: RouteEntry[]
  /** Templates with a parameter here: what follows it. */
  wild: PathIndex
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
  const changeList = (list: RouteEntry[]): RouteEntry[] => {
    if (list.length === 0) return [route]
    onCompany(route)
    list.splice(placeIn(list, route), 0, route)
    return list
  }
  return changeRoute(index, { route, edit, changeList }, 0)
}

/** The index without a route, which is known by identity. */
export function removeRoute(index: PathIndex, route: RouteEntry, edit: Edit): PathIndex {
  const changeList = (list: RouteEntry[]): RouteEntry[] => {
    const place = placeIn(list, route)
    if (list[place] !== route) return list
    if (list.length === 1) return NO_ROUTES
    list.splice(place, 1)
    return list
  }
  return changeRoute(index, { route, edit, changeList }, 0)
}

/** The routes at the place of `route`: all that take the same paths are among them. */
export function neighboursOf(index: PathIndex, route: RouteEntry): readonly RouteEntry[] {
  let value: PathValue | undefined
  let here = index
  for (const text of route.texts) {
    value = valueAt(here, keyOf(text))
    here = value?.end === 'several' ? value.wild : null
  }
  return value === undefined ? NO_ROUTES : routesIn(value)
}

/** The routes of a place, in order. */
export function routesIn(value: PathValue): readonly RouteEntry[] {
  return value.end === 'several' ? value.routes : [value]
}

type RouteChange = {
  readonly route: RouteEntry
  readonly edit: Edit
  /** May change its argument, and returns what takes its place. */
  readonly changeList: (list: RouteEntry[]) => RouteEntry[]
}

function changeRoute(index: PathIndex, change: RouteChange, level: number): PathIndex {
  const { texts } = change.route
  const isLast = level === texts.length - 1
  const changeValue = (before: PathValue | undefined): PathValue | undefined => {
    const entry = owned(before, change.edit)
    if (isLast) entry.routes = change.changeList(entry.routes)
    else entry.wild = changeRoute(entry.wild, change, level + 1)
    if (entry.wild !== null || entry.routes.length > 1) return entry
    return entry.routes[0]
  }
  return update(index, keyOf(texts[level] ?? ''), changeValue, change.edit)
}

/** Stands for every list without routes; never changed. */
const NO_ROUTES: RouteEntry[] = []

function owned(value: PathValue | undefined, edit: Edit): PathEntry {
  if (value === undefined) return { end: 'several', edit, routes: NO_ROUTES, wild: null }
  if (value.end !== 'several') return { end: 'several', edit, routes: [value], wild: null }
  if (value.edit === edit) return value
  const routes = value.routes.length === 0 ? NO_ROUTES : value.routes.slice()
  return { end: 'several', edit, routes, wild: value.wild }
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
