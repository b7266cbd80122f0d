import type { RequestContext } from '../request-context.ts'
import { readTraceParent } from '../tracing/trace-parent.ts'
import type { Timing } from './timing.ts'

/** A request that is over as one line, with its line end. */
export type RecordFormat = (context: RequestContext, timing: Timing) => string

/** The trace that a request belongs to; null when neither its client nor the gateway says one. */
export function recordedTraceId({ trace, exchange }: RequestContext): string | null {
  return trace?.traceId ?? readTraceParent(exchange.header('traceparent'))?.traceId ?? null
}

/** What programs that read access logs know for a client that went away before its answer was whole. */
const CLIENT_GONE = 499

/** The status that a record tells. */
export function recordedStatus({ status }: RequestContext): number {
  return status === 0 ? CLIENT_GONE : status
}
