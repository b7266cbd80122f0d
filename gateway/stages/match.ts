import { matchRoute, upstreamOf } from '../../shared/routing/table.ts'
import { NO_CONFIG, NOT_FOUND, SERVER_OPTIONS, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'

/** Finds the route and its upstream in the table of this moment: 404 NOT_FOUND, 503 NO_CONFIG. */
export function matchStage(context: RequestContext): StageResult {
  const { exchange, parts } = context
  // RFC 9110 9.3.7: the question is about the server, not about anything behind it.
  if (exchange.path === '*') return SERVER_OPTIONS
  if (!parts.current.hasConfig) return NO_CONFIG
  const { table } = parts.current
  const route = matchRoute(table, exchange)
  if (route === null) return NOT_FOUND
  context.route = route
  context.upstream = upstreamOf(table, route.upstreamKey) ?? null
  return undefined
}
