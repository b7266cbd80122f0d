import type { Lines } from './lines.ts'
import { sumSeries } from './series.ts'
import {
  ROUTE_SERIES,
  ROUTE_SLOT,
  UPSTREAM_ERRORS,
  UPSTREAM_SERIES,
  UPSTREAM_SLOT,
  type MetricsMemory,
} from './slots.ts'

/** Adds what is counted by route and by upstream. Series that never counted anything are left out. */
export function seriesLines(memory: MetricsMemory, lines: Lines): void {
  const routes = [...sumSeries(memory.routes, ROUTE_SERIES)].filter(hasCounted)
  lines.family('route_requests_total', 'counter', 'Requests by route and class of their answer.')
  for (const [route, values] of routes) {
    lines.classes('route_requests_total', values, ROUTE_SLOT.statusClass, labelsOf(route))
  }
  lines.family('route_request_bytes_total', 'counter', 'Body bytes from clients, by route.')
  for (const [route, values] of routes) {
    const bytes = values[ROUTE_SLOT.requestBytes] ?? 0
    lines.value('route_request_bytes_total', labelsOf(route), bytes)
  }
  lines.family('route_response_bytes_total', 'counter', 'Body bytes to clients, by route.')
  for (const [route, values] of routes) {
    const bytes = values[ROUTE_SLOT.responseBytes] ?? 0
    lines.value('route_response_bytes_total', labelsOf(route), bytes)
  }
  const durations = 'From the head of a request to the end of its answer, by route.'
  lines.family('route_request_duration_seconds', 'histogram', durations)
  for (const [route, values] of routes) {
    const labels = labelsOf(route)
    lines.histogram('route_request_duration_seconds', values, ROUTE_SLOT.duration, labels)
  }
  upstreamLines(memory, lines)
}

function upstreamLines(memory: MetricsMemory, lines: Lines): void {
  const upstreams = [...sumSeries(memory.upstreams, UPSTREAM_SERIES)].filter(hasCounted)
  lines.family('upstream_answers_total', 'counter', 'Answers of targets by upstream and class.')
  for (const [upstream, values] of upstreams) {
    for (let digit = 1; digit <= 5; digit++) {
      const answers = values[UPSTREAM_SLOT.statusClass + digit] ?? 0
      lines.value('upstream_answers_total', { upstream, class: `${digit}xx` }, answers)
    }
  }
  const failures = 'Failed attempts by upstream and code.'
  lines.family('upstream_failures_total', 'counter', failures)
  for (const [upstream, values] of upstreams) {
    UPSTREAM_ERRORS.forEach((code, i) => {
      const count = values[UPSTREAM_SLOT.errors + i] ?? 0
      lines.value('upstream_failures_total', { upstream, code }, count)
    })
  }
  const firstBytes = 'From asking a target to the head of its answer, by upstream.'
  lines.family('upstream_answer_seconds', 'histogram', firstBytes)
  for (const [upstream, values] of upstreams) {
    lines.histogram('upstream_answer_seconds', values, UPSTREAM_SLOT.firstByte, { upstream })
  }
}

function hasCounted([, values]: readonly [string, Float64Array]): boolean {
  return values.some((value) => value !== 0)
}

/** `petstore/0` belongs to the Api petstore; `other` and `none` to none. */
function labelsOf(route: string): { readonly api: string; readonly route: string } {
  const slash = route.lastIndexOf('/')
  return { api: slash === -1 ? route : route.slice(0, slash), route }
}
