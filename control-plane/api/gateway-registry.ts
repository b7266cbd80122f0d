import {
  GATEWAY_FORGOTTEN_MS,
  GATEWAYS_MAX,
  GATEWAYS_NODE_SILENT_MS,
  GATEWAYS_PUBLISH_MS_MIN,
  REPORT_MS,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { GatewayReport } from '../../shared/watch-protocol.ts'
import type { ControlPlane, GatewayStatus } from '../ports.ts'

type Labels = Readonly<Record<string, string>>

/** A gateway that told this node its name. Times are of the monotonic clock, in milliseconds. */
type OwnGateway = {
  readonly name: string
  /** Open watches that carry its name. */
  watches: number
  /** It has ever watched by name: then the watch says whether it is connected, and otherwise its reports do. */
  isWatcher: boolean
  labels: Labels
  report: GatewayReport | null
  heardAt: number
  /** What begins each of its open watches anew, from a snapshot. */
  readonly resyncs: Set<() => void>
  resyncedAt: number
}

type RemoteNode = {
  heardAt: number
  readonly gateways: Map<string, { readonly status: GatewayStatus; readonly heardAt: number }>
}

/** `status` is null when the gateway is known no more. */
export type GatewayListener = (name: string, status: GatewayStatus | null) => void

export type GatewayRegistryOptions = {
  readonly plane: ControlPlane
  readonly logger: Logger
  /** The config hash at a revision, if it is known. */
  readonly hashAt: (revision: number) => string | null
}

/**
 * What the cluster knows of its gateways: those of this node from their watches and reports, the others from what
 * nodes publish to each other. Soft state: a node that starts learns it anew.
 */
export class GatewayRegistry {
  readonly #options: GatewayRegistryOptions
  readonly #own = new Map<string, OwnGateway>()
  readonly #nodes = new Map<string, RemoteNode>()
  readonly #listeners = new Set<GatewayListener>()
  readonly #stops: (() => void)[]
  #publication: NodeJS.Timeout | null = null
  #publishedAt = Number.NEGATIVE_INFINITY

  constructor(options: GatewayRegistryOptions) {
    this.#options = options
    options.plane.gateways.answerWith(() => this.#connectedHere())
    const refresh = setInterval(() => this.#refresh(), REPORT_MS)
    this.#stops = [
      options.plane.gateways.onGateways((node, gateways) => this.#onPublished(node, gateways)),
      () => options.plane.gateways.answerWith(() => []),
      () => clearInterval(refresh),
    ]
  }

  /** A gateway opened a watch under its name; call what is returned when the watch ends. */
  watchOpened(name: string, labels: Labels): () => void {
    const gateway = this.#know(name)
    gateway.isWatcher = true
    gateway.labels = labels
    gateway.heardAt = performance.now()
    // What an earlier connection reported is not what this one serves: the process may have been restarted.
    if (gateway.watches === 0) gateway.report = null
    gateway.watches++
    this.#changed(name)
    return () => {
      gateway.watches--
      gateway.heardAt = performance.now()
      this.#changed(name)
    }
  }

  /** How the watch of a gateway begins anew; call what is returned when the watch ends. */
  resyncBy(name: string, resync: () => void): () => void {
    const { resyncs } = this.#know(name)
    resyncs.add(resync)
    return () => resyncs.delete(resync)
  }

  /** Takes in what a gateway says it serves. One that has another config than this node is given all of it anew. */
  report(name: string, report: GatewayReport): void {
    const gateway = this.#know(name)
    const expected = this.#options.hashAt(report.revision)
    if (expected !== null && expected !== report.hash) {
      const fields = { gateway: name, revision: report.revision, hash: report.hash, expected }
      this.#resync(gateway, fields)
    }
    gateway.report = report
    gateway.heardAt = performance.now()
    this.#changed(name)
  }

  /** Every known gateway of the cluster, by name. */
  list(): { readonly status: GatewayStatus; readonly labels: Labels }[] {
    const names = new Set(this.#own.keys())
    for (const { gateways } of this.#nodes.values())
      for (const name of gateways.keys()) names.add(name)
    return [...names].sort().flatMap((name) => {
      const status = this.status(name)
      const labels = { ...this.#own.get(name)?.labels, ...status?.report?.labels }
      return status === null ? [] : [{ status, labels }]
    })
  }

  /** One gateway, as the node has it that it is connected to, or that heard from it last. */
  status(name: string): GatewayStatus | null {
    const now = performance.now()
    const own = this.#own.get(name)
    let best = own === undefined ? null : this.#statusOf(own, now)
    for (const node of this.#nodes.values()) {
      const entry = node.gateways.get(name)
      if (entry === undefined) continue
      const isSilent = now - node.heardAt > GATEWAYS_NODE_SILENT_MS
      const status = {
        ...entry.status,
        connected: entry.status.connected && !isSilent,
        lastReportMs: Math.round(now - entry.heardAt),
      }
      if (best === null || isBetter(status, best)) best = status
    }
    return best
  }

  /**
   * Learns which gateways are connected anywhere now, not only when their nodes come to publish it. Resolves when every
   * node that is there has answered, or when the time is over.
   */
  async refresh(timeoutMs: number): Promise<void> {
    for (const [node, names] of await this.#options.plane.gateways.ask(timeoutMs)) {
      const now = performance.now()
      const remote = this.#nodes.get(node) ?? { heardAt: now, gateways: new Map() }
      remote.heardAt = now
      this.#nodes.set(node, remote)
      for (const name of names.slice(0, GATEWAYS_MAX)) {
        if (remote.gateways.get(name)?.status.connected === true) continue
        // What it serves comes with the node's next publication.
        const status = { name, node, connected: true, lastReportMs: 0, report: null }
        remote.gateways.set(name, { status, heardAt: now })
        this.#tell(name)
      }
    }
  }

  /** Calls for every gateway about which something changed. Returns the way to stop. */
  onChange(listener: GatewayListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    for (const stop of this.#stops) stop()
    if (this.#publication !== null) clearTimeout(this.#publication)
    this.#publication = null
    this.#listeners.clear()
  }

  #resync(gateway: OwnGateway, fields: Readonly<Record<string, unknown>>): void {
    const now = performance.now()
    // The same again before it can have taken the snapshot says nothing new.
    if (now - gateway.resyncedAt < REPORT_MS) return
    gateway.resyncedAt = now
    this.#options.logger.error(fields, 'a gateway has another config than this node: sent anew')
    for (const resync of gateway.resyncs) resync()
  }

  #know(name: string): OwnGateway {
    const known = this.#own.get(name)
    if (known !== undefined) return known
    if (this.#own.size >= GATEWAYS_MAX) this.#forgetLongestSilent()
    const gateway: OwnGateway = {
      name,
      watches: 0,
      isWatcher: false,
      labels: {},
      report: null,
      heardAt: performance.now(),
      resyncs: new Set(),
      resyncedAt: Number.NEGATIVE_INFINITY,
    }
    this.#own.set(name, gateway)
    return gateway
  }

  #statusOf(own: OwnGateway, now: number): GatewayStatus {
    const isReporting = !own.isWatcher && now - own.heardAt <= GATEWAYS_NODE_SILENT_MS
    return {
      name: own.name,
      node: this.#options.plane.self.name,
      connected: own.watches > 0 || isReporting,
      lastReportMs: Math.round(now - own.heardAt),
      report: own.report,
    }
  }

  #connectedHere(): readonly string[] {
    const now = performance.now()
    return [...this.#own.values()]
      .filter((own) => this.#statusOf(own, now).connected)
      .map(({ name }) => name)
  }

  #changed(name: string): void {
    this.#publishSoon()
    this.#tell(name)
  }

  #tell(name: string): void {
    if (this.#listeners.size === 0) return
    const status = this.status(name)
    for (const listener of this.#listeners) listener(name, status)
  }

  /** Many reports at once are one publication; a thousand gateways are published less often than ten. */
  #publishSoon(): void {
    if (this.#publication !== null) return
    const shortestMs = Math.max(GATEWAYS_PUBLISH_MS_MIN, this.#own.size / 10)
    const waitMs = Math.max(0, this.#publishedAt + shortestMs - performance.now())
    this.#publication = setTimeout(() => this.#publish(), waitMs)
  }

  #publish(): void {
    if (this.#publication !== null) clearTimeout(this.#publication)
    this.#publication = null
    const now = performance.now()
    this.#publishedAt = now
    const gateways = [...this.#own.values()].map((own) => this.#statusOf(own, now))
    this.#options.plane.gateways.publish(gateways)
  }

  #onPublished(node: string, gateways: readonly GatewayStatus[]): void {
    const now = performance.now()
    const before = this.#nodes.get(node)?.gateways
    const wasSilent = now - (this.#nodes.get(node)?.heardAt ?? now) > GATEWAYS_NODE_SILENT_MS
    const remote: RemoteNode = { heardAt: now, gateways: new Map() }
    this.#nodes.set(node, remote)
    for (const status of gateways.slice(0, GATEWAYS_MAX)) {
      remote.gateways.set(status.name, { status, heardAt: now - status.lastReportMs })
    }
    for (const [name, { status }] of remote.gateways) {
      const old = before?.get(name)?.status
      if (wasSilent || old === undefined || isChanged(old, status)) this.#tell(name)
    }
    for (const name of before?.keys() ?? []) {
      if (!remote.gateways.has(name)) this.#tell(name)
    }
  }

  /** Every few seconds: says again what it knows, and finds out who went silent. */
  #refresh(): void {
    const now = performance.now()
    for (const own of this.#own.values()) {
      const silentMs = now - own.heardAt
      if (own.watches === 0 && silentMs > GATEWAY_FORGOTTEN_MS) this.#own.delete(own.name)
      if (own.watches === 0 && silentMs > GATEWAYS_NODE_SILENT_MS) this.#tell(own.name)
    }
    for (const [name, node] of this.#nodes) {
      const silentMs = now - node.heardAt
      if (silentMs > GATEWAY_FORGOTTEN_MS) this.#nodes.delete(name)
      if (silentMs <= GATEWAYS_NODE_SILENT_MS) continue
      for (const gateway of node.gateways.keys()) this.#tell(gateway)
    }
    this.#publish()
  }

  #forgetLongestSilent(): void {
    let oldest: OwnGateway | null = null
    for (const own of this.#own.values()) {
      if (own.watches === 0 && (oldest === null || own.heardAt < oldest.heardAt)) oldest = own
    }
    if (oldest === null) return // Every one is connected, and watches have their own bound.
    this.#own.delete(oldest.name)
    this.#changed(oldest.name)
  }
}

/** A connected gateway's node knows it best; among equals, the one that heard from it last. */
function isBetter(a: GatewayStatus, b: GatewayStatus): boolean {
  if (a.connected !== b.connected) return a.connected
  return a.lastReportMs < b.lastReportMs
}

function isChanged(a: GatewayStatus, b: GatewayStatus): boolean {
  return (
    a.connected !== b.connected ||
    a.report?.revision !== b.report?.revision ||
    a.report?.hash !== b.report?.hash ||
    a.report?.quarantined.length !== b.report?.quarantined.length
  )
}
