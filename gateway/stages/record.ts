import type { RequestContext } from '../request-context.ts'

/** Counts a request that is over, however it ended. Once a request. */
export function record(context: RequestContext): void {
  const { parts, status, requestBytes, responseBytes } = context
  parts.metrics.requestEnded({
    status,
    durationMs: parts.now() - context.startedAtMs,
    requestBytes,
    responseBytes,
  })
}
