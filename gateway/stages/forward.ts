import { assert } from '../../shared/assert.ts'
import type { CompiledUpstream } from '../../shared/routing/types.ts'
import type { ExchangeHandler } from '../exchange.ts'
import { errorReply, sendReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { LiveTarget, LiveUpstream } from '../upstream/live-upstreams.ts'
import { mayRetry } from '../upstream/retry-policy.ts'
import { callBegan, callEnded } from '../upstream/target-state.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
} from '../upstream/upstream-connection.ts'
import { record } from './record.ts'
import { rewriteResponseHeaders } from './rewrite-response.ts'

const NO_TARGET = errorReply('UPSTREAM_UNREACHABLE', 'no target takes requests')
const NONE_WELL = errorReply('UPSTREAM_UNHEALTHY', 'no target is well')
const NOTHING_TRIED: readonly LiveTarget[] = []
const REPLIES: Readonly<Partial<Record<UpstreamFailure['code'], Reply>>> = {
  UPSTREAM_UNREACHABLE: errorReply('UPSTREAM_UNREACHABLE', 'the target cannot be reached'),
  UPSTREAM_TIMEOUT: errorReply('UPSTREAM_TIMEOUT', 'the target took too long'),
  UPSTREAM_BAD_RESPONSE: errorReply('UPSTREAM_BAD_RESPONSE', 'the target sent a malformed answer'),
  UPSTREAM_BUSY: errorReply('UPSTREAM_BUSY', 'every connection to the target is busy'),
  BAD_REQUEST: errorReply('BAD_REQUEST', 'the request cannot be passed on'),
}
const INTERNAL = errorReply('INTERNAL', 'something went wrong in the gateway')

/**
 * Carries one request to a target and the answer back, both streamed: what the client sends goes out as fast as the
 * target takes it, and the other way round. Ends in `record`, once, whatever happens.
 */
export class Forwarding implements ExchangeHandler, UpstreamHandler {
  readonly #context: RequestContext
  readonly #compiled: CompiledUpstream
  readonly #live: LiveUpstream
  #target: LiveTarget | null = null
  #call: UpstreamCall | null = null
  /** Targets that failed this request. */
  #tried = NOTHING_TRIED
  /** The attempt's head is on its way to the target. */
  #isSent = false
  #isBodyStarted = false
  #phase: 'asking' | 'answering' | 'over' = 'asking'

  constructor(context: RequestContext, compiled: CompiledUpstream) {
    this.#context = context
    this.#compiled = compiled
    this.#live = context.parts.upstreams.acquire(compiled)
  }

  start(): void {
    this.#context.exchange.attach(this)
    this.#attempt()
  }

  onReady(): void {
    this.#isSent = true
    const { exchange } = this.#context
    if (exchange.bodyLength === 0 || this.#isBodyStarted) return
    // Not a byte of the body is taken before a target is there for it, so that another can be tried.
    this.#isBodyStarted = true
    exchange.startBody()
  }

  onStart(status: number, headers: string[]): void {
    const { parts, attemptedAtMs } = this.#context
    this.#context.upstreamMs = parts.now() - attemptedAtMs
    // A head that cannot be sent throws here, and the call fails as one without an answer.
    this.#context.exchange.start(status, rewriteResponseHeaders(headers))
    this.#phase = 'answering'
    this.#context.status = status
    this.#judge(status < 500)
  }

  onData(chunk: Uint8Array): boolean {
    this.#context.responseBytes += chunk.length
    return this.#context.exchange.write(chunk)
  }

  onEnd(): void {
    this.#finish()
    this.#context.exchange.end()
  }

  onError(failure: UpstreamFailure): void {
    const { exchange, parts } = this.#context
    parts.metrics.upstreamFailed(failure.code)
    if (isTargetsFault(failure)) this.#judge(false)
    if (this.#phase === 'answering') {
      this.#context.code = failure.code
      // Half an answer must not look like a whole one.
      this.#finish()
      exchange.abort()
      return
    }
    const isRetried = mayRetry({
      method: exchange.method,
      code: failure.code,
      isSent: this.#isSent,
      isBodyStarted: this.#isBodyStarted,
      attemptsLeft: this.#compiled.retries - this.#tried.length,
    })
    if (!isRetried) {
      this.#fail(REPLIES[failure.code] ?? INTERNAL)
      return
    }
    parts.metrics.retried()
    if (this.#target !== null) {
      this.#tried = [...this.#tried, this.#target]
      callEnded(this.#target.state)
      this.#target = null
    }
    this.#attempt()
  }

  onBodyData(chunk: Uint8Array): boolean {
    this.#context.requestBytes += chunk.length
    return this.#call?.write(chunk) ?? true
  }

  onBodyEnd(): void {
    this.#call?.end()
  }

  /** The client has caught up with the answer. */
  onDrain(): void {
    if (this.#phase !== 'over') this.#call?.resume()
  }

  /** The target has caught up with the request's body. */
  onWritable(): void {
    if (this.#phase !== 'over') this.#context.exchange.resumeBody()
  }

  onAbort(): void {
    if (this.#phase === 'over') return
    this.#call?.abort()
    this.#context.status = 0
    this.#finish()
  }

  #attempt(): void {
    const { exchange, parts, targetPath, headers } = this.#context
    const isFirst = this.#tried.length === 0
    const nowMs = isFirst ? this.#context.startedAtMs : parts.now()
    const target = this.#live.selector.choose(exchange.clientAddress, this.#tried, nowMs)
    if (target === null) {
      const isOut = this.#live.targets.every(({ fullWeight }) => fullWeight === 0)
      this.#fail(isOut ? NO_TARGET : NONE_WELL)
      return
    }
    this.#isSent = false
    this.#target = target
    this.#context.target = target.target.origin
    this.#context.attempts += 1
    this.#context.attemptedAtMs = parts.now()
    callBegan(target.state)
    const isLast = this.#tried.length >= this.#compiled.retries
    this.#call = target.connection.call(
      {
        method: exchange.method,
        path: targetPath,
        host: this.#compiled.hostHeader === 'target' ? target.target.authority : exchange.authority,
        // A call may add fields of its own to the list.
        headers: isLast ? headers : [...headers],
        bodyLength: exchange.bodyLength,
        firstByteMs: this.#compiled.firstByteMs,
        idleMs: this.#compiled.idleMs,
      },
      this,
    )
    this.#call.start()
  }

  /** What an attempt came to counts for its target, once. */
  #judge(isGood: boolean): void {
    const target = this.#target
    if (target === null) return
    const { selector } = this.#live
    if (isGood) selector.succeeded(target)
    else selector.failed(target, this.#context.parts.now())
  }

  #fail(reply: Reply): void {
    const { exchange, requestId } = this.#context
    this.#context.status = reply.status
    this.#context.code = reply.code
    this.#context.responseBytes += reply.body.length
    this.#finish()
    sendReply(exchange, reply, requestId ?? '')
  }

  #finish(): void {
    assert(this.#phase !== 'over', 'a request ends once')
    this.#phase = 'over'
    if (this.#target !== null) callEnded(this.#target.state)
    this.#target = null
    this.#context.parts.upstreams.release(this.#live)
    record(this.#context)
  }
}

/** Whether a failure says something about the target: a full queue and a head that cannot be sent do not. */
function isTargetsFault({ code }: UpstreamFailure): boolean {
  return code !== 'UPSTREAM_BUSY' && code !== 'BAD_REQUEST'
}
