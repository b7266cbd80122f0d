import { unreachable } from '../../shared/assert.ts'
import { describeError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { WATCH_RECONNECT_MS_MAX, WATCH_RECONNECT_MS_MIN } from '../../shared/limits.ts'
import { VERSION } from '../../shared/version.ts'
import type { GatewayReport } from '../../shared/watch-protocol.ts'
import type { Delta, Mirror } from './mirror.ts'
import { ControlAccess } from './control-access.ts'
import { Reporter } from './reporter.ts'
import { WatchReader } from './watch-reader.ts'
import { WatchStream } from './watch-stream.ts'

export type FollowerOptions = {
  readonly name: string
  /** Origins of nodes, tried in turn; at least one. */
  readonly controlUrls: readonly string[]
  /** As whom nodes are called; left out, as nobody. */
  readonly access?: ControlAccess
  readonly labels: Readonly<Record<string, string>>
  readonly logger: Logger
}

/** Who does something with the config that a follower keeps. */
export type FollowerSink = {
  /**
   * The mirror moved. `isTrusted`: the node runs this version, so it has checked the definitions with the same schemas.
   */
  onDelta(delta: Delta, isTrusted: boolean): void
  /** A watch opened, or the last one ended. */
  onConnection(status: ConnectionStatus): void
}

export type ConnectionStatus = {
  readonly isConnected: boolean
  /** The node that is watched, or was last. */
  readonly url: string
  /** Milliseconds since 1970; null when there never was a watch. */
  readonly lastConnectedAtMs: number | null
}

/**
 * Keeps a mirror equal to the control plane: watches one node, goes on with the next when it fails, resumes where it
 * was, and starts over from a snapshot when the hash says so. Reports what its owner has applied to the node that it
 * watches. Needs no workers, so that many can run in one process.
 */
export class ConfigFollower {
  readonly #options: FollowerOptions
  readonly #mirror: Mirror
  readonly #sink: FollowerSink
  readonly #reporter: Reporter
  readonly #access: ControlAccess
  #stream: WatchStream | null = null
  #timer: NodeJS.Timeout | null = null
  #at = 0
  #failures = 0
  #needsSnapshot = false
  #isStopped = false
  #status: ConnectionStatus

  constructor(options: FollowerOptions, mirror: Mirror, sink: FollowerSink) {
    this.#options = options
    this.#mirror = mirror
    this.#sink = sink
    this.#status = {
      isConnected: false,
      url: options.controlUrls[0] ?? '',
      lastConnectedAtMs: null,
    }
    const { name, logger } = options
    this.#access =
      options.access ?? new ControlAccess({ name, dataDir: '', token: null, ca: null, logger })
    this.#reporter = new Reporter({ name, access: this.#access }, (reason) => {
      options.logger.debug({ url: this.#status.url, reason }, 'a report did not arrive')
    })
  }

  get status(): ConnectionStatus {
    return this.#status
  }

  start(): void {
    this.#connect()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#stream?.close()
    this.#reporter.close()
    this.#access.close()
  }

  /** Tells the node what is applied now: at once, and again every REPORT_MS until the next call. */
  report(report: GatewayReport): void {
    this.#reporter.report(report)
  }

  #connect(): void {
    const { controlUrls } = this.#options
    const url = controlUrls[this.#at % controlUrls.length] ?? ''
    if (!this.#access.needsPreparing(url)) {
      this.#watch(url)
      return
    }
    // Both outcomes are handled; neither handler throws.
    void this.#access.prepare(url).then(
      () => this.#watch(url),
      (error: unknown) => this.#ended(url, describeError(error)),
    )
  }

  #watch(url: string): void {
    if (this.#isStopped) return
    const reader = new WatchReader(this.#mirror)
    let isTrusted = false
    const { token } = this.#access
    const agent = this.#access.agent(url, { keepAlive: false })
    const stream = new WatchStream(
      { origin: url, path: this.#path(), token, agent },
      {
        onOpen: (version) => {
          isTrusted = version === VERSION
          this.#opened(url)
        },
        onLine: (line) => this.#read(reader, line, isTrusted),
        onEnd: (reason) => {
          if (this.#stream === stream) this.#ended(url, reason)
        },
      },
    )
    this.#stream = stream
    stream.open()
  }

  #path(): string {
    const query = new URLSearchParams({ gateway: this.#options.name })
    const { revision } = this.#mirror
    if (revision !== null && !this.#needsSnapshot) query.set('from', String(revision))
    for (const [key, value] of Object.entries(this.#options.labels))
      query.set(`label.${key}`, value)
    return `/v1/watch?${query.toString()}`
  }

  #opened(url: string): void {
    this.#status = { isConnected: true, url, lastConnectedAtMs: Date.now() }
    this.#options.logger.info({ url, revision: this.#mirror.revision }, 'watching a node')
    this.#access.follow(url)
    this.#reporter.follow(url)
    this.#sink.onConnection(this.#status)
  }

  #read(reader: WatchReader, line: string, isTrusted: boolean): boolean {
    const result = reader.read(line)
    switch (result.type) {
      case 'step':
        this.#failures = 0
        this.#needsSnapshot = false
        this.#sink.onDelta(result.delta, isTrusted)
        return true
      case 'alive':
        this.#failures = 0
        return true
      case 'nothing':
        return true
      case 'closed':
        this.#options.logger.info({ reason: result.reason }, 'the node closes the watch')
        return true
      case 'broken':
        if (result.needsSnapshot) this.#needsSnapshot = true
        this.#options.logger.warn({ reason: result.reason }, 'the watch cannot be followed')
        return false
      default:
        return unreachable(result)
    }
  }

  #ended(url: string, reason: string): void {
    this.#stream = null
    if (this.#isStopped) return
    const wasConnected = this.#status.isConnected
    if (wasConnected) {
      this.#status = { ...this.#status, isConnected: false, lastConnectedAtMs: Date.now() }
      this.#reporter.follow(null)
      this.#options.logger.warn({ url, reason }, 'the watch ended; serving on')
      this.#sink.onConnection(this.#status)
    } else {
      // A token that is refused stays refused until somebody gives another: that must not be overlooked.
      const isRefused = /^40[13] /.test(reason)
      const log = this.#options.logger
      if (isRefused) log.warn({ url, reason }, 'a node refuses this gateway')
      else log.debug({ url, reason }, 'a node cannot be watched')
    }
    this.#at += 1
    this.#failures += 1
    this.#timer = setTimeout(() => this.#connect(), this.#delayMs())
  }

  /** The other nodes are tried at once; then each round waits longer, and every gateway a little differently. */
  #delayMs(): number {
    const { length } = this.#options.controlUrls
    const round = Math.ceil(this.#failures / length) - 1
    if (this.#failures < length) return 0
    const delayMs = Math.min(WATCH_RECONNECT_MS_MAX, WATCH_RECONNECT_MS_MIN * 2 ** round)
    return delayMs * (0.5 + Math.random() / 2)
  }
}
