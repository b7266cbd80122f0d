import { keyOf } from './bytes.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'
import { update, valueAt, type Edit, type Tree } from './radix-tree.ts'

/** The routes of one host, by the literal text that their paths begin with. */
export type PathIndex = Tree<PathEntry>

/**
 * What is known once a path was followed to a literal text. Each list is in the order of `compareRoutes`. Routes that
 * differ only in their predicates share an entry.
 */
export type PathEntry = {
  /** Who may change the entry and its lists in place. */
  readonly edit: Edit
  /** Exact paths that end here. */
  exact: RouteEntry[]
  /** Templates that end here. */
  ends: RouteEntry[]
  /** Templates whose rest, or whose expression, decides from here on. */
  open: RouteEntry[]
  /** Regular expressions, prefixes and text prefixes. */
  loose: RouteEntry[]
  /** Templates with a parameter here: what follows it. */
  wild: PathIndex
}

export type RouteList = 'exact' | 'ends' | 'open' | 'loose'

/** The index with one more route, which must not be in it. */
export function insertRoute(index: PathIndex, route: RouteEntry, edit: Edit): PathIndex {
  return changeRoute(index, { route, edit, changeList: insertSorted }, 0)
}

/** The index without a route, which is known by identity. */
export function removeRoute(index: PathIndex, route: RouteEntry, edit: Edit): PathIndex {
  return changeRoute(index, { route, edit, changeList: removeSorted }, 0)
}

/** The routes that stand in the same list as `route`: those with its shape are among them. */
export function neighboursOf(index: PathIndex, route: RouteEntry): readonly RouteEntry[] {
  let entry: PathEntry | undefined
  let here = index
  for (const text of route.texts) {
    entry = valueAt(here, keyOf(text))
    here = entry?.wild ?? null
  }
  return entry?.[listOf(route)] ?? NO_ROUTES
}

type RouteChange = {
  readonly route: RouteEntry
  readonly edit: Edit
  readonly changeList: (list: RouteEntry[], route: RouteEntry) => RouteEntry[]
}

function changeRoute(index: PathIndex, change: RouteChange, level: number): PathIndex {
  const { route, edit } = change
  const isLast = level === route.texts.length - 1
  const changeEntry = (before: PathEntry | undefined): PathEntry | undefined => {
    const entry = owned(before, edit)
    if (isLast) {
      const list = listOf(route)
      entry[list] = change.changeList(entry[list], route)
    } else entry.wild = changeRoute(entry.wild, change, level + 1)
    return isEmpty(entry) ? undefined : entry
  }
  return update(index, keyOf(route.texts[level] ?? ''), changeEntry, edit)
}

function listOf(route: RouteEntry): RouteList {
  if (route.end === 'loose') return 'loose'
  if (route.end === 'end') return route.match === 'exact' ? 'exact' : 'ends'
  return 'open'
}

/** Stands for every list without routes; never changed. */
const NO_ROUTES: RouteEntry[] = []

function owned(entry: PathEntry | undefined, edit: Edit): PathEntry {
  if (entry === undefined) {
    const none = NO_ROUTES
    return { edit, exact: none, ends: none, open: none, loose: none, wild: null }
  }
  if (entry.edit === edit) return entry
  return {
    edit,
    exact: copied(entry.exact),
    ends: copied(entry.ends),
    open: copied(entry.open),
    loose: copied(entry.loose),
    wild: entry.wild,
  }
}

function copied(list: RouteEntry[]): RouteEntry[] {
  return list.length === 0 ? NO_ROUTES : list.slice()
}

function isEmpty({ exact, ends, open, loose, wild }: PathEntry): boolean {
  return exact.length + ends.length + open.length + loose.length === 0 && wild === null
}

function insertSorted(list: RouteEntry[], route: RouteEntry): RouteEntry[] {
  if (list.length === 0) return [route]
  list.splice(placeIn(list, route), 0, route)
  return list
}

function removeSorted(list: RouteEntry[], route: RouteEntry): RouteEntry[] {
  const place = placeIn(list, route)
  if (list[place] !== route) return list
  if (list.length === 1) return NO_ROUTES
  list.splice(place, 1)
  return list
}

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
