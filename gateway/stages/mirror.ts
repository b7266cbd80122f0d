import { MIRROR_WAITING_BYTES_MAX, MIRRORS_UNDER_WAY_MAX } from '../../shared/limits.ts'
import type { CompiledUpstream } from '../../shared/routing/types.ts'
import type { ByteStream } from '../exchange.ts'
import { isGrpc } from '../grpc.ts'
import type { Fields } from '../http1/fields.ts'
import type { RequestContext } from '../request-context.ts'
import type { LiveTarget, LiveUpstream } from '../upstream/live-upstreams.ts'
import { callBegan, callEnded } from '../upstream/target-state.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
} from '../upstream/upstream-connection.ts'

/**
 * A copy of one request for another upstream. Whatever becomes of it, the request itself neither waits for it nor hears of
 * it: answers are dropped, and a copy that cannot keep up is given up.
 */
export class Mirror implements UpstreamHandler {
  readonly #live: LiveUpstream
  readonly #context: RequestContext
  #target: LiveTarget | null = null
  #call: UpstreamCall | null = null
  #isReady = false
  readonly #hasBody: boolean
  #isBodyWhole: boolean
  /** The body is whole, and all of it was written. */
  #isSent = false
  #trailers = ''
  /** Pieces of the body that the mirror has not taken yet. */
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #mayWrite = true

  private constructor(context: RequestContext, live: LiveUpstream) {
    this.#context = context
    this.#live = live
    this.#hasBody = context.exchange.bodyLength !== 0
    this.#isBodyWhole = !this.#hasBody
  }

  /** Begins a copy before the request itself is sent; null when too many are under way, or nobody is there to take it. */
  static start(context: RequestContext, compiled: CompiledUpstream): Mirror | null {
    const { upstreams, now } = context.parts
    const live = upstreams.acquire(compiled)
    const { mirroring } = live
    const target =
      mirroring.underWay < MIRRORS_UNDER_WAY_MAX
        ? live.selector.choose(context.exchange.clientAddress, [], now())
        : null
    if (target === null) {
      mirroring.dropped += 1
      upstreams.release(live)
      return null
    }
    const mirror = new Mirror(context, live)
    mirror.#begin(target, compiled)
    return mirror
  }

  /** A piece of the request's body. The bytes still belong to the caller afterwards. */
  onBodyData(bytes: Buffer, from: number, to: number): void {
    if (this.#target === null) return
    this.#waitingBytes += to - from
    if (this.#waitingBytes > MIRROR_WAITING_BYTES_MAX) {
      this.#giveUp()
      return
    }
    this.#waiting.push(Buffer.from(bytes.subarray(from, to)))
    this.#flush()
  }

  onBodyEnd(trailers: string): void {
    this.#isBodyWhole = true
    this.#trailers = trailers
    this.#flush()
  }

  /** The request is over: no more of its body comes, so that half of one is all there will be. */
  onRequestOver(): void {
    if (this.#target !== null && !this.#isBodyWhole) this.#giveUp()
  }

  onReady(): void {
    this.#isReady = true
    this.#flush()
  }

  onStart(status: number): void {
    const { selector } = this.#live
    if (this.#target === null) return
    if (status < 500) selector.succeeded(this.#target)
    else selector.failed(this.#target, this.#context.parts.now())
  }

  onInterim(): void {
    // Nobody waits for it.
  }

  onData(): boolean {
    return true
  }

  onPause(): void {
    // Nobody waits for what came.
  }

  /** Never asked for. */
  onUpgrade(_fields: Fields, stream: ByteStream): void {
    stream.destroy()
    this.#end()
  }

  onWritable(): void {
    this.#mayWrite = true
    this.#flush()
  }

  onEnd(): void {
    this.#end()
  }

  onError({ code }: UpstreamFailure): void {
    const isTargetsFault = code !== 'UPSTREAM_BUSY' && code !== 'BAD_REQUEST'
    if (isTargetsFault && this.#target !== null) {
      this.#live.selector.failed(this.#target, this.#context.parts.now())
    }
    this.#live.mirroring.dropped += 1
    this.#end()
  }

  #begin(target: LiveTarget, compiled: CompiledUpstream): void {
    const { exchange, targetPath, lines } = this.#context
    const { hostHeader, firstByteMs, idleMs } = compiled
    this.#target = target
    this.#live.mirroring.underWay += 1
    callBegan(target.state)
    this.#call = target.connection.call(
      {
        method: exchange.method,
        path: targetPath,
        host: hostHeader === 'target' ? target.target.authority : exchange.authority,
        lines,
        bodyLength: exchange.bodyLength,
        expectsContinue: false,
        upgrade: null,
        needsHttp2: isGrpc(exchange),
        firstByteMs,
        idleMs,
      },
      this,
    )
    this.#call.start()
  }

  #flush(): void {
    if (!this.#isReady || this.#target === null) return
    while (this.#mayWrite) {
      const chunk = this.#waiting.shift()
      if (chunk === undefined) break
      this.#waitingBytes -= chunk.length
      this.#mayWrite = this.#call?.write(chunk, 0, chunk.length) ?? false
    }
    const isAllSent = this.#isBodyWhole && this.#waiting.length === 0
    if (!isAllSent || !this.#hasBody || this.#isSent) {
      this.#call?.flush()
      return
    }
    this.#isSent = true
    this.#call?.end(this.#trailers)
  }

  #giveUp(): void {
    this.#live.mirroring.dropped += 1
    this.#call?.abort()
    this.#end()
  }

  #end(): void {
    if (this.#target === null) return
    callEnded(this.#target.state)
    this.#target = null
    this.#waiting = []
    this.#live.mirroring.underWay -= 1
    this.#context.parts.upstreams.release(this.#live)
  }
}
