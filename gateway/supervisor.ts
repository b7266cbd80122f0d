import { join } from 'node:path'
import type { Logger } from '../shared/logger.ts'
import { QUARANTINED_MAX, USAGE_FLUSH_MS_MAX } from '../shared/limits.ts'
import { VERSION } from '../shared/version.ts'
import type { GatewayReport } from '../shared/watch-protocol.ts'
import type { DefinitionsDirectory } from './config/definitions-dir.ts'
import { keyOf, nameOfText } from './config/definition-text.ts'
import { ControlAccess } from './config/control-access.ts'
import { ConfigFollower } from './config/follower.ts'
import { LastGoodFile, type LoadedConfig } from './config/last-good-file.ts'
import type { Delta } from './config/mirror.ts'
import { ServedConfig, type CheckText } from './config/served-config.ts'
import { prometheusText } from './metrics/prometheus.ts'
import { targetSeries } from './metrics/target-series.ts'
import type { GatewaySettings } from './options.ts'
import { CountReporter } from './config/count-reporter.ts'
import { UsageFile } from './quotas/usage-file.ts'
import { UsageReporter } from './quotas/usage-reporter.ts'
import { RecordFile } from './record-file.ts'
import { StatusServer } from './status-server.ts'
import { summarize } from './upstream/report.ts'
import { WorkerPool } from './worker-pool.ts'
import type { Applied } from './worker-protocol.ts'

/** Definitions checked between two looks at everything else. */
const CHECKS_PER_TURN = 200

/** Ports that were really taken, for options that said 0. */
export type GatewayPorts = {
  readonly httpPort: number
  /** Null without TLS. */
  readonly httpsPort: number | null
  readonly statusPort: number
}

type ConfigSource = NonNullable<GatewayReport['source']>

/**
 * The one thread of a gateway that is not in the way of requests: it keeps the config, gives it to the workers, saves
 * it, answers the status port, and reports.
 */
export class Supervisor {
  readonly #settings: GatewaySettings
  readonly #logger: Logger
  readonly #served = new ServedConfig()
  readonly #pool: WorkerPool
  readonly #status: StatusServer
  readonly #lastGood: LastGoodFile | null
  readonly #records: RecordFile | null
  readonly #usage: UsageReporter
  readonly #counts: CountReporter
  #access: ControlAccess | null = null
  #follower: ConfigFollower | null = null
  #directory: DefinitionsDirectory | null = null
  /** Deltas that wait for the schemas, in order; empty in the usual case of one version everywhere. */
  #unchecked: { readonly delta: Delta; readonly isTrusted: boolean }[] = []
  #checking: Promise<void> | null = null
  #check: CheckText | null = null
  #step = 0
  #swaps = 0
  #applied: Applied | null = null
  #source: ConfigSource
  #isStopping = false

  constructor(settings: GatewaySettings, logger: Logger) {
    this.#settings = settings
    this.#logger = logger
    this.#source = settings.definitionsDir === null ? 'control-plane' : 'definitions'
    const { records } = settings
    this.#records = records === null ? null : new RecordFile(records.destination, logger)
    const file = new UsageFile(join(settings.dataDir, 'usage.pending'), logger)
    const access = () => this.#access
    const { name } = settings
    this.#usage = new UsageReporter({ name, access, file, logger })
    this.#counts = new CountReporter({
      name,
      access,
      onAnswer: (answer) => this.#pool.learnCounts(answer),
      logger,
    })
    this.#pool = new WorkerPool({
      workers: settings.workers,
      addresses: { http: settings.http, https: settings.https },
      sealKeys: settings.sealKeys,
      sharesPort: settings.sharesPort,
      logger,
      metricsLevel: settings.metrics,
      limitCounters: settings.limitCounters,
      traces: settings.traces,
      usage: this.#usage,
      counts: this.#counts,
      network: settings.network,
      clients: settings.clients,
      ownPorts: [settings.http.port, settings.https?.port ?? 0, settings.status.port],
      drainMs: settings.drainMs,
      shedLateMs: settings.shedLateMs,
      routeDrainMs: settings.routeDrainMs,
      records:
        records === null || this.#records === null
          ? null
          : { settings: records.settings, file: this.#records },
      whole: () =>
        this.#step === 0 ? null : { parts: this.#served.whole(), to: this.#position() },
      onApplied: (applied) => this.#onApplied(applied),
    })
    this.#status = new StatusServer({
      isReady: () => this.#applied !== null && !this.#isStopping,
      status: () => this.#statusDocument(),
      metrics: () => this.#metricsText(),
      targets: async () => ({
        workers: this.#pool.listening,
        upstreams: await this.#pool.askTargets(),
      }),
    })
    this.#lastGood =
      settings.definitionsDir === null
        ? new LastGoodFile(settings.dataDir, logger, () => this.#served.saved())
        : null
  }

  /** Resolves once all ports listen. After a failure nothing is left running. */
  async start(): Promise<GatewayPorts> {
    try {
      const statusPort = await this.#status.listen(this.#settings.status)
      await this.#records?.open()
      await this.#pool.start()
      // The workers come up while the config is read; each adopts it before it listens.
      await this.#firstConfig()
      const { http: httpPort, https: httpsPort } = await this.#pool.listen()
      this.#follower?.start()
      const ports = { httpPort, httpsPort, statusPort }
      this.#logger.info({ ...ports, workers: this.#pool.listening }, 'gateway is up')
      return ports
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#follower?.stop()
    await this.#directory?.stop()
    await this.#pool.stop(this.#settings.drainMs)
    this.#counts.close()
    await this.#usage.close(USAGE_FLUSH_MS_MAX)
    await this.#records?.close()
    await this.#lastGood?.flush()
    await this.#status.close()
    this.#logger.info({}, 'gateway has stopped')
  }

  /** Begins the access log anew under its name. */
  reopenRecords(): void {
    this.#records?.reopen()
  }

  async #firstConfig(): Promise<void> {
    const { definitionsDir, dataDir, name, controlUrls, token, ca, labels } = this.#settings
    if (definitionsDir !== null) {
      await this.#followDirectory(definitionsDir)
      return
    }
    const loaded = (await this.#lastGood?.load()) ?? null
    if (loaded !== null) await this.#restore(loaded)
    const logger = this.#logger
    const access = new ControlAccess({ name, dataDir, token, ca, logger })
    this.#access = access
    await this.#usage.open()
    const options = { name, controlUrls, access, labels, logger }
    this.#follower = new ConfigFollower(options, this.#served.mirror, {
      onDelta: (delta, isTrusted) => this.#onDelta(delta, isTrusted),
      onConnection: ({ isConnected, url }) => {
        if (isConnected) this.#source = 'control-plane'
        this.#usage.follow(isConnected ? url : null)
        this.#counts.follow(isConnected ? url : null)
      },
    })
  }

  async #followDirectory(path: string): Promise<void> {
    const { DefinitionsDirectory: Directory } = await import('./config/definitions-dir.ts')
    this.#directory = new Directory(path, this.#logger, (config) => {
      const stepped = this.#served.mirror.snapshot(config)
      // The hash was made of the same texts a moment ago.
      if (stepped.ok) this.#adopt(stepped.delta, new Map())
    })
    await this.#directory.start()
  }

  async #restore(loaded: LoadedConfig): Promise<void> {
    const { revision, hash, bytes, isTrusted } = loaded
    this.#source = 'last-good-file'
    this.#step += 1
    const to = { step: this.#step, revision, hash }
    const isPlain = isTrusted && loaded.inForce.size === 0 && loaded.refused.size === 0
    // The workers compile while this thread takes the same bytes apart for its mirror.
    if (isPlain && bytes !== null) this.#pool.giveAll([shared(bytes)], to)
    this.#served.restore(loaded, isTrusted ? null : await this.#loadCheck())
    if (!isPlain || bytes === null) this.#pool.giveAll(this.#served.whole(), to)
    const definitions = this.#served.mirror.texts.size
    this.#logger.info({ revision, definitions }, 'serving from the last-good file')
  }

  #onDelta(delta: Delta, isTrusted: boolean): void {
    if (isTrusted && this.#checking === null) {
      this.#adopt(delta, new Map())
      return
    }
    this.#unchecked.push({ delta, isTrusted })
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = null
    })
  }

  /** Never rejects: a check returns what is wrong. */
  async #checkAll(): Promise<void> {
    const check = await this.#loadCheck()
    for (let next = this.#unchecked.shift(); next !== undefined; next = this.#unchecked.shift()) {
      const reasons = new Map<string, string>()
      const puts = next.isTrusted ? [] : next.delta.puts
      for (let at = 0; at < puts.length; at++) {
        const text = puts[at] ?? ''
        const name = nameOfText(text)
        const reason = check(text)
        if (reason !== null && name !== null) reasons.set(keyOf(name), reason)
        if (at % CHECKS_PER_TURN === CHECKS_PER_TURN - 1) await nextTurn()
      }
      this.#adopt(next.delta, reasons)
    }
  }

  async #loadCheck(): Promise<CheckText> {
    this.#check ??= (await import('./config/check-text.ts')).checkText
    return this.#check
  }

  #adopt(delta: Delta, reasons: ReadonlyMap<string, string>): void {
    if (this.#isStopping) return
    this.#step += 1
    const change = this.#served.step(delta, reasons)
    this.#pool.give(change, { step: this.#step, revision: delta.revision, hash: delta.hash })
    this.#lastGood?.changed(reasons.size > 0 ? null : delta)
  }

  #position(): Applied {
    return { step: this.#step, revision: this.#served.revision, hash: this.#served.hash }
  }

  #onApplied(applied: Applied): void {
    if (applied.step !== this.#applied?.step) this.#swaps += 1
    this.#applied = applied
    if (applied.step === this.#step) {
      const isChanged = this.#served.acknowledged(this.#pool.details.quarantined)
      if (isChanged) this.#lastGood?.changed(null)
    }
    this.#follower?.report(this.#report(applied))
  }

  #report(applied: Applied): GatewayReport {
    const { labels } = this.#settings
    return {
      revision: applied.revision,
      hash: applied.hash,
      version: VERSION,
      workers: this.#pool.listening,
      routes: this.#pool.details.routes,
      source: this.#source,
      ...(Object.keys(labels).length === 0 ? {} : { labels: { ...labels } }),
      quarantined: this.#served.quarantined.slice(0, QUARANTINED_MAX),
    }
  }

  async #statusDocument(): Promise<object> {
    const upstreams = await this.#pool.askTargets()
    const connection = this.#follower?.status ?? null
    const isAway = connection !== null && !connection.isConnected
    const since = connection?.lastConnectedAtMs ?? null
    return {
      name: this.#settings.name,
      version: VERSION,
      revision: this.#applied?.revision ?? 0,
      hash: this.#applied?.hash ?? this.#served.hash,
      source: this.#source,
      controlPlane: {
        connected: connection?.isConnected ?? false,
        url: connection?.url ?? null,
        ...(isAway ? { awaySince: since === null ? null : new Date(since).toISOString() } : {}),
      },
      workers: this.#pool.listening,
      routes: this.#pool.details.routes,
      quarantined: this.#served.quarantined.slice(0, QUARANTINED_MAX),
      targets: summarize(upstreams),
      labels: this.#settings.labels,
      lastGood: { notices: this.#lastGood?.notices ?? [] },
    }
  }

  async #metricsText(): Promise<string> {
    const upstreams = await this.#pool.askTargets()
    const counters = prometheusText(this.#pool.metrics, {
      version: VERSION,
      revision: this.#applied?.revision ?? 0,
      swaps: this.#swaps,
      workers: this.#pool.listening,
      workerRestarts: this.#pool.restarts,
      routes: this.#pool.details.routes,
      quarantined: this.#served.quarantined.length,
      isConnected: this.#follower?.status.isConnected ?? false,
      recordsLost: this.#records?.dropped ?? 0,
    })
    return counters + targetSeries(upstreams)
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A copy in memory that every worker reads without one of its own. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}
