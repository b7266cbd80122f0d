import type { ByteStream } from '../exchange.ts'
import type { Fields } from '../http1/fields.ts'
import type { RequestContext } from '../request-context.ts'
import type { LiveTarget } from '../upstream/live-upstreams.ts'
import { isIdempotent } from '../upstream/retry-policy.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
} from '../upstream/upstream-connection.ts'

/** Whoever made a second attempt, and goes on with it once it has won. */
export type HedgeOwner = UpstreamHandler & {
  /** The second attempt has an answer, and the first has none: the owner hears everything from here on. */
  onHedgeWon(hedge: Hedge): void
  /** The second attempt came to nothing: no answer, or one with 5xx. */
  onHedgeLost(hedge: Hedge, failure: UpstreamFailure): void
}

/** A second attempt beside the first one, for requests without a body. It is silent until it has won. */
export class Hedge implements UpstreamHandler {
  readonly target: LiveTarget
  /** Why the first attempt failed, while this one is still under way; null while both are. */
  firstFailure: UpstreamFailure | null = null
  readonly #owner: HedgeOwner
  #call: UpstreamCall | null = null
  #hasWon = false

  constructor(owner: HedgeOwner, target: LiveTarget) {
    this.#owner = owner
    this.target = target
  }

  /** Null before `start`. */
  get call(): UpstreamCall | null {
    return this.#call
  }

  start(call: UpstreamCall): void {
    this.#call = call
    call.start()
  }

  onReady(): void {
    // There is no body to be sent.
  }

  onInterim(): void {
    // Nothing is said to the client before it is sure which answer it gets.
  }

  onStart(status: number, fields: Fields, length: number | null): void {
    if (status >= 500) {
      this.#call?.abort()
      this.#owner.onHedgeLost(this, { code: 'UPSTREAM_BAD_RESPONSE', detail: `status ${status}` })
      return
    }
    this.#hasWon = true
    this.#owner.onHedgeWon(this)
    this.#owner.onStart(status, fields, length)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    return this.#owner.onData(bytes, from, to)
  }

  onPause(): void {
    this.#owner.onPause()
  }

  onWritable(): void {
    // There is no body to be sent.
  }

  onEnd(trailers: Fields | null): void {
    this.#owner.onEnd(trailers)
  }

  onUpgrade(fields: Fields, stream: ByteStream): void {
    this.#hasWon = true
    this.#owner.onHedgeWon(this)
    this.#owner.onUpgrade(fields, stream)
  }

  onError(failure: UpstreamFailure): void {
    if (this.#hasWon) this.#owner.onError(failure)
    else this.#owner.onHedgeLost(this, failure)
  }
}

/** A second attempt is for requests that can be repeated as a whole. */
export function mayHedge({ exchange, upgrade }: RequestContext): boolean {
  return exchange.bodyLength === 0 && upgrade === null && isIdempotent(exchange.method)
}
