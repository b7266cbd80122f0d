import { unreachable } from '../assert.ts'
import { ByteScratch } from './bytes.ts'
import type { HostEntry, HostIndex } from './host-index.ts'
import type { PathIndex, PathValue } from './path-index.ts'
import { childOf, type Node } from './radix-tree.ts'
import { acceptsRequest, compareRoutes, type RouteEntry } from './routes.ts'
import type { RequestView } from './types.ts'

// The way down a tree is a recursion: what lies deeper is more specific and is asked first, and on the way back each
// shorter text gets its turn. Nothing is allocated. Depth is bounded by the texts in the table, never by the request.

/** A request on its way through the trees. */
export type Walk = {
  request: RequestView
  readonly host: ByteScratch
  readonly path: ByteScratch
}

const NOBODY: RequestView = { method: '', host: '', path: '', query: '', header: () => undefined }

/** Used again for each request: matching is synchronous and never nested. */
const walk: Walk = { request: NOBODY, host: new ByteScratch(), path: new ByteScratch() }

const DOT = 46
const SLASH = 47

/** The route that a request takes, or null. More specific hosts first, then more specific paths. */
export function findRoute(hosts: HostIndex, request: RequestView): RouteEntry | null {
  walk.request = request
  walk.path.load(request.path)
  let found: RouteEntry | null = null
  if (hosts.named !== null) {
    walk.host.load(request.host)
    found = findByHost(hosts.named, walk, 0)
  }
  found ??= findByPath(hosts.any, walk)
  walk.request = NOBODY
  return found
}

/** `at`: how many bytes of the host, from its end, were followed to this node. */
function findByHost(node: Node<HostEntry>, walk: Walk, at: number): RouteEntry | null {
  const { bytes, length } = walk.host
  const { label } = node
  const left = length - at - node.size
  if (left < 0) return null
  for (let i = 0; i < label.length; i++) if (bytes[length - 1 - at - i] !== label[i]) return null
  const next = left === 0 ? -1 : (bytes[left - 1] ?? -1)
  const child = childOf(node, next)
  const found = child === null ? null : findByHost(child, walk, length - left)
  if (found !== null) return found

  const entry = node.value
  if (entry === undefined) return null
  if (left === 0) return findByPath(entry.exact, walk) ?? findByPath(entry.suffix, walk)
  if (next !== DOT) return null
  return findByPath(entry.below, walk) ?? findByPath(entry.suffix, walk)
}

function findByPath(paths: PathIndex, walk: Walk): RouteEntry | null {
  return paths === null ? null : findFrom(paths, walk, 0)
}

function findFrom(node: Node<PathValue>, walk: Walk, at: number): RouteEntry | null {
  const end = followNode(node, walk.path, at)
  if (end < 0) return null
  if (end < walk.path.length) {
    const child = childOf(node, walk.path.bytes[end] ?? 0)
    const found = child === null ? null : findFrom(child, walk, end)
    if (found !== null) return found
  }
  return node.value === undefined ? null : bestAt(node.value, walk, end, null)
}

/**
 * Where a text goes on behind the node's label, or -1 when it does not follow it. The first byte is what led to the
 * node, but for a root.
 */
export function followNode(node: Node<unknown>, text: ByteScratch, at: number): number {
  const { bytes } = text
  const end = at + node.size
  if (end > text.length) return -1
  if (node.size === 1 && at > 0) return end
  const { label } = node
  for (let i = 0; i < label.length; i++) if (bytes[at + i] !== label[i]) return -1
  return end
}

/** Where the segment that `at` is in ends. */
export function endOfSegment({ bytes, length }: ByteScratch, at: number): number {
  let end = at
  while (end < length && bytes[end] !== SLASH) end++
  return end
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

/** The first in order of `best` and the routes that take the request from this place on. */
function bestAt(
  value: PathValue,
  walk: Walk,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  if (value.end !== 'several') return better(value, walk, at, best)
  let first = best
  for (const route of value.routes) {
    first = better(route, walk, at, best)
    // The next ones come later in the order.
    if (first !== best) break
  }
  if (value.wild === null) return first
  const end = endOfSegment(walk.path, at)
  return end === at ? first : bestBelow(value.wild, walk, end, first)
}

/** The route, if it comes before `best` and takes the request; otherwise `best`. */
function better(
  route: RouteEntry,
  walk: Walk,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  if (best !== null && compareRoutes(best, route) < 0) return best
  return acceptsRest(route, walk, at) && acceptsRequest(route, walk.request) ? route : best
}

/** Behind a parameter every text that the path follows counts, not only the longest. */
function bestBelow(
  node: Node<PathValue>,
  walk: Walk,
  at: number,
  best: RouteEntry | null,
): RouteEntry | null {
  const end = followNode(node, walk.path, at)
  if (end < 0) return best
  const first = node.value === undefined ? best : bestAt(node.value, walk, end, best)
  if (end === walk.path.length) return first
  const child = childOf(node, walk.path.bytes[end] ?? 0)
  return child === null ? first : bestBelow(child, walk, end, first)
}
