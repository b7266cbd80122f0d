import type { ByteStream } from '../exchange.ts'
import { assert } from '../../shared/assert.ts'
import { isVisible } from '../http1/bytes.ts'
import type { Fields } from '../http1/fields.ts'
import type { TargetConnection } from './target-connection.ts'
import type { TargetPool } from './target-pool.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'

/**
 * One call on its way through a pool and a connection. Holds the order that handlers rely on: a connection that broke it
 * would stop the process instead of garbling an answer.
 */
export class Http1Call implements UpstreamCall {
  readonly request: UpstreamRequest
  /** When it began to wait for a connection, as the pool counts. */
  waitingSince = 0
  /** Times that it was sent again because a connection had been closed under it. */
  replays = 0
  readonly #pool: TargetPool
  readonly #handler: UpstreamHandler
  #connection: TargetConnection | null = null
  #phase: 'new' | 'waiting' | 'ready' | 'started' | 'over' = 'new'

  constructor(pool: TargetPool, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#pool = pool
    this.request = request
    this.#handler = handler
  }

  start(): void {
    assert(this.#phase === 'new', 'a call is started once')
    this.#phase = 'waiting'
    // Names of targets also come from name servers and from other services.
    if (!isVisible(this.request.host)) {
      this.onError({ code: 'BAD_REQUEST', detail: 'the host cannot be written down' })
      return
    }
    this.#pool.dispatch(this)
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    return this.#connection?.writeBody(bytes, from, to) ?? true
  }

  flush(): void {
    this.#connection?.flush()
  }

  end(trailers: string): void {
    this.#connection?.endBody(trailers)
  }

  resume(): void {
    this.#connection?.resume()
  }

  abort(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    const connection = this.#connection
    this.#connection = null
    if (connection === null) this.#pool.forget(this)
    else connection.abandon()
  }

  get isOver(): boolean {
    return this.#phase === 'over'
  }

  /** A connection takes the call. Again after a replay, of which the handler hears nothing. */
  onTaken(connection: TargetConnection): void {
    this.#connection = connection
  }

  onReady(): void {
    if (this.#phase === 'ready') return
    assert(this.#phase === 'waiting', 'onReady comes first')
    this.#phase = 'ready'
    this.#handler.onReady()
  }

  onInterim(status: number, fields: Fields): void {
    assert(this.#phase === 'ready', 'interim answers come before the answer')
    this.#handler.onInterim(status, fields)
  }

  onStart(status: number, fields: Fields, length: number | null): void {
    assert(this.#phase === 'ready', 'onStart comes once, after onReady')
    this.#phase = 'started'
    this.#handler.onStart(status, fields, length)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    assert(this.#phase === 'started', 'onData comes after onStart and before the end')
    return this.#handler.onData(bytes, from, to)
  }

  onPause(): void {
    if (this.#phase === 'started') this.#handler.onPause()
  }

  onWritable(): void {
    if (this.#phase === 'ready' || this.#phase === 'started') this.#handler.onWritable()
  }

  onEnd(trailers: Fields | null): void {
    assert(this.#phase === 'started', 'onEnd comes once, after onStart')
    this.#phase = 'over'
    this.#connection = null
    this.#handler.onEnd(trailers)
  }

  onUpgrade(fields: Fields, stream: ByteStream): void {
    assert(this.#phase === 'ready', 'onUpgrade comes once, in place of an answer')
    this.#phase = 'over'
    this.#connection = null
    this.#handler.onUpgrade(fields, stream)
  }

  onError(failure: UpstreamFailure): void {
    assert(this.#phase !== 'over', 'onError comes once, and never after the end')
    this.#phase = 'over'
    this.#connection = null
    this.#handler.onError(failure)
  }
}
