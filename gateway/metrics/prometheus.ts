import { Lines } from './lines.ts'
import { seriesLines } from './series-text.ts'
import { streamLines } from './stream-metrics.ts'
import { SLOT, sumSlots, UPSTREAM_ERRORS, type MetricsMemory } from './slots.ts'

/** What the supervisor knows beside the workers' counters. */
export type GatewayGauges = {
  readonly version: string
  readonly revision: number
  readonly swaps: number
  readonly workers: number
  readonly workerRestarts: number
  readonly routes: number
  readonly quarantined: number
  readonly isConnected: boolean
  /** Access records that could not be written. */
  readonly recordsLost: number
}

/** The text of `GET /metrics`: Prometheus exposition format 0.0.4. */
export function prometheusText(memory: MetricsMemory, gauges: GatewayGauges): string {
  const slots = sumSlots(memory)
  const at = (slot: number): number => slots[slot] ?? 0
  const lines = new Lines('raftway_gateway_')
  lines.family('requests_total', 'counter', 'Requests by the class of their answer.')
  lines.classes('requests_total', slots, SLOT.statusClass)
  lines.family('upstream_errors_total', 'counter', 'Failed attempts by code.')
  UPSTREAM_ERRORS.forEach((code, i) => {
    lines.value('upstream_errors_total', { code }, at(SLOT.upstreamErrors + i))
  })
  const durations = 'From the head of a request to the end of its answer.'
  lines.family('request_duration_seconds', 'histogram', durations)
  lines.histogram('request_duration_seconds', slots, SLOT.duration)
  const firstBytes = 'From asking a target to the head of its answer.'
  lines.family('upstream_first_byte_seconds', 'histogram', firstBytes)
  lines.histogram('upstream_first_byte_seconds', slots, SLOT.firstByte)
  const counters = [
    ['retries_total', 'Attempts after the first.', at(SLOT.retries)],
    ['refused_total', 'Malformed heads that never became requests.', at(SLOT.refused)],
    [
      'clients_refused_total',
      'Connections of clients that were closed at once, for there were too many.',
      at(SLOT.clientsRefused),
    ],
    ['request_bytes_total', 'Body bytes from clients.', at(SLOT.requestBytes)],
    ['response_bytes_total', 'Body bytes to clients.', at(SLOT.responseBytes)],
    ['records_total', 'Access records, those dropped later included.', at(SLOT.recorded)],
    [
      'records_dropped_total',
      'Access records that were not written, for want of room or because the output failed.',
      at(SLOT.recordsDropped) + gauges.recordsLost,
    ],
    ['spans_total', 'Spans of traces, those dropped later included.', at(SLOT.spans)],
    ['spans_dropped_total', 'Spans that no collector took.', at(SLOT.spansDropped)],
    ['tls_handshakes_total', 'TLS connections of clients.', at(SLOT.handshakes)],
    [
      'tls_resumed_total',
      'TLS connections that went on with a session of an earlier one.',
      at(SLOT.handshakesResumed),
    ],
    ['tls_failures_total', 'Connections that never became TLS.', at(SLOT.handshakesFailed)],
    ['shed_total', 'Requests refused because a worker could not keep up.', at(SLOT.shed)],
    ['over_limit_total', 'Requests refused because they came too often.', at(SLOT.overLimit)],
    [
      'limits_uncounted_total',
      'Limits of requests that could not be counted, for want of room or because their store failed.',
      at(SLOT.limitsUncounted),
    ],
    ['config_swaps_total', 'Routing tables taken into use.', gauges.swaps],
    ['worker_restarts_total', 'Workers that died and were replaced.', gauges.workerRestarts],
  ] as const
  for (const [name, help, value] of counters) lines.single(name, 'counter', help, value)
  const levels = [
    ['client_connections', 'Connections of clients that are open.', at(SLOT.clients)],
    ['active_requests', 'Requests under way.', at(SLOT.active)],
    ['config_revision', 'Revision that every worker serves.', gauges.revision],
    ['workers', 'Workers that accept connections.', gauges.workers],
    ['routes', 'Routes in force.', gauges.routes],
    ['quarantined', 'Definitions that cannot be used here.', gauges.quarantined],
    ['control_plane_connected', 'Whether a node is being watched.', gauges.isConnected ? 1 : 0],
  ] as const
  for (const [name, help, value] of levels) lines.single(name, 'gauge', help, value)
  lines.family('info', 'gauge', 'Always 1; the version is in the label.')
  lines.value('info', { version: gauges.version }, 1)
  if (memory.level === 'full') {
    seriesLines(memory, lines)
    streamLines(memory, lines)
  }
  return lines.text()
}
