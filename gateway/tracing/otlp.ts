import { VERSION } from '../../shared/version.ts'
import type { RequestContext } from '../request-context.ts'

/** The place of a request in its trace. */
export type Trace = {
  readonly traceId: string
  /** Span of the client's side; null when the trace begins here. */
  readonly parentId: string | null
  /** From the head of the request to the end of the answer. */
  readonly serverId: string
  /** Asking a target. */
  readonly clientId: string
  readonly isSampled: boolean
  /** `tracestate`, passed on as it came; empty when there is none. */
  readonly state: string
}

type Value = { readonly stringValue: string } | { readonly intValue: string }
type Attribute = { readonly key: string; readonly value: Value }

/** A span as OTLP has it in JSON: ids in hex, moments as decimal text of nanoseconds. */
export type OtlpSpan = {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly name: string
  /** 2 server, 3 client. */
  readonly kind: 2 | 3
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status: { readonly code?: 2; readonly message?: string }
}

/** When things happened, in milliseconds since 1970. */
export type SpanTimes = {
  readonly startedAtMs: number
  readonly attemptedAtMs: number
  readonly endedAtMs: number
}

/** The spans of a request that is over: the gateway's own, and that of its target if one was asked. */
export function spansOf(
  context: RequestContext,
  trace: Trace,
  times: SpanTimes,
): readonly OtlpSpan[] {
  const { exchange, route, status, code, target, attempts } = context
  const { traceId, parentId, serverId, clientId, state } = trace
  const method = exchange.method
  const isFailed = status === 0 || status >= 500
  const shared = {
    traceId,
    ...(state === '' ? {} : { traceState: state }),
    endTimeUnixNano: nanos(times.endedAtMs),
    status: isFailed ? { code: 2 as const, message: code ?? `status ${status}` } : {},
  }
  const server: OtlpSpan = {
    ...shared,
    spanId: serverId,
    ...(parentId === null ? {} : { parentSpanId: parentId }),
    name: route === null ? method : `${method} ${route.path}`,
    kind: 2,
    startTimeUnixNano: nanos(times.startedAtMs),
    attributes: [
      text('http.request.method', method),
      text('url.scheme', exchange.isTls ? 'https' : 'http'),
      text('url.path', exchange.path),
      text('server.address', exchange.host),
      int('server.port', exchange.localPort),
      text('client.address', exchange.clientAddress),
      int('http.response.status_code', status),
      ...(route === null ? [] : [text('http.route', route.path), text('raftway.route', route.id)]),
      ...(context.requestId === null ? [] : [text('raftway.request_id', context.requestId)]),
      ...(code === null ? [] : [text('error.type', code)]),
    ],
  }
  if (target === null) return [server]
  const client: OtlpSpan = {
    ...shared,
    spanId: clientId,
    parentSpanId: serverId,
    name: method,
    kind: 3,
    startTimeUnixNano: nanos(times.attemptedAtMs),
    attributes: [
      text('http.request.method', method),
      text('url.full', `${target}${context.targetPath.split('?', 1)[0] ?? ''}`),
      int('http.response.status_code', status),
      ...(route === null ? [] : [text('raftway.upstream', route.upstreamKey)]),
      ...(attempts > 1 ? [int('http.request.resend_count', attempts - 1)] : []),
    ],
  }
  return [server, client]
}

/** The body of one export. `gateway` is the instance that the spans come from. */
export function otlpBody(gateway: string, spans: readonly OtlpSpan[]): string {
  const attributes = [
    text('service.name', 'raftway'),
    text('service.version', VERSION),
    text('service.instance.id', gateway),
  ]
  const scope = { name: 'raftway', version: VERSION }
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope, spans }] }],
  })
}

/** More digits than a number holds: whole microseconds, and three zeros. */
function nanos(ms: number): string {
  return `${Math.round(ms * 1_000)}000`
}

function text(key: string, value: string): Attribute {
  return { key, value: { stringValue: value } }
}

function int(key: string, value: number): Attribute {
  return { key, value: { intValue: String(value) } }
}
