import type { HostEntry, HostIndex } from './host-index.ts'
import type { PathEntry, PathIndex } from './path-index.ts'
import { childOf, type Node } from './radix-tree.ts'
import { acceptsRequest, acceptsRest, compareRoutes, type RouteEntry } from './routes.ts'
import type { RequestView } from './types.ts'

// The way down a tree is a recursion: what lies deeper is more specific and is asked first, and on the way back each
// shorter text gets its turn. Nothing is allocated. Depth is bounded by the texts in the table, never by the request.

/** The route that a request takes, or null. More specific hosts first, then more specific paths. */
export function findRoute(hosts: HostIndex, request: RequestView): RouteEntry | null {
  const found = hosts.named === null ? null : findByHost(hosts.named, request, 0)
  return found ?? findByPath(hosts.any, request)
}

const DOT = 46

/** `at`: how many characters of the host, from its end, were followed to this node. */
function findByHost(node: Node<HostEntry>, request: RequestView, at: number): RouteEntry | null {
  const { host } = request
  const { label } = node
  const left = host.length - at - label.length
  if (left < 0) return null
  for (let i = 0; i < label.length; i++) {
    if (host.charCodeAt(host.length - 1 - at - i) !== label.charCodeAt(i)) return null
  }
  if (left > 0) {
    const child = childOf(node, host.charCodeAt(left - 1))
    const found = child === null ? null : findByHost(child, request, host.length - left)
    if (found !== null) return found
  }
  const entry = node.value
  if (entry === undefined) return null
  if (left === 0) return findByPath(entry.exact, request) ?? findByPath(entry.suffix, request)
  if (host.charCodeAt(left - 1) !== DOT) return null
  return findByPath(entry.below, request) ?? findByPath(entry.suffix, request)
}

function findByPath(paths: PathIndex, request: RequestView): RouteEntry | null {
  return paths === null ? null : findFrom(paths, request, 0)
}

function findFrom(node: Node<PathEntry>, request: RequestView, at: number): RouteEntry | null {
  const { path } = request
  const end = followLabel(node.label, path, at)
  if (end < 0) return null
  if (end < path.length) {
    const child = childOf(node, path.charCodeAt(end))
    const found = child === null ? null : findFrom(child, request, end)
    if (found !== null) return found
  }
  return node.value === undefined ? null : findInEntry(node.value, request, end)
}

/** Where the path goes on behind the label, or -1 when it does not follow it. */
export function followLabel(label: string, path: string, at: number): number {
  const end = at + label.length
  if (end > path.length) return -1
  for (let i = 0; i < label.length; i++) {
    if (path.charCodeAt(at + i) !== label.charCodeAt(i)) return -1
  }
  return end
}

/** Where the segment that `at` is in ends. */
export function endOfSegment(path: string, at: number): number {
  const slash = path.indexOf('/', at)
  return slash < 0 ? path.length : slash
}

function findInEntry(entry: PathEntry, request: RequestView, at: number): RouteEntry | null {
  if (at === request.path.length) {
    for (const route of entry.exact) if (acceptsRequest(route, request)) return route
  }
  const template = bestTemplate(entry, request, at, null)
  if (template !== null) return template
  for (const route of entry.loose) {
    if (acceptsRest(route, request.path, at) && acceptsRequest(route, request)) return route
  }
  return null
}

/** The first in order of `best` and the templates that take the request from this entry on. */
function bestTemplate(
  entry: PathEntry,
  request: RequestView,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  const { path } = request
  let first = best
  if (at === path.length) first = firstOf(entry.ends, request, at, first)
  first = firstOf(entry.open, request, at, first)
  if (entry.wild === null) return first
  const end = endOfSegment(path, at)
  return end === at ? first : bestTemplateBelow(entry.wild, request, end, first)
}

/** Behind a parameter every text that the path follows counts, not only the longest. */
function bestTemplateBelow(
  node: Node<PathEntry>,
  request: RequestView,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  const end = followLabel(node.label, request.path, at)
  if (end < 0) return best
  let first = best
  if (node.value !== undefined) first = bestTemplate(node.value, request, end, first)
  if (end === request.path.length) return first
  const child = childOf(node, request.path.charCodeAt(end))
  return child === null ? first : bestTemplateBelow(child, request, end, first)
}

function firstOf(
  routes: readonly RouteEntry[],
  request: RequestView,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  for (const route of routes) {
    if (best !== null && compareRoutes(best, route) < 0) return best
    if (acceptsRest(route, request.path, at) && acceptsRequest(route, request)) return route
  }
  return best
}
