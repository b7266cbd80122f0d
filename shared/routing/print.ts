import { allUpstreams, pendingOf, type RoutingTable } from './draft.ts'
import { hostsOf } from './host-index.ts'
import { printPattern, type Predicate } from './predicates.ts'
import { routesIn } from './path-index.ts'
import { compareRoutes, type RouteEntry } from './routes.ts'
import { describeSplit } from './split.ts'
import type { CompiledStream } from './streams.ts'
import type { CompiledUpstream } from './types.ts'

/** The whole table as text, for golden files and people: hosts, their routes in the order of trial, upstreams. */
export function printTable(table: RoutingTable): string {
  const lines = [`${table.routeCount} routes of ${table.definitionCount} definitions`]
  for (const [host, paths] of hostsOf(table.hosts)) {
    lines.push('', `host ${host.text}`)
    for (const route of [...routesIn(paths)].sort(compareRoutes))
      lines.push(`  ${printRoute(route)}`)
  }
  const streams = [...table.streams.values()].toSorted(byPortAndName)
  if (streams.length > 0)
    lines.push('', 'streams', ...streams.map((each) => `  ${printStream(each)}`))
  const upstreams = allUpstreams(table).map((upstream) => `  ${printUpstream(upstream)}`)
  if (upstreams.length > 0) lines.push('', 'upstreams', ...upstreams)
  if (table.pending !== null) lines.push('', 'quarantined')
  for (const { key, reason } of pendingOf(table)) lines.push(`  ${key}: ${reason}`)
  return `${lines.join('\n')}\n`
}

function byPortAndName(a: CompiledStream, b: CompiledStream): number {
  return a.port - b.port || (a.name < b.name ? -1 : 1)
}

function printStream({ name, port, hosts, upstreamKey, ...options }: CompiledStream): string {
  const parts = [`port ${port} ${hosts.map(({ text }) => text).join(',')}`]
  if (options.acceptsProxyProtocol) parts.push('takes PROXY')
  if (options.proxyProtocol !== 'none') parts.push(`sends PROXY ${options.proxyProtocol}`)
  return `${parts.join(' | ')} -> ${upstreamKey} (${name}); idle ${options.idleMs} ms`
}

function printRoute(route: RouteEntry): string {
  const parts = [`${route.match} ${route.path}`]
  if (route.methods !== null) parts.push(route.methods.join(','))
  parts.push(...route.headers.map((predicate) => printPredicate('header', predicate)))
  parts.push(...route.query.map((predicate) => printPredicate('query', predicate)))
  if (route.priority !== 0) parts.push(`priority ${route.priority}`)
  if (route.rewritePrefix !== null) parts.push(`rewrite ${route.rewritePrefix}`)
  return `${parts.join(' | ')} -> ${goesTo(route)} (${route.id})`
}

function goesTo({ upstreamKey, split, mirror }: RouteEntry): string {
  const upstreams = split === null ? upstreamKey : describeSplit(split)
  return mirror === null ? upstreams : `${upstreams}, mirror ${mirror.upstreamKey}`
}

function printPredicate(what: string, { name, pattern }: Predicate): string {
  return `${what} ${name}${printPattern(pattern)}`
}

function printUpstream(upstream: CompiledUpstream): string {
  const targets = upstream.targets.map(({ origin, weight }) => `${origin} x${weight}`)
  const { connectMs, firstByteMs, idleMs, retries } = upstream
  const limits = `connect ${connectMs}, first byte ${firstByteMs}, idle ${idleMs} ms, retries ${retries}`
  return `${upstream.key}: ${upstream.balance} of ${targets.join(', ')}; ${limits}`
}
