import type { StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { without } from './hop-by-hop.ts'
import { rewriteRequest } from './rewrite-request.ts'

/** Decides what the target is asked for: its path, and the fields of the head. */
export function rewriteStage(context: RequestContext): StageResult {
  const { exchange, parts, route } = context
  const { lines: given, requestId } = rewriteRequest(exchange, parts.requestIds)
  const { dropped, added } = context
  const lines = dropped === null ? given + added : without(given, dropped) + added
  context.lines = parts.tracer === null ? lines : parts.tracer.carry(context, lines)
  context.requestId = requestId
  if (exchange.wantsUpgrade && exchange.bodyLength === 0) {
    context.upgrade = passingUpgrade(exchange.header('upgrade') ?? '')
  }
  const path = route === null ? exchange.path : route.rewritePath(exchange.path)
  const query = context.query ?? exchange.query
  context.targetPath = query === '' ? path : `${path}?${query}`
  return undefined
}

/**
 * The protocols of an Upgrade field, if they may be changed to. Not to another HTTP or to TLS: requests in there would reach
 * the target past every check of the gateway.
 */
function passingUpgrade(value: string): string | null {
  const names = value.split(',').map((name) => name.trim().toLowerCase())
  const isPassing = names.every(
    (name) =>
      name !== '' && !name.startsWith('h2') && !name.startsWith('http') && !name.startsWith('tls'),
  )
  return isPassing ? value : null
}
