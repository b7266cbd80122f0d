import type { RequestContext } from '../request-context.ts'

/** Counts a request that is over, however it ended, and writes it down. Once a request. */
export function record(context: RequestContext): void {
  const { parts, status, requestBytes, responseBytes } = context
  const durationMs = parts.now() - context.startedAtMs
  parts.metrics.requestEnded({ status, durationMs, requestBytes, responseBytes })
  parts.records?.add(context, durationMs)
}
