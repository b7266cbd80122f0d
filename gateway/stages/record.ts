import type { RequestContext } from '../request-context.ts'

/** Counts a request that is over, however it ended, and writes it down. Once a request. */
export function record(context: RequestContext): void {
  const { parts, route, status, requestBytes, responseBytes } = context
  const durationMs = parts.now() - context.startedAtMs
  parts.metrics.requestEnded({
    route: route === null ? null : route.id,
    status,
    durationMs,
    requestBytes,
    responseBytes,
  })
  parts.records?.add(context, durationMs)
  parts.tracer?.ended(context, durationMs)
  context.over()
}
