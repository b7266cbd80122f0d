import { ERROR_CODES } from '../shared/errors.ts'
import type { Exchange } from './exchange.ts'
import { errorReply, sendReply, type Reply, type StageResult } from './reply.ts'
import { RequestContext, type PipelineParts } from './request-context.ts'
import { isRequestId } from './request-id.ts'
import { Forwarding } from './stages/forward.ts'
import { matchStage } from './stages/match.ts'
import { record } from './stages/record.ts'
import { rewriteStage } from './stages/rewrite.ts'
import { secureStage } from './stages/secure.ts'

/**
 * What happens to a request before it is forwarded, in this order. A stage returns a reply to end the request, or
 * `undefined` to let it pass. Access checks go between the match and the rewrite.
 */
const STAGES: readonly ((context: RequestContext) => StageResult)[] = [
  matchStage,
  secureStage,
  rewriteStage,
]

const NO_UPSTREAM = errorReply('INTERNAL', 'the route has no upstream')

/**
 * The life of a request: stages, then the target's answer, streamed. Nothing here waits: the usual request runs from its
 * last header byte to the bytes for the target in one go.
 */
export class Pipeline {
  readonly #parts: PipelineParts

  constructor(parts: PipelineParts) {
    this.#parts = parts
  }

  /** Serves one exchange. Never throws; what goes wrong is an answer. */
  serve(exchange: Exchange): void {
    this.#parts.metrics.requestBegan()
    const context = new RequestContext(exchange, this.#parts)
    for (const stage of STAGES) {
      const reply = stage(context)
      if (reply === undefined) continue
      this.#answer(context, reply)
      return
    }
    if (context.upstream === null) {
      this.#answer(context, NO_UPSTREAM)
      return
    }
    new Forwarding(context, context.upstream).start()
  }

  #answer(context: RequestContext, reply: Reply): void {
    context.status = reply.code === null ? reply.status : ERROR_CODES[reply.code].status
    context.code = reply.code
    context.responseBytes = reply.body.length
    const requestId = this.#requestIdOf(context)
    context.requestId = requestId
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
