/** What `traceparent` tells (W3C Trace Context): the trace, the span that asked, and whether it is recorded. */
export type TraceParent = {
  /** 32 lower-case hex digits, not all 0. */
  readonly traceId: string
  /** 16 lower-case hex digits, not all 0. */
  readonly spanId: string
  readonly isSampled: boolean
}

// Later versions may have more behind the flags (W3C Trace Context 3.2.4); ff is none.
const SHAPE =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Null for what is no traceparent, or more than one: a trace then begins here. */
export function readTraceParent(value: string | undefined): TraceParent | null {
  const parts = value === undefined ? null : SHAPE.exec(value)
  if (parts === null) return null
  const [, version = '', traceId = '', spanId = '', flags = '', rest] = parts
  if (version === '00' && rest !== undefined) return null
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** The value of a `traceparent` field, in version 00. */
export function traceParentText({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}
