import { randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { assert, unreachable } from '../shared/assert.ts'
import { describeError } from '../shared/errors.ts'
import type { CountsAnswer } from '../shared/count-protocol.ts'
import { USAGE_REPORT_MS } from '../shared/limits.ts'
import { Random } from '../shared/random.ts'
import { CurrentTable } from './config/current-table.ts'
import { linesOf } from './config/last-good-format.ts'
import { TableAdopter } from './config/table-adopter.ts'
import { Consumers } from './consumers/consumers.ts'
import { Deadlines } from './deadlines.ts'
import { Discovery, type Discover } from './discovery/discovery.ts'
import { HeldRoutes } from './held-routes.ts'
import { httpDate } from './http-date.ts'
import { watchLateness } from './lateness.ts'
import { Counters } from './limits/counters.ts'
import { ruleOf, SharedCounts } from './limits/shared-counts.ts'
import { Shedding } from './limits/shedding.ts'
import { Http1Listener, type ListenerParts } from './listeners/http1.ts'
import { ClientCount } from './metrics/client-count.ts'
import { WorkerMetrics } from './metrics/worker-metrics.ts'
import { Pipeline } from './pipeline.ts'
import { trustedProxiesOf } from './network-options.ts'
import { Access } from './plugins/access.ts'
import { UsageBook } from './quotas/usage-book.ts'
import { Passwords } from './plugins/passwords.ts'
import { RecordBatch } from './records/record-batch.ts'
import type { RecordSettings } from './records/settings.ts'
import { RequestIds } from './request-id.ts'
import { Secrets } from './secrets/secrets.ts'
import { WorkerStreams } from './streams/worker-streams.ts'
import { Tunnels } from './tunnels.ts'
import { activeChecks } from './upstream/health-checks.ts'
import { Connections } from './upstream/connections.ts'
import { LiveUpstreams } from './upstream/live-upstreams.ts'
import { probeTarget } from './upstream/probes.ts'
import { reportUpstreams } from './upstream/report.ts'
import type { TlsAcceptor } from './tls/tls-acceptor.ts'
import type { Tracer } from './tracing/tracer.ts'
import type { FromWorker, ToWorker, WorkerStart } from './worker-protocol.ts'

const start = workerData as WorkerStart // The supervisor is the only one who starts this file.

type Optional = {
  readonly tracer: (metrics: WorkerMetrics) => Tracer | null
  readonly acceptor: (metrics: WorkerMetrics) => TlsAcceptor | null
}

/** What a worker thread is made of. */
function makeWorker(tell: (message: FromWorker) => void, optional: Optional) {
  const { index, metrics: memory, records: settings } = start
  const deadlines = new Deadlines(now)
  const connections = new Connections(deadlines)
  const random = new Random(randomInt(2 ** 32))
  const upstreams = liveUpstreams(connections, random)
  const current = new CurrentTable()
  const heldRoutes = new HeldRoutes(current, { deadlines, drainMs: start.routeDrainMs })
  const tunnels = new Tunnels(deadlines, heldRoutes)
  const adopter = new TableAdopter(current, upstreams)
  const consumers = new Consumers()
  const secrets = new Secrets(start.sealKeys)
  const usage = new UsageBook()
  const passwords = new Passwords()
  const { sealKeys } = start
  const metrics = new WorkerMetrics(memory, index)
  const counters = new Counters(start.counters, index)
  const sharedCounts = new SharedCounts(counters.seed)
  const counting = { counters, sharedCounts, usage }
  const keys = { sealKeys, passwords }
  const access = new Access({ consumers, secrets, ...keys, current, ...counting, metrics, epochMs })
  const requestIds = new RequestIds()
  const records = settings === null ? null : recordBatch(settings, { metrics, random, tell })
  const tracer = optional.tracer(metrics)
  const tls = optional.acceptor(metrics)
  const live = {
    current,
    access,
    upstreams,
    tunnels,
    heldRoutes,
    metrics,
    records,
    tracer,
    tls,
    requestIds,
  }
  const pipeline = new Pipeline({ ...live, shedding: sheddingOf(), random, now, after, httpDate })
  const listeners = listenersOf(tls, {
    serve: (exchange) => pipeline.serve(exchange),
    nextRequestId: () => requestIds.next(),
    onRefused: () => metrics.refused(),
    onTooMany: () => metrics.clientRefused(),
    deadlines,
    ...aboutClients(),
  })
  const streams = new WorkerStreams({ start, current, upstreams, deadlines, records, tell })
  return { ...live, adopter, consumers, secrets, connections, listeners, streams, ...counting }
}

type Parts = ReturnType<typeof makeWorker>

/** One worker thread: its listener, its table, its connections. Told what to do by the supervisor. */
function runWorker(
  tell: (message: FromWorker) => void,
  optional: Optional,
): (message: ToWorker) => void {
  const parts = makeWorker(tell, optional)
  const telling = setInterval(() => tellUsage(parts, tell), USAGE_REPORT_MS)
  return (message) => {
    switch (message.type) {
      case 'change':
        change(parts, message)
        return
      case 'listen':
        // Both hear their own failures, or end the thread, which the supervisor hears.
        void listen({ ...parts.listeners, streams: parts.streams }, message, tell)
        return
      case 'records-taken':
        parts.records?.taken(message.chars)
        return
      case 'drain':
        void drain(parts, { quietMs: message.quietMs, telling }, tell)
        return
      case 'usage-told':
        parts.usage.learn(message.totals, message.through)
        return
      case 'counts-told':
        learnCounts(parts, message.answer)
        return
      case 'report-targets':
        tell(answerTo(message, parts.upstreams, now()))
        return
      default:
        unreachable(message)
    }
  }
}

/** Hands over what was used of quotas, and counted of limits that all gateways share. */
function tellUsage({ sharedCounts, usage }: Parts, tell: (message: FromWorker) => void): void {
  const counts = sharedCounts.take()
  if (counts !== null) tell({ type: 'counts', counts })
  const taken = usage.take(epochMs())
  if (taken !== null) tell({ type: 'usage', ...taken })
}

/** Counts in memory that all workers share: one of them takes it in. */
function learnCounts(
  { access, counters, sharedCounts }: Parts,
  { seed, counts }: CountsAnswer,
): void {
  if (sharedCounts.setSeed(seed)) access.reset()
  for (const counted of counts) {
    const [a, b, , , , , cost] = counted
    counters.countElsewhere(ruleOf(counted), cost, { a, b }, epochMs())
  }
}

function change(parts: Parts, message: Extract<ToWorker, { type: 'change' }>): void {
  const { adopter, consumers, current, metrics, secrets, streams, tls } = parts
  const puts = textsOf(message)
  consumers.adopt(puts, message.deletes)
  const closed = secrets.adopt(puts, message.deletes)
  const unusable = tls?.certificates.adopt(puts, message.deletes) ?? []
  const quarantined = [...adopter.adopt(puts, message.deletes), ...unusable, ...closed]
  metrics.configChanged(now(), current)
  streams.adopt()
  if (!message.isPartial) streams.applied(message.to, quarantined)
}

async function drain(
  parts: Parts,
  { quietMs, telling }: { readonly quietMs: number; readonly telling: NodeJS.Timeout },
  tell: (message: FromWorker) => void,
): Promise<void> {
  const { connections, listeners, records, streams, tracer, tunnels, upstreams } = parts
  tunnels.drain()
  await Promise.all([drainListeners(listeners, quietMs), streams.drain()])
  upstreams.close()
  await connections.close()
  records?.flush()
  await tracer?.close()
  clearInterval(telling)
  tellUsage(parts, tell)
  tell({ type: 'drained' })
}

function textsOf({ puts }: Extract<ToWorker, { type: 'change' }>): readonly string[] {
  return puts instanceof Uint8Array ? linesOf(new Uint8Array(puts)) : puts
}

type Listeners = { readonly http: Http1Listener; readonly https: Http1Listener | null }

/** What is said of clients: whom to believe about them, and what they may cost. */
function aboutClients(): Pick<ListenerParts, 'bounds' | 'clients' | 'trusted' | 'proxyProtocol'> {
  const { network, metrics, index } = start
  return {
    bounds: start.clients,
    clients: new ClientCount(metrics, index),
    trusted: trustedProxiesOf(network),
    proxyProtocol: network.proxyProtocol,
  }
}

function listenersOf(tls: TlsAcceptor | null, parts: ListenerParts): Listeners {
  const https = tls === null ? null : new Http1Listener({ ...parts, tls })
  return { http: new Http1Listener(parts), https }
}

async function drainListeners({ http, https }: Listeners, quietMs: number): Promise<void> {
  await Promise.all([http.drain(quietMs), https?.drain(quietMs)])
}

async function listen(
  { http, https, streams }: Listeners & { readonly streams: WorkerStreams },
  { addresses, isShared }: Extract<ToWorker, { type: 'listen' }>,
  tell: (message: FromWorker) => void,
): Promise<void> {
  try {
    const httpPort = await http.listen({ ...addresses.http, isShared })
    const httpsPort =
      addresses.https === null
        ? null
        : ((await https?.listen({ ...addresses.https, isShared })) ?? null)
    const ports = { http: httpPort, https: httpsPort }
    // A gateway that is ready has the ports of its Streams too: another one may be stopped then, which had them before.
    await streams.open(ports, isShared)
    tell({ type: 'listening', ports })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    tell({ type: 'listen-failed', code, reason: describeError(error) })
  }
}

/** What costs memory even where nobody uses it is loaded only where it is asked for. */
async function loadOptional(): Promise<Optional> {
  const { traces, tls } = start
  const tracing = traces === null ? null : await import('./tracing/tracer.ts')
  const accepting = tls === null ? null : await import('./tls/tls-acceptor.ts')
  return {
    tracer: (metrics) =>
      traces === null || tracing === null ? null : new tracing.Tracer(traces, metrics),
    acceptor: (metrics) =>
      tls === null || accepting === null
        ? null
        : new accepting.TlsAcceptor(start.sealKeys, tls.ticketKeys, metrics),
  }
}

function recordBatch(
  settings: RecordSettings,
  parts: {
    readonly metrics: WorkerMetrics
    readonly random: Random
    readonly tell: (message: FromWorker) => void
  },
): RecordBatch {
  const { metrics, random, tell } = parts
  return new RecordBatch({
    settings,
    random,
    epochMs,
    send: (lines, records) => tell({ type: 'records', lines, records }),
    later: (ms, run) => void setTimeout(run, ms),
    onRecorded: () => metrics.recorded(),
    onDropped: () => metrics.recordDropped(),
  })
}

/** Null where nothing is shed. */
function sheddingOf(): Shedding | null {
  if (start.shedLateMs === 0) return null
  const shedding = new Shedding(start.shedLateMs)
  watchLateness(now, (lateMs) => shedding.looked(lateMs))
  return shedding
}

function epochMs(): number {
  return Date.now()
}

function now(): number {
  return performance.now()
}

function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

function liveUpstreams(connections: Connections, random: Random): LiveUpstreams {
  const watchTargets = activeChecks({ probe: probeTarget, now, random })
  const discover: Discover = (options, onChange) => new Discovery(options, { now, onChange })
  return new LiveUpstreams(connections, { random, now, watchTargets, discover })
}

function answerTo(
  { ask }: Extract<ToWorker, { type: 'report-targets' }>,
  upstreams: LiveUpstreams,
  nowMs: number,
): FromWorker {
  return { type: 'targets', ask, upstreams: reportUpstreams(upstreams.all(), nowMs) }
}

const port = parentPort
assert(port !== null, 'this file runs as a worker thread')
// What comes meanwhile waits until somebody listens.
const optional = await loadOptional()
port.on(
  'message',
  runWorker((message) => port.postMessage(message), optional),
)
