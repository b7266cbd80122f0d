import { randomInt } from 'node:crypto'
import type { SealKeys } from '../shared/definitions/seal.ts'
import { RaftwayError } from '../shared/errors.ts'
import {
  DRAIN_QUIET_MS_MAX,
  DRAIN_QUIET_SHARE,
  TICKET_KEY_MS,
  WORKER_RESTART_MS_MAX,
  WORKER_RESTART_MS_MIN,
} from '../shared/limits.ts'
import type { Logger } from '../shared/logger.ts'
import type { ClientBounds } from './client-bounds.ts'
import type { WorkerChange } from './config/served-config.ts'
import { makeCounterMemory, type CounterMemory } from './limits/counter-memory.ts'
import { releaseWorker } from './limits/counters.ts'
import { makeMetrics, type MetricsLevel, type MetricsMemory } from './metrics/slots.ts'
import type { NetworkSettings } from './network-options.ts'
import type { Counted, CountsAnswer } from '../shared/count-protocol.ts'
import type { CountReporter } from './config/count-reporter.ts'
import type { UsageCount } from '../shared/usage-protocol.ts'
import type { UsageReporter } from './quotas/usage-reporter.ts'
import type { RecordFile } from './record-file.ts'
import type { RecordSettings } from './records/settings.ts'
import { canSharePorts, checkPortIsFree } from './shared-port.ts'
import { TicketKeyMaker } from './tls/ticket-keys.ts'
import { mergeReports, type UpstreamReport } from './upstream/report.ts'
import type { TraceSettings } from './tracing/settings.ts'
import { WorkerLink, type LinkHandler, type WorkerDetails } from './worker-link.ts'
import type { Addresses, Applied, Ports } from './worker-protocol.ts'

export type PoolParts = {
  readonly workers: number
  readonly addresses: Addresses
  /** Keys that open the secrets of definitions. */
  readonly sealKeys: SealKeys
  /** Another gateway may have the port, which this one takes over from. */
  readonly sharesPort: boolean
  readonly logger: Logger
  readonly metricsLevel: MetricsLevel
  /** Counters of rate limits that there is room for. */
  readonly limitCounters: number
  /** Where spans go; null: nowhere. */
  readonly traces: TraceSettings | null
  /** How requests are recorded, and where; null: not at all. */
  readonly records: { readonly settings: RecordSettings; readonly file: RecordFile } | null
  readonly usage: Pick<UsageReporter, 'add' | 'forget'>
  readonly counts: Pick<CountReporter, 'add'>
  readonly network: NetworkSettings
  readonly clients: ClientBounds
  readonly ownPorts: readonly number[]
  readonly drainMs: number
  readonly shedLateMs: number
  readonly routeDrainMs: number
  /** Everything that is served now, for a worker that takes the place of a dead one; null while there is no config. */
  readonly whole: () => {
    readonly parts: readonly WorkerChange[]
    readonly to: Applied
  } | null
  /** Every worker that listens has applied a step. */
  readonly onApplied: (applied: Applied, details: WorkerDetails) => void
}

/** The worker threads of a gateway: one port, one set of counters, one config. A thread that dies is replaced. */
export class WorkerPool implements LinkHandler {
  readonly metrics: MetricsMemory
  readonly #counters: CounterMemory
  readonly #parts: PoolParts
  #workers: number
  readonly #links = new Map<number, WorkerLink>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** 0 until the first worker has found one. */
  #ports: Ports = { http: 0, https: null }
  /** The same tickets are good in every worker. Null: no https port. */
  readonly #ticketKeys: TicketKeyMaker | null
  #isShared = true
  #isStopping = false
  #restarts = 0
  /** Deaths in a row without a worker that came up. */
  #failures = 0
  #details: WorkerDetails = { routes: 0, quarantined: [] }
  #appliedStep = 0
  #whenListening: {
    resolve: (ports: Ports) => void
    reject: (error: Error) => void
  } | null = null
  #whenGone: (() => void) | null = null

  constructor(parts: PoolParts) {
    this.#parts = parts
    this.#workers = parts.workers
    this.#ticketKeys = parts.addresses.https === null ? null : new TicketKeyMaker(TICKET_KEY_MS)
    this.metrics = makeMetrics(parts.workers, parts.metricsLevel)
    this.#counters = makeCounterMemory(parts.limitCounters, parts.workers, [
      randomInt(2 ** 32),
      randomInt(2 ** 32),
    ])
  }

  /** Whether every port is known that workers share. */
  get #hasPorts(): boolean {
    return this.#ports.http !== 0 && this.#ports.https !== 0
  }

  /** Workers that accept connections. */
  get listening(): number {
    return [...this.#links.values()].filter((link) => link.isListening).length
  }

  get restarts(): number {
    return this.#restarts
  }

  /** What the workers said of the newest config that all of them serve. */
  get details(): WorkerDetails {
    return this.#details
  }

  /** What the workers that answer in time know of the upstreams that live in them. */
  async askTargets(): Promise<readonly UpstreamReport[]> {
    const answers = await Promise.all([...this.#links.values()].map((link) => link.askTargets()))
    return mergeReports(answers.filter((answer) => answer !== null))
  }

  /** Starts the threads, which do not listen yet. Throws when the port is taken. */
  async start(): Promise<void> {
    const { addresses, logger } = this.#parts
    const { http, https } = addresses
    this.#ports = { http: http.port, https: https === null ? null : https.port }
    if (!(await canSharePorts(http.host))) {
      this.#isShared = false
      if (this.#workers > 1) {
        logger.warn({ workers: 1 }, 'this platform cannot share a port between threads: one worker')
      }
      this.#workers = 1
    }
    for (const address of [http, https]) {
      if (address === null || address.port === 0 || this.#parts.sharesPort) continue
      await checkPortIsFree(address)
    }
    for (let index = 0; index < this.#workers; index++) this.#spawn(index)
  }

  /** Lets every worker listen, after what it was given before; resolves with the ports once all do. */
  async listen(): Promise<Ports> {
    const { promise, resolve, reject } = Promise.withResolvers<Ports>()
    this.#whenListening = { resolve, reject }
    // With port 0 the first worker finds the port that the others share.
    for (const link of this.#links.values()) {
      if (this.#hasPorts || link.index === 0) this.#letListen(link)
    }
    return promise
  }

  /** The whole config, for workers that have none; `bytes` instead of texts where they are at hand. */
  giveAll(parts: readonly (WorkerChange | Uint8Array)[], to: Applied): void {
    for (const link of this.#links.values()) link.giveAll(parts, to)
  }

  /** One step further. */
  give(change: WorkerChange, to: Applied): void {
    for (const link of this.#links.values()) link.give(change, to)
  }

  /** Stops accepting, lets requests finish for at most `drainMs`, and ends the threads. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true
    this.#ticketKeys?.stop()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#whenListening?.reject(new RaftwayError('STOPPING', 'the gateway was stopped'))
    this.#whenListening = null
    if (this.#links.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenGone = resolve
    const quietMs = Math.min(DRAIN_QUIET_MS_MAX, drainMs / DRAIN_QUIET_SHARE)
    for (const link of this.#links.values()) link.drain(quietMs)
    const timer = setTimeout(() => {
      this.#parts.logger.warn({ drainMs }, 'requests under way were cut off')
      for (const link of this.#links.values()) void link.terminate()
    }, drainMs)
    await promise
    clearTimeout(timer)
  }

  onApplied(link: WorkerLink, details: WorkerDetails): void {
    this.#failures = 0
    if (link.index === Math.min(...this.#links.keys())) this.#details = details
    this.#settle()
  }

  onPortsTried(link: WorkerLink, details: WorkerDetails): void {
    if (link.index !== Math.min(...this.#links.keys())) return
    this.#details = details
    const { applied } = link
    // A later step takes it along.
    if (applied?.step === this.#appliedStep) this.#parts.onApplied(applied, details)
  }

  onListening(link: WorkerLink, ports: Ports): void {
    this.#failures = 0
    const isFirst = !this.#hasPorts
    this.#ports = ports
    if (isFirst) {
      for (const other of this.#links.values()) if (other !== link) this.#letListen(other)
    }
    if (this.listening === this.#workers) {
      this.#whenListening?.resolve(ports)
      this.#whenListening = null
    }
    this.#settle()
  }

  onListenFailed(
    link: WorkerLink,
    failure: { readonly code: string; readonly reason: string },
  ): void {
    this.#parts.logger.error({ worker: link.index, ...failure }, 'a worker cannot listen')
    this.#whenListening?.reject(new RaftwayError('INTERNAL', failure.reason, { extra: failure }))
    this.#whenListening = null
    // Its place is taken by another try, later each time.
    void link.terminate()
  }

  onRecords(link: WorkerLink, lines: string, records: number): void {
    this.#parts.records?.file.write(lines, records, () => link.recordsTaken(lines.length))
  }

  onCounts(counts: readonly Counted[]): void {
    this.#parts.counts.add(counts)
  }

  /** One worker counts what others have, in memory that all of them share. */
  learnCounts({ seed, counts }: CountsAnswer): void {
    let left: CountsAnswer['counts'] = counts
    for (const link of this.#links.values()) {
      link.learnCounts({ seed, counts: left })
      left = []
    }
  }

  onUsage(link: WorkerLink, batch: number, counts: readonly UsageCount[]): void {
    this.#parts.usage.add(link, batch, counts)
  }

  onDrained(link: WorkerLink): void {
    void link.terminate()
  }

  onGone(link: WorkerLink, reason: string): void {
    this.#links.delete(link.index)
    this.#parts.usage.forget(link)
    releaseWorker(this.#counters, link.index, this.#parts.workers)
    if (this.#isStopping) {
      if (this.#links.size === 0) this.#whenGone?.()
      return
    }
    this.#restarts += 1
    this.#failures += 1
    const delayMs = Math.min(
      WORKER_RESTART_MS_MAX,
      WORKER_RESTART_MS_MIN * 2 ** (this.#failures - 1),
    )
    this.#parts.logger.error({ worker: link.index, reason, delayMs }, 'a worker died')
    this.#settle()
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#replace(link.index)
    }, delayMs)
    this.#timers.add(timer)
  }

  #spawn(index: number): WorkerLink {
    const ticketKeys = this.#ticketKeys?.memory ?? null
    const link = new WorkerLink(
      {
        index,
        metrics: this.metrics,
        counters: this.#counters,
        records: this.#parts.records?.settings ?? null,
        traces: this.#parts.traces,
        network: this.#parts.network,
        clients: this.#parts.clients,
        sealKeys: this.#parts.sealKeys,
        tls: ticketKeys === null ? null : { ticketKeys },
        ownPorts: this.#parts.ownPorts,
        drainMs: this.#parts.drainMs,
        shedLateMs: this.#parts.shedLateMs,
        routeDrainMs: this.#parts.routeDrainMs,
      },
      this,
    )
    this.#links.set(index, link)
    return link
  }

  /** A new worker gets the whole config before it listens: it never answers NO_CONFIG beside others that serve. */
  #replace(index: number): void {
    const link = this.#spawn(index)
    const whole = this.#parts.whole()
    if (whole !== null) link.giveAll(whole.parts, whole.to)
    if (this.#hasPorts || this.#links.size === 1) this.#letListen(link)
  }

  #letListen(link: WorkerLink): void {
    const { http, https } = this.#parts.addresses
    const ports = this.#ports
    const addresses = {
      http: { host: http.host, port: ports.http },
      https: https === null ? null : { host: https.host, port: ports.https ?? 0 },
    }
    link.listen(addresses, this.#isShared)
  }

  /** A step counts when every worker that takes connections serves it. */
  #settle(): void {
    let least: Applied | null = null
    for (const { isListening, applied } of this.#links.values()) {
      if (!isListening) continue
      if (applied === null) return
      if (least === null || applied.step < least.step) least = applied
    }
    if (least === null || least.step <= this.#appliedStep) return
    this.#appliedStep = least.step
    this.#parts.onApplied(least, this.#details)
  }
}
