import { CALLS_WAITING_PER_TARGET_MAX, REPLAYS_MAX } from '../../shared/limits.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Deadlines } from '../deadlines.ts'
import { Http2Call } from './http2-call.ts'
import { TargetSession } from './target-session.ts'
import { TlsSource } from './target-tls.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'
import { WaitQueue } from './wait-queue.ts'

/**
 * The connections of this thread to one target that speaks HTTP/2: one, and another only while all that stand carry as many
 * calls as the target allows. Calls that find no room wait in turn, within a bound and for a bounded time.
 */
export class Http2Pool {
  readonly target: CompiledTarget
  readonly deadlines: Deadlines
  readonly connectMs: number
  readonly keepAliveMs: number
  readonly tls: TlsSource
  /** The target chose HTTP/1.1 in a handshake; null: it is not offered that. */
  readonly onHttp1: (() => void) | null
  /** Left by the last TLS handshake, for the next one. */
  session: Buffer | null = null
  readonly #connectionsMax: number
  readonly #onEmpty: () => void
  /** Those that take calls, the oldest first. */
  readonly #ready: TargetSession[] = []
  /** Those that only finish what they carry. */
  readonly #leaving = new Set<TargetSession>()
  #connecting: TargetSession | null = null
  readonly #waiting: WaitQueue<Http2Call>
  #isClosing = false

  constructor(
    target: CompiledTarget,
    upstream: CompiledUpstream,
    parts: {
      readonly deadlines: Deadlines
      readonly onEmpty: () => void
      readonly onHttp1: (() => void) | null
    },
  ) {
    this.target = target
    this.deadlines = parts.deadlines
    this.connectMs = upstream.connectMs
    this.keepAliveMs = upstream.keepAliveMs
    this.#connectionsMax = upstream.connectionsMax
    this.#onEmpty = parts.onEmpty
    this.#waiting = new WaitQueue({
      deadlines: this.deadlines,
      connectMs: this.connectMs,
      onLate: () => this.#checkEmpty(),
    })
    this.onHttp1 = parts.onHttp1
    this.tls = new TlsSource(upstream.tls, target.serverName, () => this.deadlines.now())
  }

  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    return new Http2Call(this, request, handler)
  }

  /** Sends a call on a connection that has room, or lets it wait for one. */
  dispatch(call: Http2Call): void {
    const free = this.#ready.find((session) => session.hasRoom)
    if (free !== undefined) {
      call.onTaken(free)
      return
    }
    if (this.#waiting.length >= CALLS_WAITING_PER_TARGET_MAX) {
      call.onError({ code: 'UPSTREAM_BUSY', detail: 'too many calls wait for the target' })
      return
    }
    this.#waiting.add(call)
    this.#connect()
  }

  /** Sends a call again that no target has looked at. False: often enough. */
  replay(call: Http2Call): boolean {
    if (call.replays >= REPLAYS_MAX) return false
    call.replays += 1
    this.dispatch(call)
    return true
  }

  /** A call that waits was given up. */
  forget(call: Http2Call): void {
    this.#waiting.forget(call)
  }

  onConnected(session: TargetSession): void {
    this.#connecting = null
    this.#ready.push(session)
    this.onRoom()
    if (this.#isClosing) session.release()
  }

  /** No connection came to stand. Whoever can wait for another one does; the others waited for this one. */
  onConnectFailed(failure: UpstreamFailure): void {
    this.#connecting = null
    if (this.#ready.length === 0) {
      for (const call of this.#waiting.takeAll()) call.onError(failure)
    }
    this.#checkEmpty()
  }

  /** A connection can carry more. */
  onRoom(): void {
    for (const session of this.#ready) {
      while (session.hasRoom) {
        const call = this.#waiting.take()
        if (call === undefined) return
        call.onTaken(session)
      }
    }
    this.#connect()
  }

  onLeaving(session: TargetSession): void {
    const at = this.#ready.indexOf(session)
    if (at !== -1) this.#ready.splice(at, 1)
    this.#leaving.add(session)
    this.#connect()
  }

  onGone(session: TargetSession): void {
    const at = this.#ready.indexOf(session)
    if (at !== -1) this.#ready.splice(at, 1)
    this.#leaving.delete(session)
    this.#connect()
    this.#checkEmpty()
  }

  /** Takes no further calls; those under way are finished. */
  close(): void {
    this.#isClosing = true
    // Each takes itself off the list.
    for (const session of this.#ready.slice()) session.release()
    this.#checkEmpty()
  }

  #connect(): void {
    const isWanted = this.#waiting.length > 0 && this.#connecting === null
    if (!isWanted || this.#ready.length >= this.#connectionsMax) return
    try {
      this.#connecting = new TargetSession(this)
    } catch (error) {
      // A certificate of the gateway's own that cannot be read: without it, it would be somebody else.
      const detail = error instanceof Error ? error.message : String(error)
      this.onConnectFailed({ code: 'UPSTREAM_UNREACHABLE', detail })
    }
  }

  #checkEmpty(): void {
    if (!this.#isClosing || this.#waiting.length > 0) return
    if (this.#ready.length > 0 || this.#leaving.size > 0 || this.#connecting !== null) return
    this.#waiting.close()
    this.#onEmpty()
  }
}
