import { branchByCondition, branchByWeight } from '../../shared/routing/split.ts'
import { keyOf } from '../../shared/routing/request-key.ts'
import { matchRoute, upstreamOf } from '../../shared/routing/table.ts'
import type { CompiledRoute } from '../../shared/routing/types.ts'
import { BODY_TOO_LARGE, NO_CONFIG, NOT_FOUND, SERVER_OPTIONS, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { hashText } from '../upstream/balance.ts'

/** Finds the route and its upstream in the table of this moment: 404 NOT_FOUND, 503 NO_CONFIG, 413 BODY_TOO_LARGE. */
export function matchStage(context: RequestContext): StageResult {
  const { exchange, parts } = context
  // RFC 9110 9.3.7: the question is about the server, not about anything behind it.
  if (exchange.path === '*') return SERVER_OPTIONS
  if (!parts.current.hasConfig) return NO_CONFIG
  const { table } = parts.current
  const route =
    exchange.method === 'OPTIONS' ? routeOfOptions(context) : matchRoute(table, exchange)
  if (route === null) return NOT_FOUND
  context.route = route
  const { bodyBytesMax } = route
  if (bodyBytesMax !== null) {
    if ((exchange.bodyLength ?? 0) > bodyBytesMax) return BODY_TOO_LARGE
    context.bodyBytesMax = bodyBytesMax
  }
  const key = route.split === null ? route.upstreamKey : branchKey(context, route)
  context.upstream = upstreamOf(table, key) ?? null
  const { mirror } = route
  if (mirror !== null && parts.random.next() < mirror.share * 0x1_0000_0000) {
    context.mirrorUpstream = upstreamOf(table, mirror.upstreamKey) ?? null
  }
  return undefined
}

/**
 * A browser's question before a request (Fetch, CORS-preflight) goes to the route that the request would take, if that one
 * has `cors`, whatever methods it has. Headers that the request will have are not there yet.
 */
function routeOfOptions(context: RequestContext): CompiledRoute | null {
  const { exchange } = context
  const { table } = context.parts.current
  const method = exchange.header('access-control-request-method')
  if (method === undefined || exchange.header('origin') === undefined) {
    return matchRoute(table, exchange)
  }
  const { host, path, query } = exchange
  const header = (name: string): string | undefined => exchange.header(name)
  const route = matchRoute(table, { method, host, path, query, header })
  if (route?.plugins?.cors === undefined) return matchRoute(table, exchange)
  context.isPreflight = true
  return route
}

/** Which branch of a split a request takes: by what it has, or else by weight. */
function branchKey({ exchange, parts }: RequestContext, route: CompiledRoute): string {
  const { split } = route
  if (split === null) return route.upstreamKey
  const byCondition = branchByCondition(split, exchange)
  if (byCondition !== null) return byCondition.upstreamKey
  let drawn = parts.random.next()
  if (split.isKeyed) {
    const key = split.on === null ? undefined : keyOf(split.on, exchange)
    // With the route's name, so that it is not the same clients that try out every canary.
    drawn = hashText(`${route.id} ${key ?? exchange.clientAddress}`)
  }
  return branchByWeight(split, drawn / 0x1_0000_0000)?.upstreamKey ?? route.upstreamKey
}
