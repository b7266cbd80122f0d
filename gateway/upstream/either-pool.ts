import { PROTOCOL_LEARNT_MS } from '../../shared/limits.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { ByteStream } from '../exchange.ts'
import type { Fields } from '../http1/fields.ts'
import type { Deadlines } from '../deadlines.ts'
import { Http2Pool } from './http2-pool.ts'
import { TargetPool } from './target-pool.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'

/**
 * The connections of this thread to one target that is spoken to in either way. With `protocol: auto` its TLS handshakes say
 * which one it chooses; that it chose HTTP/1.1 is remembered until it cannot be reached, or for PROTOCOL_LEARNT_MS. With
 * `protocol: http2` only a change of protocol that the target does not offer on HTTP/2 (RFC 8441 3) goes the other way.
 */
export class EitherPool {
  readonly http1: TargetPool
  readonly http2: Http2Pool
  readonly #isAuto: boolean
  readonly #deadlines: Deadlines
  /** It speaks HTTP/1.1 alone until then, as the worker's clock counts. */
  #http1UntilMs = Number.NEGATIVE_INFINITY

  constructor(
    target: CompiledTarget,
    upstream: CompiledUpstream,
    { deadlines, onEmpty }: { readonly deadlines: Deadlines; readonly onEmpty: () => void },
  ) {
    this.#isAuto = upstream.protocol === 'auto'
    this.#deadlines = deadlines
    this.http1 = new TargetPool(target, upstream, {
      deadlines,
      onEmpty,
      onUnreachable: () => this.#forget(),
    })
    this.http2 = new Http2Pool(target, upstream, {
      deadlines,
      // What found no place there is with the other one by now.
      onEmpty: () => this.http1.close(),
      onHttp1: this.#isAuto ? () => this.#learnHttp1() : null,
    })
  }

  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    if (!this.#isAuto && request.upgrade === null) return this.http2.call(request, handler)
    if (this.#deadlines.now() < this.#http1UntilMs) return this.http1.call(request, handler)
    return new EitherCall(this, request, handler)
  }

  /** Takes no further calls; those under way are finished. */
  close(): void {
    this.http2.close()
  }

  #learnHttp1(): void {
    this.#http1UntilMs = this.#deadlines.now() + PROTOCOL_LEARNT_MS
  }

  /** Whoever answers at that address next may be another program. */
  #forget(): void {
    this.#http1UntilMs = Number.NEGATIVE_INFINITY
  }
}

/**
 * A call over HTTP/2, or, when that turns out not to be had, over HTTP/1.1. Whoever says so has not looked at the request
 * (RFC 9113 7), so that one without a body can still go another way when its head was sent.
 */
class EitherCall implements UpstreamCall, UpstreamHandler {
  readonly #pool: EitherPool
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  #call: UpstreamCall
  #isReady = false
  #isStarted = false
  /** It goes over HTTP/1.1 by now. */
  #isSecond = false

  constructor(pool: EitherPool, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#pool = pool
    this.#request = request
    this.#handler = handler
    this.#call = pool.http2.call(request, this)
  }

  start(): void {
    this.#call.start()
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    return this.#call.write(bytes, from, to)
  }

  flush(): void {
    this.#call.flush()
  }

  end(trailers: string): void {
    this.#call.end(trailers)
  }

  resume(): void {
    this.#call.resume()
  }

  abort(): void {
    this.#call.abort()
  }

  onReady(): void {
    if (this.#isReady) return
    this.#isReady = true
    this.#handler.onReady()
  }

  onInterim(status: number, fields: Fields): void {
    this.#handler.onInterim(status, fields)
  }

  onStart(status: number, fields: Fields, length: number | null): void {
    this.#isStarted = true
    this.#handler.onStart(status, fields, length)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    return this.#handler.onData(bytes, from, to)
  }

  onPause(): void {
    this.#handler.onPause()
  }

  onWritable(): void {
    this.#handler.onWritable()
  }

  onEnd(trailers: Fields | null): void {
    this.#handler.onEnd(trailers)
  }

  onUpgrade(fields: Fields, stream: ByteStream): void {
    this.#handler.onUpgrade(fields, stream)
  }

  onError(failure: UpstreamFailure): void {
    const isUnseen = failure.code === 'UPSTREAM_PROTOCOL' && !this.#isStarted
    const mayFollow = isUnseen && (!this.#isReady || this.#request.bodyLength === 0)
    if (this.#isSecond || !mayFollow) {
      this.#handler.onError(failure)
      return
    }
    this.#isSecond = true
    this.#call = this.#pool.http1.call(this.#request, this)
    this.#call.start()
  }
}
