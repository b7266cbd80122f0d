import { assert } from '../../shared/assert.ts'
import type { CompiledUpstream } from '../../shared/routing/types.ts'
import type { ByteStream, ExchangeHandler } from '../exchange.ts'
import { grpcLines, grpcTimeoutMs, isGrpc } from '../grpc.ts'
import type { RouteHolder } from '../held-routes.ts'
import type { Fields } from '../http1/fields.ts'
import { finalReply } from '../final-reply.ts'
import { BODY_TOO_LARGE, sendReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { REFUSED, type BreakerOutcome } from '../upstream/breaker.ts'
import type { LiveTarget, LiveUpstream } from '../upstream/live-upstreams.ts'
import { backoffMs, mayRetry, mayRetryStatus } from '../upstream/retry-policy.ts'
import { callBegan, callEnded } from '../upstream/target-state.ts'
import type { UpstreamCall, UpstreamFailure } from '../upstream/upstream-connection.ts'
import { answerHead } from './answer-head.ts'
import { awaitTargets, chooseTarget } from './choose-target.ts'
import { Hedge, mayHedge, type HedgeOwner } from './hedge.ts'
import { Mirror } from './mirror.ts'
import { record } from './record.ts'
import { RequestTimers, type TimerName } from './request-timers.ts'
import { rewriteResponse, rewriteUpgrade } from './rewrite-response.ts'
import { upstreamRequest } from './upstream-request.ts'
import { isTargetsFault, NONE_WELL, openReply, replyFor, replyWithout } from './upstream-replies.ts'

const NOTHING_TRIED: readonly LiveTarget[] = []
const TRY_TIMEOUT: UpstreamFailure = { code: 'UPSTREAM_TIMEOUT', detail: 'perTryMs is over' }
const ROUTE_REMOVED: UpstreamFailure = { code: 'ROUTE_REMOVED', detail: 'it had its time' }
const REQUEST_TIMEOUT: UpstreamFailure = { code: 'UPSTREAM_TIMEOUT', detail: 'requestMs is over' }

/**
 * Carries one request to a target and the answer back, both streamed: what the client sends goes out as fast as the
 * target takes it, and the other way round. Ends in `record`, once, whatever happens. Timers exist only where an option
 * asks for them.
 */
export class Forwarding implements ExchangeHandler, HedgeOwner, RouteHolder {
  readonly #context: RequestContext
  readonly #isGrpc: boolean
  readonly #compiled: CompiledUpstream
  #live: LiveUpstream
  #target: LiveTarget | null = null
  #call: UpstreamCall | null = null
  /** Targets that failed this request. */
  #tried = NOTHING_TRIED
  /** The attempt's head is on its way to the target. */
  #isSent = false
  #isBodyStarted = false
  #phase: 'asking' | 'answering' | 'tunnel' | 'over' = 'asking'
  /** What the breaker let the request through with. */
  #permit = 0
  #outcome: BreakerOutcome = 'none'
  #hedge: Hedge | null = null
  #mirror: Mirror | null = null
  /** It takes longer than one read, so that its route may go meanwhile. */
  #isHeld = false
  /** Null: no option asks for any. */
  #timers: RequestTimers | null = null

  constructor(context: RequestContext, compiled: CompiledUpstream) {
    this.#context = context
    this.#compiled = compiled
    this.#live = context.parts.upstreams.acquire(compiled)
    this.#isGrpc = isGrpc(context.exchange)
  }

  start(): void {
    const { exchange, route, startedAtMs } = this.#context
    exchange.attach(this)
    const { breaker, budget } = this.#live
    if (breaker !== null) {
      this.#permit = breaker.admit(startedAtMs)
      if (this.#permit === REFUSED) {
        this.#fail(openReply(breaker.retryAfterMs(startedAtMs)))
        return
      }
    }
    budget?.requestCame()
    const { mirrorUpstream, upgrade } = this.#context
    if (mirrorUpstream !== null && upgrade === null) {
      this.#mirror = Mirror.start(this.#context, mirrorUpstream)
    }
    const requestMs = route?.timeouts?.requestMs ?? this.#compiled.requestMs
    if (requestMs > 0) this.#after('request', requestMs, () => this.#outOfTime())
    const callMs = this.#isGrpc ? grpcTimeoutMs(exchange) : null
    if (callMs !== null) this.#after('call', callMs, () => this.#outOfTime())
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

  onInterim(status: number, fields: Fields): void {
    const { exchange, parts } = this.#context
    exchange.inform(status, rewriteResponse(fields, parts.httpDate))
  }

  onStart(status: number, fields: Fields, length: number | null): void {
    const { exchange, parts, attemptedAtMs } = this.#context
    const firstByteMs = parts.now() - attemptedAtMs
    this.#context.upstreamMs = firstByteMs
    parts.metrics.upstreamAnswered(this.#compiled.key, status, firstByteMs)
    if (this.#isAnotherAskedFor(status)) {
      this.#call?.abort()
      this.#judge(false)
      this.#again()
      return
    }
    this.#stopWaiting()
    this.#phase = 'answering'
    this.#context.status = status
    const { sticky } = this.#compiled
    exchange.start(status, answerHead(this.#context, fields, sticky, this.#target), length)
    this.#judge(status < 500)
    this.#settleBreaker()
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    this.#context.responseBytes += to - from
    return this.#context.exchange.write(bytes, from, to)
  }

  onPause(): void {
    this.#hold()
    this.#context.exchange.flush()
  }

  onEnd(trailers: Fields | null): void {
    this.#finish()
    this.#context.exchange.end(trailers === null ? '' : trailers.lines(0, trailers.count))
  }

  onUpgrade(fields: Fields, stream: ByteStream): void {
    const { exchange, parts, upgrade } = this.#context
    this.#stopWaiting()
    this.#letGo()
    this.#judge(true)
    this.#settleBreaker()
    this.#phase = 'tunnel'
    this.#context.status = 101
    const client = exchange.switchProtocols(rewriteUpgrade(fields, upgrade ?? '', parts.httpDate))
    parts.tunnels.open({ client, target: stream, context: this.#context }, () => this.#finish())
  }

  onRouteGone(): void {
    this.#isHeld = false
    this.#giveUp(ROUTE_REMOVED)
  }

  #hold(): void {
    if (this.#isHeld || this.#phase === 'over') return
    this.#isHeld = true
    this.#context.parts.heldRoutes.hold(this, this.#context)
  }

  #letGo(): void {
    if (this.#isHeld) this.#context.parts.heldRoutes.release(this)
    this.#isHeld = false
  }

  onError(failure: UpstreamFailure): void {
    this.#attemptFailed(failure, false)
  }

  onHedgeWon(hedge: Hedge): void {
    const first = this.#target
    this.#call?.abort()
    // It may still have been on its way to a good answer: nothing is known of it.
    if (first !== null) callEnded(first.state)
    this.#target = hedge.target
    this.#call = hedge.call
    this.#hedge = null
    this.#context.target = hedge.target.target.origin
  }

  onHedgeLost(hedge: Hedge, failure: UpstreamFailure): void {
    const { parts } = this.#context
    parts.metrics.upstreamFailed(this.#compiled.key, failure.code)
    if (isTargetsFault(failure)) this.#live.selector.failed(hedge.target, parts.now())
    callEnded(hedge.target.state)
    this.#hedge = null
    // The first one is still under way, or it had failed before and waited for this one.
    if (hedge.firstFailure !== null) this.#fail(replyFor(hedge.firstFailure))
  }

  onBodyData(bytes: Buffer, from: number, to: number): boolean {
    this.#context.requestBytes += to - from
    const { bodyBytesMax, requestBytes, signedBody } = this.#context
    if (requestBytes > bodyBytesMax) {
      this.#refuseBody(BODY_TOO_LARGE)
      return true
    }
    if (signedBody === null) return this.#passBody(bytes, from, to)
    return signedBody.digest.pass({ bytes, from, to }, (...piece) => this.#passBody(...piece))
  }

  #passBody(bytes: Buffer, from: number, to: number): boolean {
    this.#mirror?.onBodyData(bytes, from, to)
    return this.#call?.write(bytes, from, to) ?? true
  }

  onBodyPause(): void {
    this.#hold()
    this.#call?.flush()
  }

  onBodyEnd(trailers: Fields | null): void {
    const { signedBody } = this.#context
    if (signedBody?.digest.finish((...piece) => this.#passBody(...piece)) === false) {
      this.#refuseBody(signedBody.refusal)
      return
    }
    const lines = trailers === null ? '' : trailers.lines(0, trailers.count)
    this.#mirror?.onBodyEnd(lines)
    this.#call?.end(lines)
  }

  /** A body grew larger than the route takes, or is not the signed one: the target must not see a whole one. */
  #refuseBody(reply: Reply): void {
    if (this.#phase === 'over') return
    this.#call?.abort()
    if (this.#phase === 'asking') {
      this.#fail(reply)
      return
    }
    this.#context.code = reply.code
    this.#finish()
    this.#context.exchange.abort()
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
    this.#outcome = 'none'
    this.#finish()
  }

  #attempt(): void {
    const { parts, startedAtMs } = this.#context
    const { retry } = this.#compiled
    const nowMs = this.#tried.length === 0 ? startedAtMs : parts.now()
    const target = chooseTarget(this.#live, this.#context.exchange, this.#tried, nowMs)
    if (target === null) {
      this.#withoutTarget()
      return
    }
    this.#isSent = false
    this.#target = target
    if (retry.perTryMs > 0) {
      this.#after('attempt', retry.perTryMs, () => this.#tryOutOfTime())
    }
    if (retry.hedgeMs > 0 && mayHedge(this.#context)) {
      this.#after('hedge', retry.hedgeMs, () => this.#startHedge())
    }
    this.#call = this.#callTo(target, this)
    this.#call.start()
  }

  /** Nobody may know yet whether there are targets: that is waited for. */
  #withoutTarget(): void {
    const { parts } = this.#context
    const { discovery } = this.#live
    if (discovery?.mayWait !== true) {
      this.#fail(replyWithout(this.#live))
      return
    }
    const stop = awaitTargets(discovery, parts.after, {
      timeoutMs: this.#compiled.connectMs,
      onLate: () => this.#fail(NONE_WELL),
      onKnown: () => {
        this.#live = parts.upstreams.renew(this.#live)
        this.#attempt()
      },
    })
    this.#setTimer('attempt', stop)
  }

  #callTo(target: LiveTarget, handler: Forwarding | Hedge): UpstreamCall {
    this.#context.target = target.target.origin
    this.#context.attempts += 1
    this.#context.attemptedAtMs = this.#context.parts.now()
    callBegan(target.state)
    const request = upstreamRequest(this.#context, this.#compiled, target.target)
    return target.connection.call(request, handler)
  }

  #attemptFailed(failure: UpstreamFailure, isTryTimeout: boolean): void {
    const { exchange, parts } = this.#context
    parts.metrics.upstreamFailed(this.#compiled.key, failure.code)
    if (isTargetsFault(failure)) this.#judge(false)
    if (this.#phase === 'answering') {
      this.#breakOff(failure)
      return
    }
    if (this.#hedge !== null) {
      this.#timers?.stopAttempt()
      this.#leaveTarget()
      this.#hedge.firstFailure = failure
      return
    }
    const attempt = {
      method: exchange.method,
      code: failure.code,
      isSent: this.#isSent,
      isBodyStarted: this.#isBodyStarted,
      isTryTimeout,
      attemptsLeft: this.#attemptsLeft,
    }
    if (mayRetry(attempt) && this.#takeFromBudget()) this.#again()
    else this.#fail(replyFor(failure))
  }

  /** Another target, at once or after a wait. */
  #again(): void {
    const { parts } = this.#context
    parts.metrics.retried()
    this.#timers?.stopAttempt()
    const before = this.#target
    if (before !== null) this.#tried = [...this.#tried, before]
    this.#leaveTarget()
    const waitMs = backoffMs(this.#compiled.retry, this.#tried.length, parts.random)
    if (waitMs === 0) this.#attempt()
    else this.#after('attempt', waitMs, () => this.#attempt())
  }

  #isAnotherAskedFor(status: number): boolean {
    const { retry } = this.#compiled
    if (status < 500 || this.#hedge !== null) return false
    const { method } = this.#context.exchange
    const attempt = { method, isBodyStarted: this.#isBodyStarted, attemptsLeft: this.#attemptsLeft }
    return mayRetryStatus(retry, status, attempt) && this.#takeFromBudget()
  }

  get #attemptsLeft(): number {
    return this.#compiled.retries - this.#tried.length
  }

  #takeFromBudget(): boolean {
    return this.#live.budget?.take(this.#context.parts.now()) ?? true
  }

  #tryOutOfTime(): void {
    // Nothing could follow it: what is left to it is the time of the request.
    if (this.#isBodyStarted) return
    this.#call?.abort()
    this.#attemptFailed(TRY_TIMEOUT, true)
  }

  #outOfTime(): void {
    this.#judge(false)
    this.#context.parts.metrics.upstreamFailed(this.#compiled.key, REQUEST_TIMEOUT.code)
    this.#giveUp(REQUEST_TIMEOUT)
  }

  #giveUp(failure: UpstreamFailure): void {
    this.#call?.abort()
    if (this.#phase === 'answering') this.#breakOff(failure)
    else this.#fail(replyFor(failure))
  }

  /** Half an answer must not look like a whole one. */
  #breakOff({ code }: UpstreamFailure): void {
    const { exchange } = this.#context
    this.#context.code = code
    this.#finish()
    if (this.#isGrpc) exchange.end(grpcLines(code, replyFor({ code, detail: '' }).message ?? ''))
    else exchange.abort()
  }

  #startHedge(): void {
    const { exchange, parts } = this.#context
    const first = this.#target
    if (first === null) return
    const tried = [...this.#tried, first]
    const target = chooseTarget(this.#live, exchange, tried, parts.now())
    if (target === null || tried.includes(target) || !this.#takeFromBudget()) return
    parts.metrics.retried()
    const hedge = new Hedge(this, target)
    this.#hedge = hedge
    hedge.start(this.#callTo(target, hedge))
  }

  #dropHedge(): void {
    const hedge = this.#hedge
    if (hedge === null) return
    this.#hedge = null
    hedge.call?.abort()
    callEnded(hedge.target.state)
  }

  /** What an attempt came to counts for its target, and if it was the last, for the breaker. */
  #judge(isGood: boolean): void {
    this.#outcome = isGood ? 'good' : 'bad'
    const target = this.#target
    if (target === null) return
    const { selector } = this.#live
    if (isGood) selector.succeeded(target)
    else selector.failed(target, this.#context.parts.now())
  }

  /** Once it is clear what the request comes to: an answer that goes on for hours must not be waited for. */
  #settleBreaker(): void {
    const { breaker } = this.#live
    if (breaker === null || this.#permit === REFUSED) return
    breaker.settle(this.#permit, this.#outcome, this.#context.parts.now())
    this.#permit = REFUSED
  }

  #leaveTarget(): void {
    if (this.#target !== null) callEnded(this.#target.state)
    this.#target = null
    this.#call = null
  }

  #after(which: TimerName, ms: number, run: () => void): void {
    this.#setTimer(which, this.#context.parts.after(ms, run))
  }

  #setTimer(which: TimerName, stop: () => void): void {
    this.#timers ??= new RequestTimers()
    this.#timers.set(which, stop)
  }

  /** An answer is there, or none is wanted any more. */
  #stopWaiting(): void {
    this.#dropHedge()
    this.#timers?.stopWaiting()
  }

  #fail(given: Reply): void {
    const { exchange, requestId } = this.#context
    const reply = finalReply(this.#context, given, requestId ?? '')
    this.#finish()
    sendReply(exchange, reply, requestId ?? '')
  }

  #finish(): void {
    assert(this.#phase !== 'over', 'a request ends once')
    this.#phase = 'over'
    this.#letGo()
    this.#dropHedge()
    this.#timers?.stopAll()
    this.#mirror?.onRequestOver()
    if (this.#target !== null) callEnded(this.#target.state)
    this.#target = null
    this.#settleBreaker()
    this.#context.parts.upstreams.release(this.#live)
    record(this.#context)
  }
}
