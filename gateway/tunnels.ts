import type { ByteStream } from './exchange.ts'
import { matchRoute } from '../shared/routing/table.ts'
import { TUNNEL_CHECK_MS, TUNNEL_DRAIN_MS, TUNNEL_IDLE_MS_MAX } from '../shared/limits.ts'
import type { CurrentTable } from './config/current-table.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { RequestContext } from './request-context.ts'
import { Splice, type SpliceOwner } from './splice.ts'

/** The two ends of a tunnel, and the request that it began with. */
export type TunnelEnds = {
  readonly client: ByteStream
  readonly target: ByteStream
  readonly context: RequestContext
}

/**
 * Connections on which another protocol is spoken (WebSocket above all): bytes go through as they are, with back-pressure. A
 * tunnel keeps the route and the target that it began with, whatever config comes; when that route is gone, or the worker
 * stops, it is given a while to end by itself.
 */
export class Tunnels {
  readonly #current: CurrentTable
  readonly #deadlines: Deadlines
  readonly #open = new Set<Tunnel>()

  constructor(current: CurrentTable, deadlines: Deadlines) {
    this.#current = current
    this.#deadlines = deadlines
  }

  /** Tunnels that are open; for tests and figures. */
  get count(): number {
    return this.#open.size
  }

  /** Ties the two ends together. `onClosed` is told once, when both are gone. */
  open(ends: TunnelEnds, onClosed: () => void): void {
    const tunnel = new Tunnel(ends, {
      deadlines: this.#deadlines,
      current: this.#current,
      onClosed: () => {
        this.#open.delete(tunnel)
        onClosed()
      },
    })
    this.#open.add(tunnel)
  }

  /** The worker stops: every tunnel has TUNNEL_DRAIN_MS to end. */
  drain(): void {
    for (const tunnel of this.#open) tunnel.drain()
  }
}

type TunnelParts = {
  readonly deadlines: Deadlines
  readonly current: CurrentTable
  readonly onClosed: () => void
}

class Tunnel implements SpliceOwner {
  readonly #splice: Splice
  readonly #context: RequestContext
  readonly #parts: TunnelParts
  readonly #deadline: Deadline
  #table: CurrentTable['table']
  #lastMovedMs: number
  #isDraining = false

  constructor({ client, target, context }: TunnelEnds, parts: TunnelParts) {
    this.#context = context
    this.#parts = parts
    this.#table = parts.current.table
    this.#lastMovedMs = parts.deadlines.now()
    this.#deadline = parts.deadlines.create(this)
    this.#deadline.set(TUNNEL_CHECK_MS)
    this.#splice = new Splice(client, target, this)
    this.#splice.start()
  }

  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#deadline.set(TUNNEL_DRAIN_MS)
  }

  onDeadline(): void {
    const silentMs = this.#parts.deadlines.now() - this.#lastMovedMs
    if (this.#isDraining || silentMs > TUNNEL_IDLE_MS_MAX) {
      this.#splice.close()
    } else if (this.#isRouteGone()) {
      this.drain()
    } else {
      this.#deadline.set(TUNNEL_CHECK_MS)
    }
  }

  onCarried(from: 'client' | 'target', size: number): void {
    this.#lastMovedMs = this.#parts.deadlines.now()
    if (from === 'client') this.#context.requestBytes += size
    else this.#context.responseBytes += size
  }

  onSpliceClosed(): void {
    this.#deadline.remove()
    this.#parts.onClosed()
  }

  /** Looks again only after a swap: a look costs a match. */
  #isRouteGone(): boolean {
    const { table } = this.#parts.current
    if (table === this.#table) return false
    this.#table = table
    const route = matchRoute(table, this.#context.exchange)
    return route === null || route.upstreamKey !== this.#context.route?.upstreamKey
  }
}
