// What is done for metrics and records in a request, alone and in this process: nanoseconds that a ratio of whole
// requests cannot show on a machine that does other things.
import { makeMetrics, type MetricsLevel } from '../../../gateway/metrics/slots.ts'
import { WorkerMetrics } from '../../../gateway/metrics/worker-metrics.ts'
import { RecordBatch } from '../../../gateway/records/record-batch.ts'
import type { RequestContext } from '../../../gateway/request-context.ts'
import { Random } from '../../../shared/random.ts'
import { percentile } from '../figures.ts'

const ROUNDS = 15
const CALLS = 100_000
const ROUTES = 100

/** Median microseconds of one call, of several rounds after a first that does not count. */
function costOf(call: (at: number) => void): number {
  const costs = Array.from({ length: ROUNDS + 1 }, () => {
    const before = process.cpuUsage()
    for (let at = 0; at < CALLS; at++) call(at)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / CALLS
  })
  return percentile(costs.slice(1), 0.5)
}

/** Everything that is counted of one usual request, over 100 routes. */
export function metricsCost(level: MetricsLevel): number {
  const metrics = new WorkerMetrics(makeMetrics(1, level), 0)
  const routes = Array.from({ length: ROUTES }, (_, at) => `bench/${at}`)
  return costOf((at) => {
    metrics.requestBegan()
    metrics.upstreamAnswered('Api/bench', 200, (at % 50) / 10)
    metrics.requestEnded({
      route: routes[at % ROUTES] ?? null,
      status: 200,
      durationMs: (at % 60) / 10,
      requestBytes: 0,
      responseBytes: 100,
    })
  })
}

/** One record formatted and put into its batch. */
export function recordCost(format: string): number {
  const batch: RecordBatch = new RecordBatch({
    settings: { gateway: 'gw1', format, query: 'mask', sample: 1 },
    random: new Random(1),
    epochMs: () => Date.now(),
    send: (lines) => batch.taken(lines.length),
    later: () => {},
    onRecorded: () => {},
    onDropped: () => {},
  })
  return costOf((at) => batch.add(endedRequest(at), (at % 60) / 10))
}

/** What a record reads of a request. */
function endedRequest(at: number): RequestContext {
  const context: Partial<RequestContext> = {
    exchange: EXCHANGE,
    route: ROUTE,
    requestId: `0123456789abcdef01-${at.toString(36)}`,
    status: 200,
    code: null,
    target: 'http://10.0.0.7:9001',
    attempts: 1,
    requestBytes: 0,
    responseBytes: 100,
    upstreamMs: (at % 50) / 10,
  }
  return context as RequestContext
}

const EXCHANGE = {
  method: 'GET',
  host: 'bench.test',
  path: '/route-7/x',
  query: 'page=2',
  protocol: 'HTTP/1.1',
  clientAddress: '10.1.2.3',
  peerAddress: '10.1.2.3',
  isTls: false,
  header: (name: string) => (name === 'user-agent' ? 'bench/1.0' : undefined),
} as RequestContext['exchange']

const ROUTE = {
  api: 'bench',
  id: 'bench/7',
  upstreamKey: 'Api/bench',
  bodyBytesMax: null,
  recordSample: null,
} as RequestContext['route']
