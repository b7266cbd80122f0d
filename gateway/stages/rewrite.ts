import type { StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { rewriteRequestHeaders } from './rewrite-request.ts'

/** Decides what the target is asked for: its path, and the fields of the head. */
export function rewriteStage(context: RequestContext): StageResult {
  const { exchange, parts, route } = context
  const { headers, requestId } = rewriteRequestHeaders(exchange, parts.requestIds)
  context.headers = headers
  context.requestId = requestId
  const path = route === null ? exchange.path : route.rewritePath(exchange.path)
  context.targetPath = exchange.query === '' ? path : `${path}?${exchange.query}`
  return undefined
}
