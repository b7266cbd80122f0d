import { DURATION_BUCKETS_MS, SLOT, UPSTREAM_ERRORS } from './slots.ts'

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
export function prometheusText(slots: Float64Array, gauges: GatewayGauges): string {
  const at = (slot: number): number => slots[slot] ?? 0
  const lines: string[] = []
  const family = (name: string, type: string, help: string): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
  }
  const single = (name: string, type: string, help: string, value: number): void => {
    family(name, type, help)
    lines.push(`${name} ${value}`)
  }

  family('raftway_gateway_requests_total', 'counter', 'Requests by the class of their answer.')
  for (let digit = 1; digit <= 5; digit++) {
    lines.push(`raftway_gateway_requests_total{class="${digit}xx"} ${at(SLOT.statusClass + digit)}`)
  }
  lines.push(`raftway_gateway_requests_total{class="aborted"} ${at(SLOT.statusClass)}`)
  family('raftway_gateway_upstream_errors_total', 'counter', 'Failed attempts by code.')
  UPSTREAM_ERRORS.forEach((code, i) => {
    const value = at(SLOT.upstreamErrors + i)
    lines.push(`raftway_gateway_upstream_errors_total{code="${code}"} ${value}`)
  })
  durations(slots, lines)
  const counters = [
    ['retries_total', 'Attempts after the first.', at(SLOT.retries)],
    ['refused_total', 'Malformed heads that never became requests.', at(SLOT.refused)],
    ['request_bytes_total', 'Body bytes from clients.', at(SLOT.requestBytes)],
    ['response_bytes_total', 'Body bytes to clients.', at(SLOT.responseBytes)],
    ['records_total', 'Access records, those dropped later included.', at(SLOT.recorded)],
    [
      'records_dropped_total',
      'Access records that were not written, for want of room or because the output failed.',
      at(SLOT.recordsDropped) + gauges.recordsLost,
    ],
    ['config_swaps_total', 'Routing tables taken into use.', gauges.swaps],
    ['worker_restarts_total', 'Workers that died and were replaced.', gauges.workerRestarts],
  ] as const
  for (const [name, help, value] of counters)
    single(`raftway_gateway_${name}`, 'counter', help, value)
  const levels = [
    ['active_requests', 'Requests under way.', at(SLOT.active)],
    ['config_revision', 'Revision that every worker serves.', gauges.revision],
    ['workers', 'Workers that accept connections.', gauges.workers],
    ['routes', 'Routes in force.', gauges.routes],
    ['quarantined', 'Definitions that cannot be used here.', gauges.quarantined],
    ['control_plane_connected', 'Whether a node is being watched.', gauges.isConnected ? 1 : 0],
  ] as const
  for (const [name, help, value] of levels) single(`raftway_gateway_${name}`, 'gauge', help, value)
  family('raftway_gateway_info', 'gauge', 'Always 1; the version is in the label.')
  lines.push(`raftway_gateway_info{version="${gauges.version}"} 1`)
  return `${lines.join('\n')}\n`
}

function durations(slots: Float64Array, lines: string[]): void {
  const name = 'raftway_gateway_request_duration_seconds'
  lines.push(`# HELP ${name} From the head of a request to the end of its answer.`)
  lines.push(`# TYPE ${name} histogram`)
  let count = 0
  DURATION_BUCKETS_MS.forEach((bound, i) => {
    count += slots[SLOT.durationBuckets + i] ?? 0
    lines.push(`${name}_bucket{le="${bound / 1_000}"} ${count}`)
  })
  count += slots[SLOT.durationBuckets + DURATION_BUCKETS_MS.length] ?? 0
  lines.push(`${name}_bucket{le="+Inf"} ${count}`)
  lines.push(`${name}_sum ${(slots[SLOT.durationSumMs] ?? 0) / 1_000}`, `${name}_count ${count}`)
}
