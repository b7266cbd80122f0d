import { expect, test } from 'vitest'
import { prometheusText } from '../../../gateway/metrics/prometheus.ts'
import { makeMetrics, type MetricsLevel } from '../../../gateway/metrics/slots.ts'
import { WorkerMetrics } from '../../../gateway/metrics/worker-metrics.ts'
import { ROUTE_SERIES_MAX } from '../../../shared/limits.ts'

const GAUGES = {
  version: '1.0.0',
  revision: 7,
  swaps: 2,
  workers: 2,
  workerRestarts: 0,
  routes: 3,
  quarantined: 0,
  isConnected: true,
  recordsLost: 4,
}

const END = { status: 200, durationMs: 3, requestBytes: 5, responseBytes: 7 }

/** Two workers, some requests, and the text about them. */
function textOf(level: MetricsLevel): string {
  const memory = makeMetrics(2, level)
  const [first, second] = [new WorkerMetrics(memory, 0), new WorkerMetrics(memory, 1)]
  for (const worker of [first, second]) {
    worker.requestBegan()
    worker.upstreamFailed('Upstream/pets', 'UPSTREAM_TIMEOUT')
    worker.retried()
    worker.upstreamAnswered('Upstream/pets', 200, 0.3)
    worker.requestEnded({ ...END, route: 'petstore/0' })
  }
  first.requestBegan()
  first.requestEnded({ ...END, route: null, status: 404 })
  second.requestBegan()
  second.requestEnded({ ...END, route: 'petstore/1', status: 0, durationMs: 20_000 })
  return prometheusText(memory, GAUGES)
}

test('the text has every family once, with help, type and values that a scraper reads', () => {
  const text = textOf('full')
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name)
  expect(new Set(families).size).toBe(families.length)
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/,
    )
    const name = /^[a-z_]+/.exec(line)?.[0] ?? ''
    if (name === '') continue
    const family = families.find((known) =>
      [known, `${known}_bucket`, `${known}_sum`, `${known}_count`].includes(name),
    )
    expect([line, family]).not.toContain(undefined)
  }
})

test('totals, routes and upstreams are summed over the workers', () => {
  const lines = textOf('full').split('\n')
  for (const line of [
    'raftway_gateway_requests_total{class="2xx"} 2',
    'raftway_gateway_requests_total{class="aborted"} 1',
    'raftway_gateway_active_requests 0',
    'raftway_gateway_records_dropped_total 4',
    'raftway_gateway_request_duration_seconds_bucket{le="0.0025"} 0',
    'raftway_gateway_request_duration_seconds_bucket{le="0.005"} 3',
    'raftway_gateway_request_duration_seconds_bucket{le="10"} 3',
    'raftway_gateway_request_duration_seconds_bucket{le="+Inf"} 4',
    'raftway_gateway_request_duration_seconds_sum 20.009',
    'raftway_gateway_upstream_first_byte_seconds_bucket{le="0.00025"} 0',
    'raftway_gateway_upstream_first_byte_seconds_bucket{le="0.0005"} 2',
    'raftway_gateway_route_requests_total{api="petstore",route="petstore/0",class="2xx"} 2',
    'raftway_gateway_route_requests_total{api="petstore",route="petstore/1",class="aborted"} 1',
    'raftway_gateway_route_requests_total{api="none",route="none",class="4xx"} 1',
    'raftway_gateway_route_response_bytes_total{api="petstore",route="petstore/0"} 14',
    'raftway_gateway_route_request_duration_seconds_count{api="petstore",route="petstore/0"} 2',
    'raftway_gateway_upstream_answers_total{upstream="Upstream/pets",class="2xx"} 2',
    'raftway_gateway_upstream_failures_total{upstream="Upstream/pets",code="UPSTREAM_TIMEOUT"} 2',
    'raftway_gateway_upstream_answer_seconds_count{upstream="Upstream/pets"} 2',
  ]) {
    expect(lines).toContain(line)
  }
})

test('less can be counted', () => {
  const totals = textOf('totals')
  expect(totals).toContain('raftway_gateway_requests_total{class="2xx"} 2')
  expect(totals).not.toContain('petstore')
  const off = textOf('off')
  expect(off).toContain('raftway_gateway_requests_total{class="2xx"} 0')
  expect(off).toContain('raftway_gateway_config_revision 7')
})

test('series are bounded, and names that are no more make room for others', () => {
  const memory = makeMetrics(1, 'full')
  const worker = new WorkerMetrics(memory, 0)
  const count = (route: string): void => {
    worker.requestBegan()
    worker.requestEnded({ ...END, route })
  }
  const requestsOf = (route: string): number => {
    const line = new RegExp(
      `route_requests_total\\{api="[^"]+",route="${route}",class="2xx"\\} (\\d+)`,
    )
    return Number(line.exec(prometheusText(memory, GAUGES))?.[1] ?? 0)
  }
  for (let at = 0; at < ROUTE_SERIES_MAX + 10; at++) count(`old/${at}`)
  expect(requestsOf('other')).toBe(11)
  const names = { hasRoute: (id: string) => id === 'old/7', hasUpstream: () => true }
  worker.configChanged(0, names)
  count('new/0')
  expect(requestsOf('new/0')).toBe(1)
  expect(requestsOf('old/7')).toBe(1)
  expect(requestsOf('old/8')).toBe(0)
  expect(requestsOf('other')).toBe(ROUTE_SERIES_MAX + 9)
})
