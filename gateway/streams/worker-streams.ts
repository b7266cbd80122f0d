import { QUARANTINED_MAX } from '../../shared/limits.ts'
import { upstreamOf } from '../../shared/routing/table.ts'
import type { Quarantined } from '../../shared/routing/types.ts'
import type { CurrentTable } from '../config/current-table.ts'
import type { Deadlines } from '../deadlines.ts'
import { StreamMetrics } from '../metrics/stream-metrics.ts'
import { trustedProxiesOf } from '../network-options.ts'
import type { RecordBatch } from '../records/record-batch.ts'
import type { LiveUpstreams } from '../upstream/live-upstreams.ts'
import type { Applied, FromWorker, Ports, WorkerStart } from '../worker-protocol.ts'
import { StreamPorts } from './stream-ports.ts'

/** What Streams take from the worker around them. */
export type WorkerStreamsParts = {
  readonly start: WorkerStart
  readonly current: CurrentTable
  readonly upstreams: LiveUpstreams
  readonly deadlines: Deadlines
  /** Null: no access records. */
  readonly records: RecordBatch | null
  readonly tell: (message: FromWorker) => void
}

/** A share of the time that a stop has, so that connections are counted and recorded before the thread is ended. */
const DRAIN_SHARE = 0.9

/**
 * The Streams of a worker thread, and what the supervisor is told of them: that a step is applied only once every port of it
 * has been tried, so that whoever waits for it can rely on the ports, or is told why not.
 */
export class WorkerStreams {
  readonly #parts: WorkerStreamsParts
  readonly #metrics: StreamMetrics
  readonly #ports: StreamPorts
  readonly #own: Set<number>
  /** Applied, but not told yet. */
  #untold: Applied | null = null
  #whenTried: (() => void) | null = null
  /** What else is in quarantine. */
  #quarantined: readonly Quarantined[] = []

  constructor(parts: WorkerStreamsParts) {
    const { start, current, upstreams, deadlines, records } = parts
    const { network, metrics, index, drainMs } = start
    this.#parts = parts
    this.#metrics = new StreamMetrics(metrics, index)
    this.#own = new Set(start.ownPorts)
    this.#ports = new StreamPorts({
      deadlines,
      upstreams,
      metrics: this.#metrics,
      record: records === null ? null : (record, ms) => records.addConnection(record, ms),
      host: network.streamHost,
      rules: { allowed: network.streamPorts, own: this.#own },
      trusted: trustedProxiesOf(network)?.networks ?? null,
      drainMs: drainMs * DRAIN_SHARE,
      upstreamOf: (key) => upstreamOf(current.table, key),
      onSettled: () => this.#onPortsTried(),
    })
  }

  /** The worker listens on its own ports, and from now on on those of Streams: resolves once each has been tried. */
  async open({ http, https }: Ports, isShared: boolean): Promise<void> {
    this.#own.add(http)
    if (https !== null) this.#own.add(https)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenTried = resolve
    this.#ports.open(isShared)
    if (!this.#ports.isSettled) await promise
    this.#whenTried = null
  }

  /** The table has been swapped. */
  adopt(): void {
    const { streams } = this.#parts.current.table
    this.#ports.adopt(streams)
    this.#metrics.configChanged(this.#parts.deadlines.now(), (name) => streams.has(name))
  }

  /** A step is adopted: the supervisor is told, at once or when the ports have been tried. */
  applied(step: Applied, quarantined: readonly Quarantined[]): void {
    this.#quarantined = quarantined
    this.#untold = step
    if (this.#ports.isSettled) this.#tell()
  }

  drain(): Promise<void> {
    return this.#ports.drain()
  }

  #onPortsTried(): void {
    if (!this.#ports.isSettled) return
    this.#whenTried?.()
    this.#tell()
  }

  #tell(): void {
    const { current, tell } = this.#parts
    const quarantined = [...this.#quarantined, ...this.#ports.quarantined].slice(0, QUARANTINED_MAX)
    const details = { routes: current.table.routeCount, quarantined }
    const step = this.#untold
    this.#untold = null
    if (step === null) tell({ type: 'ports-tried', ...details })
    else tell({ type: 'applied', applied: step, ...details })
  }
}
