import { ByteScratch } from './bytes.ts'
import type { HostEntry, HostIndex } from './host-index.ts'
import { ANY_HOST } from './hosts.ts'
import { endOfSegment, followNode, type Walk } from './match.ts'
import { routesIn, type PathIndex, type PathValue } from './path-index.ts'
import { childOf, entries, type Tree } from './radix-tree.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'

/** A route that a request comes by: it fits as far as the host and its literal texts say. */
export type Candidate = {
  readonly route: RouteEntry
  /** The host pattern, `*` for any. */
  readonly host: string
  /** How many characters of the path its literal texts and whole segments have taken. */
  readonly at: number
}

/** What `findRoute` asks, in the same order, but on and on: for explaining, not for serving. */
export function* candidatesOf(hosts: HostIndex, walk: Walk): Generator<Candidate> {
  const { request, path } = walk
  const levels: { readonly host: string; readonly paths: PathIndex }[] = []
  for (const { name, entry } of hostsAbove(hosts.named, request.host).reverse()) {
    if (name === request.host) levels.push({ host: name, paths: entry.exact })
    else levels.push({ host: `*.${name}`, paths: entry.below })
    levels.push({ host: `.${name}`, paths: entry.suffix })
  }
  levels.push({ host: ANY_HOST.text, paths: hosts.any })
  for (const { host, paths } of levels) {
    for (const { value, at } of valuesAlong(paths, path, 0).reverse()) {
      const found = candidatesFrom(value, path, at)
      for (const candidate of found.sort((a, b) => compareRoutes(a.route, b.route))) {
        yield { ...candidate, host }
      }
    }
  }
}

/** Every route of a host in the order of trial, whatever the request. */
export function routesOf(paths: PathIndex): RouteEntry[] {
  const routes: RouteEntry[] = []
  for (const [, value] of entries(paths)) {
    routes.push(...routesIn(value), ...(value.end === 'several' ? routesOf(value.wild) : []))
  }
  return routes.sort(compareRoutes)
}

const DOT = 46

type HostStep = { readonly name: string; readonly entry: HostEntry }

/** The host itself and the domains above it that the table knows, shortest first. */
function hostsAbove(named: Tree<HostEntry>, host: string): HostStep[] {
  const steps: HostStep[] = []
  const reversed = new ByteScratch()
  reversed.load(host.split('').reverse().join(''))
  for (const { value, at } of valuesAlong(named, reversed, 0)) {
    if (at < reversed.length && reversed.bytes[at] !== DOT) continue
    steps.push({ name: host.slice(host.length - at), entry: value })
  }
  return steps
}

/** The values at every key that `text` begins with from `from` on, shortest first. */
function valuesAlong<V>(
  tree: Tree<V>,
  text: ByteScratch,
  from: number,
): { readonly value: V; readonly at: number }[] {
  const values: { value: V; at: number }[] = []
  let node = tree
  let at = from
  while (node !== null) {
    at = followNode(node, text, at)
    if (at < 0) break
    if (node.value !== undefined) values.push({ value: node.value, at })
    node = at === text.length ? null : childOf(node, text.bytes[at] ?? 0)
  }
  return values
}

/** Exact paths and templates are left out where the path does not end with them: they would only be noise. */
function candidatesFrom(
  value: PathValue,
  path: ByteScratch,
  at: number,
): { route: RouteEntry; at: number }[] {
  const here = routesIn(value).filter(({ end }) => end !== 'end' || at === path.length)
  const found = here.map((route) => ({ route, at }))
  const end = endOfSegment(path, at)
  if (end === at || value.end !== 'several') return found
  for (const step of valuesAlong(value.wild, path, end)) {
    found.push(...candidatesFrom(step.value, path, step.at))
  }
  return found
}
