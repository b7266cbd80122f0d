import type { ByteStream } from './exchange.ts'
import { TUNNEL_CHECK_MS, TUNNEL_DRAIN_MS, TUNNEL_IDLE_MS_MAX } from '../shared/limits.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { HeldRoutes, RouteHolder } from './held-routes.ts'
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
 * tunnel keeps the route and the target that it began with, whatever config comes (`HeldRoutes`); when the worker stops, it
 * is given a while to end by itself.
 */
export class Tunnels {
  readonly #deadlines: Deadlines
  readonly #heldRoutes: HeldRoutes
  readonly #open = new Set<Tunnel>()

  constructor(deadlines: Deadlines, heldRoutes: HeldRoutes) {
    this.#deadlines = deadlines
    this.#heldRoutes = heldRoutes
  }

  /** Tunnels that are open; for tests and figures. */
  get count(): number {
    return this.#open.size
  }

  /** Ties the two ends together. `onClosed` is told once, when both are gone. */
  open(ends: TunnelEnds, onClosed: () => void): void {
    const tunnel = new Tunnel(ends, {
      deadlines: this.#deadlines,
      onClosed: () => {
        this.#open.delete(tunnel)
        this.#heldRoutes.release(tunnel)
        onClosed()
      },
    })
    this.#open.add(tunnel)
    this.#heldRoutes.hold(tunnel, ends.context)
  }

  /** The worker stops: every tunnel has TUNNEL_DRAIN_MS to end. */
  drain(): void {
    for (const tunnel of this.#open) tunnel.drain()
  }
}

type TunnelParts = {
  readonly deadlines: Deadlines
  readonly onClosed: () => void
}

class Tunnel implements SpliceOwner, RouteHolder {
  readonly #splice: Splice
  readonly #context: RequestContext
  readonly #parts: TunnelParts
  readonly #deadline: Deadline
  #lastMovedMs: number
  #isDraining = false

  constructor({ client, target, context }: TunnelEnds, parts: TunnelParts) {
    this.#context = context
    this.#parts = parts
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

  onRouteGone(): void {
    this.#context.code = 'ROUTE_REMOVED'
    this.#splice.close()
  }

  onDeadline(): void {
    const silentMs = this.#parts.deadlines.now() - this.#lastMovedMs
    if (this.#isDraining || silentMs > TUNNEL_IDLE_MS_MAX) this.#splice.close()
    else this.#deadline.set(TUNNEL_CHECK_MS)
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
}
