import { connect, type Socket } from 'node:net'
import type { ErrorCode } from '../../shared/errors.ts'
import type { CompiledStream } from '../../shared/routing/streams.ts'
import type { CompiledUpstream } from '../../shared/routing/types.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { Deadline, Deadlines } from '../deadlines.ts'
import type { StreamMetrics } from '../metrics/stream-metrics.ts'
import type { ProxyEndpoints } from '../proxy-protocol/proxy-header.ts'
import { writeProxyHeader } from '../proxy-protocol/write-proxy-header.ts'
import type { ConnectionRecord } from '../records/connection-record.ts'
import { Splice, type SpliceOwner } from '../splice.ts'
import { REFUSED } from '../upstream/breaker.ts'
import type { LiveTarget, LiveUpstream, LiveUpstreams } from '../upstream/live-upstreams.ts'
import { callBegan, callEnded } from '../upstream/target-state.ts'

/** What all connections of a worker share. */
export type StreamConnectionParts = {
  readonly deadlines: Deadlines
  readonly upstreams: LiveUpstreams
  readonly metrics: StreamMetrics
  /** Writes a connection down that is over; null: nobody does. */
  readonly record: ((record: ConnectionRecord, durationMs: number) => void) | null
}

/** A connection that a Stream has taken. */
export type TakenConnection = {
  /** Paused; gives first what was looked at. */
  readonly socket: Socket
  readonly stream: CompiledStream
  readonly upstream: CompiledUpstream
  readonly endpoints: ProxyEndpoints
  /** Null: none was asked for, or nobody looked. */
  readonly serverName: string | null
}

/** One connection on its way through: a target is found for it, then the two are spliced. Keeps what it began with. */
export class StreamConnection implements SpliceOwner {
  readonly #taken: TakenConnection
  readonly #parts: StreamConnectionParts
  readonly #onOver: (connection: StreamConnection) => void
  #live: LiveUpstream
  readonly #deadline: Deadline
  readonly #startedAtMs: number
  #tried: LiveTarget[] = []
  #target: LiveTarget | null = null
  #dialled: Socket | null = null
  #splice: Splice | null = null
  /** What the breaker let it through with; REFUSED when there is nothing to settle. */
  #permit = REFUSED
  #code: ErrorCode | null = null
  #lastMovedMs: number
  #receivedBytes = 0
  #sentBytes = 0
  /** Nobody knows yet whether there are targets; called to give that up. */
  #stopWaiting: (() => void) | null = null
  #isDraining = false
  #isOver = false

  constructor(
    taken: TakenConnection,
    parts: StreamConnectionParts,
    onOver: (connection: StreamConnection) => void,
  ) {
    this.#taken = taken
    this.#parts = parts
    this.#onOver = onOver
    this.#live = parts.upstreams.acquire(taken.upstream)
    this.#deadline = parts.deadlines.create(this)
    this.#startedAtMs = parts.deadlines.now()
    this.#lastMovedMs = this.#startedAtMs
  }

  get name(): string {
    return this.#taken.stream.name
  }

  start(): void {
    const { socket } = this.#taken
    this.#parts.metrics.began(this.name)
    // A client that goes away while a target is being called for it. A splice has its own ear.
    socket.once('close', () => {
      if (this.#splice === null) this.#end()
    })
    const { breaker, budget } = this.#live
    if (breaker !== null) {
      this.#permit = breaker.admit(this.#startedAtMs)
      if (this.#permit === REFUSED) {
        this.#fail('UPSTREAM_OPEN')
        return
      }
    }
    budget?.requestCame()
    this.#attempt()
  }

  /** Its Stream is gone, or the worker stops: it has so long to end by itself. */
  drain(withinMs: number): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#deadline.set(withinMs)
  }

  onDeadline(): void {
    if (this.#isDraining) {
      this.#close()
    } else if (this.#stopWaiting !== null) {
      this.#fail('UPSTREAM_UNHEALTHY')
    } else if (this.#splice === null) {
      this.#attemptFailed('UPSTREAM_TIMEOUT')
    } else {
      const silentMs = this.#parts.deadlines.now() - this.#lastMovedMs
      const { idleMs } = this.#taken.stream
      if (silentMs >= idleMs) this.#close()
      else this.#deadline.set(idleMs - silentMs)
    }
  }

  onCarried(from: 'client' | 'target', size: number): void {
    this.#lastMovedMs = this.#parts.deadlines.now()
    if (from === 'client') this.#receivedBytes += size
    else this.#sentBytes += size
    this.#parts.metrics.carried(this.name, from, size)
  }

  onSpliceClosed(): void {
    this.#end()
  }

  #attempt(): void {
    const { endpoints, upstream } = this.#taken
    const nowMs = this.#parts.deadlines.now()
    const target = this.#live.selector.choose(endpoints.source.address, this.#tried, nowMs)
    if (target === null) {
      const { discovery } = this.#live
      if (discovery?.mayWait === true) this.#awaitTargets(discovery)
      else this.#fail('UPSTREAM_UNHEALTHY')
      return
    }
    callBegan(target.state)
    this.#target = target
    if (!this.#isDraining) this.#deadline.set(upstream.connectMs)
    // Bytes pass as they are: what a client speaks with the target is between the two.
    const { host, port } = target.target
    const socket = connect({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true })
    this.#dialled = socket
    socket.once('connect', () => {
      if (socket === this.#dialled) this.#connected(socket, target)
    })
    socket.once('error', () => {
      if (socket === this.#dialled && this.#splice === null) {
        this.#attemptFailed('UPSTREAM_UNREACHABLE')
      }
    })
  }

  #awaitTargets(discovery: Discovery): void {
    if (!this.#isDraining) this.#deadline.set(this.#taken.upstream.connectMs)
    this.#stopWaiting = discovery.whenKnown(() => {
      this.#stopWaiting = null
      this.#live = this.#parts.upstreams.renew(this.#live)
      this.#attempt()
    })
  }

  #attemptFailed(code: ErrorCode): void {
    const target = this.#target
    this.#parts.metrics.failed(this.name, code)
    this.#dialled?.destroy()
    this.#dialled = null
    this.#target = null
    if (target !== null) {
      callEnded(target.state)
      this.#live.selector.failed(target, this.#parts.deadlines.now())
      this.#tried.push(target)
    }
    const { retries } = this.#taken.upstream
    const mayGoOn = this.#tried.length <= retries && !this.#isDraining
    if (mayGoOn && (this.#live.budget?.take(this.#parts.deadlines.now()) ?? true)) {
      this.#attempt()
    } else {
      this.#code = code
      this.#settle('bad')
      this.#close()
    }
  }

  #connected(socket: Socket, target: LiveTarget): void {
    const { stream, endpoints, socket: client } = this.#taken
    this.#live.selector.succeeded(target)
    this.#settle('good')
    if (stream.proxyProtocol !== 'none') {
      socket.write(writeProxyHeader(stream.proxyProtocol, endpoints))
    }
    this.#lastMovedMs = this.#parts.deadlines.now()
    if (!this.#isDraining) this.#deadline.set(stream.idleMs)
    this.#splice = new Splice(client, socket, this)
    this.#splice.start()
  }

  /** Nobody was asked. */
  #fail(code: ErrorCode): void {
    this.#parts.metrics.failed(this.name, code)
    this.#code = code
    this.#settle('bad')
    this.#close()
  }

  #settle(outcome: 'good' | 'bad' | 'none'): void {
    if (this.#permit === REFUSED) return
    this.#live.breaker?.settle(this.#permit, outcome, this.#parts.deadlines.now())
    this.#permit = REFUSED
  }

  #close(): void {
    if (this.#splice !== null) {
      this.#splice.close()
      return
    }
    // Whatever a client still sends, nobody is there for it: a reset says so.
    this.#taken.socket.resetAndDestroy()
    this.#end()
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.remove()
    this.#stopWaiting?.()
    this.#settle('none')
    const target = this.#target
    if (this.#splice === null) this.#dialled?.destroy()
    this.#dialled = null
    if (target !== null) callEnded(target.state)
    this.#parts.upstreams.release(this.#live)
    this.#parts.metrics.ended(this.name)
    this.#record(target)
    this.#onOver(this)
  }

  #record(target: LiveTarget | null): void {
    const { stream, endpoints, serverName } = this.#taken
    this.#parts.record?.(
      {
        client: endpoints.source.address,
        stream: stream.name,
        port: stream.port,
        serverName,
        upstream: stream.upstreamKey,
        target: (target ?? this.#tried.at(-1))?.target.origin ?? null,
        attempts: this.#tried.length + (target === null ? 0 : 1),
        code: this.#code,
        receivedBytes: this.#receivedBytes,
        sentBytes: this.#sentBytes,
      },
      this.#parts.deadlines.now() - this.#startedAtMs,
    )
  }
}
