import { CALLS_WAITING_PER_TARGET_MAX, REPLAYS_MAX } from '../../shared/limits.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Deadlines } from '../deadlines.ts'
import { Http1Call } from './http1-call.ts'
import { TargetConnection } from './target-connection.ts'
import { TlsSource } from './target-tls.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'
import { WaitQueue } from './wait-queue.ts'

/**
 * The connections of this thread to one target: as many as the upstream allows, the one used last taken first, so that those
 * that are not needed grow old together. Calls that find none wait in turn, within a bound and for a bounded time.
 */
export class TargetPool {
  readonly target: CompiledTarget
  readonly deadlines: Deadlines
  readonly connectMs: number
  readonly keepAliveMs: number
  readonly tls: TlsSource
  /** Left by the last TLS handshake, for the next one. */
  session: Buffer | null = null
  readonly #connectionsMax: number
  readonly #onEmpty: () => void
  readonly #onUnreachable: () => void
  /** Unused connections, the freshest last. */
  readonly #idle: TargetConnection[] = []
  /** Every connection but those for a change of protocol, which are not shared. */
  readonly #open = new Set<TargetConnection>()
  /** Of these, the ones that do not stand yet. 0 ≤ connecting ≤ open. */
  #connecting = 0
  readonly #apart = new Set<TargetConnection>()
  readonly #waiting: WaitQueue<Http1Call>
  #isClosing = false

  constructor(
    target: CompiledTarget,
    upstream: CompiledUpstream,
    parts: {
      readonly deadlines: Deadlines
      readonly onEmpty: () => void
      /** No connection came to stand. */
      readonly onUnreachable: () => void
    },
  ) {
    this.target = target
    this.deadlines = parts.deadlines
    this.connectMs = upstream.connectMs
    this.keepAliveMs = upstream.keepAliveMs
    this.tls = new TlsSource(upstream.tls, target.serverName, () => this.deadlines.now())
    this.#connectionsMax = upstream.connectionsMax
    this.#onEmpty = parts.onEmpty
    this.#waiting = new WaitQueue({
      deadlines: this.deadlines,
      connectMs: this.connectMs,
      onLate: () => this.#checkEmpty(),
    })
    this.#onUnreachable = parts.onUnreachable
  }

  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    return new Http1Call(this, request, handler)
  }

  /** Sends a call on a connection that is free, or lets it wait for one. */
  dispatch(call: Http1Call): void {
    if (call.request.needsHttp2) {
      call.onError({ code: 'UPSTREAM_PROTOCOL', detail: 'the target is spoken to over HTTP/1.1' })
      return
    }
    if (call.request.upgrade !== null) {
      const apart = this.#dial(call)
      if (apart !== null) this.#apart.add(apart)
      return
    }
    for (let free = this.#idle.pop(); free !== undefined; free = this.#idle.pop()) {
      if (!free.isUsable) continue
      free.take(call)
      return
    }
    // Those for whom a connection is being made are not counted.
    if (this.#waiting.length - this.#connecting >= CALLS_WAITING_PER_TARGET_MAX) {
      call.onError({ code: 'UPSTREAM_BUSY', detail: 'too many calls wait for the target' })
      return
    }
    this.#waiting.add(call)
    this.#connect()
  }

  /** Sends a call again, before all others, after its connection was found closed. False: often enough. */
  replay(call: Http1Call): boolean {
    if (call.replays >= REPLAYS_MAX) return false
    call.replays += 1
    this.#waiting.addFirst(call)
    this.#connect()
    return true
  }

  /** A call that waits was given up. */
  forget(call: Http1Call): void {
    this.#waiting.forget(call)
  }

  onConnected(connection: TargetConnection, forUpgrade: Http1Call | null): void {
    if (forUpgrade === null) {
      this.#connecting -= 1
      this.onIdle(connection)
    } else if (forUpgrade.isOver) {
      connection.close()
    } else {
      connection.take(forUpgrade)
    }
  }

  /** No connection came to stand: one call hears of it, the others go on trying. */
  onConnectFailed(failure: UpstreamFailure, forUpgrade: Http1Call | null): void {
    this.#onUnreachable()
    if (forUpgrade !== null) {
      if (!forUpgrade.isOver) forUpgrade.onError(failure)
      return
    }
    this.#connecting -= 1
    const call = this.#waiting.take()
    call?.onError(failure)
    this.#connect()
    this.#checkEmpty()
  }

  /** A connection has nothing to do. */
  onIdle(connection: TargetConnection): void {
    const call = this.#waiting.take()
    if (call !== undefined) connection.take(call)
    else if (this.#isClosing) connection.close()
    else this.#idle.push(connection)
  }

  /** A connection is closed or was handed over. */
  onGone(connection: TargetConnection): void {
    this.#apart.delete(connection)
    this.#open.delete(connection)
    const at = this.#idle.lastIndexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    // The place that it leaves is for a call that waits.
    this.#connect()
    this.#checkEmpty()
  }

  /** Takes no further calls; those under way are finished. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#idle.splice(0)) connection.close()
    this.#checkEmpty()
  }

  #connect(): void {
    while (this.#connecting < this.#waiting.length && this.#open.size < this.#connectionsMax) {
      const connection = this.#dial(null)
      if (connection === null) continue
      this.#connecting += 1
      this.#open.add(connection)
    }
  }

  /** Null: there is no connection to be had, and a call has heard why. */
  #dial(forUpgrade: Http1Call | null): TargetConnection | null {
    try {
      return new TargetConnection(this, forUpgrade)
    } catch (error) {
      // A certificate of the gateway's own that cannot be read: without it, it would be somebody else.
      const detail = error instanceof Error ? error.message : String(error)
      const call = forUpgrade ?? this.#waiting.take()
      call?.onError({ code: 'UPSTREAM_UNREACHABLE', detail })
      return null
    }
  }

  #checkEmpty(): void {
    if (!this.#isClosing || this.#open.size > 0 || this.#apart.size > 0) return
    if (this.#waiting.length > 0) return
    this.#waiting.close()
    this.#onEmpty()
  }
}
