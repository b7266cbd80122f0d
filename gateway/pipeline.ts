import type { Exchange } from './exchange.ts'
import { finalReply } from './final-reply.ts'
import { errorReply, sendReply, type Reply, type StageResult } from './reply.ts'
import { RequestContext, type PipelineParts } from './request-context.ts'
import { isRequestId } from './request-id.ts'
import { accessStage } from './stages/access.ts'
import { Forwarding } from './stages/forward.ts'
import { matchStage } from './stages/match.ts'
import { record } from './stages/record.ts'
import { rewriteStage } from './stages/rewrite.ts'
import { secureStage } from './stages/secure.ts'
import { Waiting } from './waiting.ts'

/**
 * What happens to a request before it is forwarded, in this order. A stage returns a reply to end the request, or
 * `undefined` to let it pass.
 */
const STAGES: readonly ((context: RequestContext) => StageResult)[] = [
  matchStage,
  secureStage,
  accessStage,
  rewriteStage,
]

const CHECK_FAILED = errorReply('INTERNAL', 'a check of the request failed')
const NO_UPSTREAM = errorReply('INTERNAL', 'the route has no upstream')

/**
 * The life of a request: stages, then the target's answer, streamed. The usual request runs from its
 * last header byte to the bytes for the target in one go; a check that must wait for somebody holds only its own request.
 */
export class Pipeline {
  readonly #parts: PipelineParts

  constructor(parts: PipelineParts) {
    this.#parts = parts
  }

  /** Serves one exchange. Never throws; what goes wrong is an answer. */
  serve(exchange: Exchange): void {
    this.#parts.metrics.requestBegan()
    this.#run(new RequestContext(exchange, this.#parts), 0)
  }

  #run(context: RequestContext, from: number): void {
    for (let at = from; at < STAGES.length; at++) {
      const result = STAGES[at]?.(context)
      if (result === undefined) continue
      if (result instanceof Promise) this.#wait(context, result, at + 1)
      else this.#answer(context, result)
      return
    }
    if (context.upstream === null) {
      this.#answer(context, NO_UPSTREAM)
      return
    }
    new Forwarding(context, context.upstream).start()
  }

  /** Goes on at a stage when the one before has waited for what it needs, unless the client is gone by then. */
  #wait(context: RequestContext, result: Promise<Reply | undefined>, next: number): void {
    const waiting = new Waiting(() => record(context))
    context.exchange.attach(waiting)
    void this.#goOn(context, result, { waiting, next })
  }

  /** Never rejects. */
  async #goOn(
    context: RequestContext,
    result: Promise<Reply | undefined>,
    { waiting, next }: { readonly waiting: Waiting; readonly next: number },
  ): Promise<void> {
    let reply: Reply | undefined
    try {
      reply = await result
    } catch {
      reply = CHECK_FAILED
    }
    if (waiting.isGone) return
    if (reply === undefined) this.#run(context, next)
    else this.#answer(context, reply)
  }

  #answer(context: RequestContext, given: Reply): void {
    const requestId = this.#requestIdOf(context)
    context.requestId = requestId
    const reply = finalReply(context, given, requestId)
    // Counted before it is sent: whoever has the answer finds it in the metrics.
    record(context)
    sendReply(context.exchange, reply, requestId)
  }

  #requestIdOf(context: RequestContext): string {
    if (context.requestId !== null) return context.requestId
    const given = context.exchange.header('x-request-id')
    return given !== undefined && isRequestId(given) ? given : this.#parts.requestIds.next()
  }
}
