import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Networks } from '../../../shared/addresses/networks.ts'
import { CurrentTable } from '../../../gateway/config/current-table.ts'
import { TableAdopter } from '../../../gateway/config/table-adopter.ts'
import { Deadlines } from '../../../gateway/deadlines.ts'
import { Discovery, type Discover } from '../../../gateway/discovery/discovery.ts'
import { StreamMetrics } from '../../../gateway/metrics/stream-metrics.ts'
import { makeMetrics, STREAM_SERIES, type MetricsMemory } from '../../../gateway/metrics/slots.ts'
import { sumSeries } from '../../../gateway/metrics/series.ts'
import type { ConnectionRecord } from '../../../gateway/records/connection-record.ts'
import { StreamPorts } from '../../../gateway/streams/stream-ports.ts'
import type { PortRules } from '../../../gateway/streams/port-rules.ts'
import { activeChecks } from '../../../gateway/upstream/health-checks.ts'
import { Connections } from '../../../gateway/upstream/connections.ts'
import { LiveUpstreams } from '../../../gateway/upstream/live-upstreams.ts'
import { probeTarget } from '../../../gateway/upstream/probes.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { withRevision } from '../../../shared/definitions/parse.ts'
import type { StreamSpec } from '../../../shared/definitions/stream.ts'
import { Random } from '../../../shared/random.ts'
import { upstreamOf } from '../../../shared/routing/table.ts'
import { until } from './until.ts'

/** The Streams of a worker in this thread: real sockets, and everything in reach of a test. */
export type OneStreams = {
  readonly records: readonly ConnectionRecord[]
  readonly upstreams: LiveUpstreams
  readonly ports: StreamPorts
  readonly memory: MetricsMemory
  /** Resolves once every port has been tried. */
  adopt(...definitions: readonly DefinitionInput[]): Promise<void>
  remove(...names: readonly string[]): Promise<void>
  /** What was counted of a Stream, by slot. */
  counted(stream: string): Float64Array
  stop(): Promise<void>
}

export async function startStreams(
  options: {
    readonly trusted?: readonly string[]
    readonly drainMs?: number
    readonly rules?: PortRules
  } = {},
): Promise<OneStreams> {
  const now = (): number => performance.now()
  const deadlines = new Deadlines(now)
  const connections = new Connections(deadlines)
  const random = new Random(1)
  const watchTargets = activeChecks({ probe: probeTarget, now, random })
  const discover: Discover = (asked, onChange) => new Discovery(asked, { now, onChange })
  const upstreams = new LiveUpstreams(connections, { random, now, watchTargets, discover })
  const current = new CurrentTable()
  const adopter = new TableAdopter(current, upstreams)
  const memory = makeMetrics(1, 'full')
  const records: ConnectionRecord[] = []
  const ports = new StreamPorts({
    deadlines,
    upstreams,
    metrics: new StreamMetrics(memory, 0),
    record: (record) => records.push(record),
    host: '127.0.0.1',
    rules: options.rules ?? { allowed: [{ from: 1, to: 65_535 }], own: new Set() },
    trusted: options.trusted === undefined ? null : new Networks(options.trusted),
    drainMs: options.drainMs ?? 5_000,
    upstreamOf: (key) => upstreamOf(current.table, key),
    onSettled: () => {},
  })
  ports.open(false)
  let revision = 0
  const swap = async (puts: readonly DefinitionInput[], deletes: readonly string[]) => {
    revision += 1
    const numbers = { revision, createdRevision: revision }
    const texts = puts.map((definition) => JSON.stringify(withRevision(definition, numbers)))
    const names = deletes.map((name) => ({ kind: 'Stream', name }) as const)
    const quarantined = adopter.adopt(texts, names)
    if (quarantined.length > 0) throw new Error(JSON.stringify(quarantined))
    ports.adopt(current.table.streams)
    await until('ports that have been tried', () => ports.isSettled)
  }
  return {
    records,
    upstreams,
    ports,
    memory,
    adopt: (...definitions) => swap(definitions, []),
    remove: (...names) => swap([], names),
    counted: (stream) =>
      sumSeries(memory.streams, STREAM_SERIES).get(stream) ?? new Float64Array(STREAM_SERIES.slots),
    stop: async () => {
      await ports.drain()
      upstreams.close()
      await connections.close()
      deadlines.close()
    },
  }
}

/** A Stream to targets on this machine, by their ports. */
export function stream(
  name: string,
  port: number,
  targets: readonly number[],
  more: Partial<StreamSpec> = {},
): DefinitionInput {
  const upstream = { targets: targets.map((target) => ({ url: `tcp://127.0.0.1:${target}` })) }
  return { kind: 'Stream', name, spec: { port, upstream, ...more } }
}

/** A port that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** A TCP server that hands out its connections, which it leaves half-open. */
export async function startTcp(
  onConnection: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly sockets: Set<Socket>; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
