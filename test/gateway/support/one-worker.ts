import type { SealKeys } from '../../../shared/definitions/seal.ts'
import { Random } from '../../../shared/random.ts'
import type { DefinitionInput, Kind } from '../../../shared/definitions/kinds.ts'
import { withRevision } from '../../../shared/definitions/parse.ts'
import { USUAL_CLIENTS, type ClientBounds } from '../../../gateway/client-bounds.ts'
import { CurrentTable } from '../../../gateway/config/current-table.ts'
import { TableAdopter } from '../../../gateway/config/table-adopter.ts'
import { Consumers } from '../../../gateway/consumers/consumers.ts'
import { Deadlines } from '../../../gateway/deadlines.ts'
import type { Exchange } from '../../../gateway/exchange.ts'
import { HeldRoutes } from '../../../gateway/held-routes.ts'
import { httpDate } from '../../../gateway/http-date.ts'
import { makeCounterMemory } from '../../../gateway/limits/counter-memory.ts'
import { Counters } from '../../../gateway/limits/counters.ts'
import { SharedCounts } from '../../../gateway/limits/shared-counts.ts'
import type { Shedding } from '../../../gateway/limits/shedding.ts'
import { Http1Listener, type ListenerParts } from '../../../gateway/listeners/http1.ts'
import { TICKET_KEY_MS } from '../../../shared/limits.ts'
import { makeMetrics, slotsOf } from '../../../gateway/metrics/slots.ts'
import { ClientCount } from '../../../gateway/metrics/client-count.ts'
import { WorkerMetrics } from '../../../gateway/metrics/worker-metrics.ts'
import { Access } from '../../../gateway/plugins/access.ts'
import { Passwords } from '../../../gateway/plugins/passwords.ts'
import { Pipeline } from '../../../gateway/pipeline.ts'
import { UsageBook } from '../../../gateway/quotas/usage-book.ts'
import { RecordBatch } from '../../../gateway/records/record-batch.ts'
import type { RecordSettings } from '../../../gateway/records/settings.ts'
import type { TraceSettings } from '../../../gateway/tracing/settings.ts'
import { Tracer } from '../../../gateway/tracing/tracer.ts'
import { TicketKeyMaker, type TicketMemory } from '../../../gateway/tls/ticket-keys.ts'
import { TlsAcceptor } from '../../../gateway/tls/tls-acceptor.ts'
import { Tunnels } from '../../../gateway/tunnels.ts'
import { RequestIds } from '../../../gateway/request-id.ts'
import { Secrets } from '../../../gateway/secrets/secrets.ts'
import { Discovery, type Discover } from '../../../gateway/discovery/discovery.ts'
import { activeChecks } from '../../../gateway/upstream/health-checks.ts'
import { LiveUpstreams } from '../../../gateway/upstream/live-upstreams.ts'
import { Connections } from '../../../gateway/upstream/connections.ts'
import { probeTarget } from '../../../gateway/upstream/probes.ts'

/** What a worker thread is made of, in this thread: real sockets, and everything in reach of a test. */
export type OneWorker = {
  readonly port: number
  readonly url: string
  readonly httpsPort: number | null
  readonly slots: Float64Array
  /** Access records that were handed over, a line each. */
  readonly records: readonly string[]
  readonly connections: Connections
  readonly upstreams: LiveUpstreams
  readonly usage: UsageBook
  adopt(...definitions: readonly DefinitionInput[]): void
  remove(kind: Kind, name: string): void
  stop(): Promise<void>
}

/** A worker that listens on a free port; without definitions it has no config. */
export async function startOneWorker(
  ...definitions: readonly DefinitionInput[]
): Promise<OneWorker> {
  return startImpatientWorker({}, ...definitions)
}

/** What a test may set of a listener. */
type Patience = Partial<ClientBounds> & Pick<ListenerParts, 'trusted' | 'proxyProtocol'>

/** The same with another patience for silent clients. */
export async function startImpatientWorker(
  patience: Patience & {
    readonly routeDrainMs?: number
    readonly records?: RecordSettings
    readonly traces?: TraceSettings
    /** An https port beside the other one. */
    readonly https?: { readonly ticketKeys?: TicketMemory }
    readonly sealKeys?: SealKeys
    /** Clock of plugins, in milliseconds since 1970. */
    readonly epochMs?: () => number
    /** Counters of rate limits that there is room for. */
    readonly limitCounters?: number
    readonly shedding?: Shedding
  },
  ...definitions: readonly DefinitionInput[]
): Promise<OneWorker> {
  const {
    records: settings,
    traces,
    https: secure,
    sealKeys = [],
    epochMs = Date.now,
    routeDrainMs = 100,
    limitCounters = 1_024,
    shedding = null,
    trusted,
    proxyProtocol,
    ...bounds
  } = patience
  const now = (): number => performance.now()
  const deadlines = new Deadlines(now)
  const connections = new Connections(deadlines)
  const random = new Random(1)
  const watchTargets = activeChecks({ probe: probeTarget, now, random })
  const discover: Discover = (options, onChange) => new Discovery(options, { now, onChange })
  const upstreams = new LiveUpstreams(connections, { random, now, watchTargets, discover })
  const current = new CurrentTable()
  const adopter = new TableAdopter(current, upstreams)
  const memory = makeMetrics(1, 'full')
  const slots = slotsOf(memory, 0)
  const metrics = new WorkerMetrics(memory, 0)
  const requestIds = new RequestIds()
  const lines: string[] = []
  const records =
    settings === undefined
      ? null
      : new RecordBatch({
          settings,
          random,
          epochMs: () => Date.now(),
          send: (text, count) => {
            lines.push(...text.split('\n').slice(0, count))
            records?.taken(text.length)
          },
          later: (_ms, run) => void setTimeout(run, 1),
          onRecorded: () => metrics.recorded(),
          onDropped: () => metrics.recordDropped(),
        })
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  }
  const heldRoutes = new HeldRoutes(current, { deadlines, drainMs: routeDrainMs })
  const tunnels = new Tunnels(deadlines, heldRoutes)
  const ticketKeys = secure?.ticketKeys ?? new TicketKeyMaker(TICKET_KEY_MS).memory
  const tls = secure === undefined ? null : new TlsAcceptor(sealKeys, ticketKeys, metrics)
  const tracer = traces === undefined ? null : new Tracer(traces, metrics)
  const consumers = new Consumers()
  const secrets = new Secrets(sealKeys)
  const usage = new UsageBook()
  const counters = new Counters(makeCounterMemory(limitCounters, 1, [1, 2]), 0)
  const passwords = new Passwords()
  const sharedCounts = new SharedCounts(counters.seed)
  const counting = { counters, sharedCounts, usage }
  const keys = { sealKeys, passwords }
  const access = new Access({ consumers, secrets, ...keys, current, ...counting, metrics, epochMs })
  const kept = {
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
  const parts = { ...kept, shedding, random, now, after, httpDate }
  const pipeline = new Pipeline(parts)
  const listenerParts = {
    serve: (exchange: Exchange) => pipeline.serve(exchange),
    nextRequestId: () => requestIds.next(),
    onRefused: () => metrics.refused(),
    onTooMany: () => metrics.clientRefused(),
    clients: new ClientCount(memory, 0),
    bounds: { ...USUAL_CLIENTS, ...bounds },
    deadlines,
    trusted: trusted ?? null,
    proxyProtocol: proxyProtocol ?? 'off',
  }
  const listener = new Http1Listener(listenerParts)
  const https = tls === null ? null : new Http1Listener({ ...listenerParts, tls })
  let revision = 0
  const adopt = (...given: readonly DefinitionInput[]): void => {
    revision += 1
    const numbers = { revision, createdRevision: revision }
    const texts = given.map((definition) => JSON.stringify(withRevision(definition, numbers)))
    consumers.adopt(texts, [])
    const unusable = tls?.certificates.adopt(texts, []) ?? []
    const closed = secrets.adopt(texts, [])
    const quarantined = [...adopter.adopt(texts, []), ...unusable, ...closed]
    if (quarantined.length > 0) throw new Error(JSON.stringify(quarantined))
  }
  if (definitions.length > 0) adopt(...definitions)
  const port = await listener.listen({ host: '127.0.0.1', port: 0, isShared: false })
  const httpsPort = (await https?.listen({ host: '127.0.0.1', port: 0, isShared: false })) ?? null
  return {
    port,
    httpsPort,
    url: `http://127.0.0.1:${port}`,
    slots,
    records: lines,
    connections,
    upstreams,
    usage,
    adopt,
    remove: (kind, name) => {
      consumers.adopt([], [{ kind, name }])
      secrets.adopt([], [{ kind, name }])
      adopter.adopt([], [{ kind, name }])
      tls?.certificates.adopt([], [{ kind, name }])
    },
    stop: async () => {
      tunnels.drain()
      await Promise.all([listener.drain(0), https?.drain(0)])
      upstreams.close()
      await connections.close()
      deadlines.close()
    },
  }
}
