import type { StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { rewriteRequest } from './rewrite-request.ts'

/** Decides what the target is asked for: its path, and the fields of the head. */
export function rewriteStage(context: RequestContext): StageResult {
  const { exchange, parts, route } = context
  const { lines, requestId } = rewriteRequest(exchange, parts.requestIds)
  context.lines = parts.tracer === null ? lines : parts.tracer.carry(context, lines)
  context.requestId = requestId
  if (exchange.wantsUpgrade && exchange.bodyLength === 0) {
    context.upgrade = passingUpgrade(exchange.header('upgrade') ?? '')
  }
  const path = route === null ? exchange.path : route.rewritePath(exchange.path)
  context.targetPath = exchange.query === '' ? path : `${path}?${exchange.query}`
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
