import { assert } from '../../shared/assert.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'

/** One request for a target. */
export type UpstreamRequest = {
  readonly method: string
  /** Path and query, begins with `/`. */
  readonly path: string
  /** What the target is told as Host. */
  readonly host: string
  /** name, value, name, value …: end-to-end fields only, without Host and Content-Length. */
  readonly headers: string[]
  /** Bytes of the body; 0 when there is none, null when only its end will tell. */
  readonly bodyLength: number | null
  /** From the request to the head of the answer. */
  readonly firstByteMs: number
  /** Between two pieces of a body. */
  readonly idleMs: number
}

/** Why a call failed. */
export type UpstreamFailure = {
  readonly code: ErrorCode
  /** For logs; never for clients. */
  readonly detail: string
}

/**
 * What a call tells whoever made it: `onReady`, `onStart`, pieces, then exactly one of `onEnd` or `onError`.
 * `onError` may come at any moment; nothing comes after it, nor after `abort`.
 */
export type UpstreamHandler = {
  /** The connection stands and the head is on its way: the request may have been seen from here on. */
  onReady(): void
  /** The head of the answer: name, value, name, value …, as received. */
  onStart(status: number, headers: string[]): void
  /** Returns false when the client is slower than the target: pause until `resume`. */
  onData(chunk: Uint8Array): boolean
  /** The request body may be written on after `write` returned false. */
  onWritable(): void
  onEnd(): void
  onError(failure: UpstreamFailure): void
}

/** One call under way. */
export type UpstreamCall = {
  /** Sends the request. The handler may be called before this returns. Once. */
  start(): void
  /** A piece of the request body, after `onReady`. False: wait for `onWritable`. */
  write(chunk: Uint8Array): boolean
  /** The request body is whole. */
  end(): void
  /** After `onData` returned false. */
  resume(): void
  /** Gives the call up; its handler hears nothing more. */
  abort(): void
}

/** The connections of one upstream to one target, kept alive between calls. */
export type UpstreamConnection = {
  call(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall
  /** No further call comes. Calls under way are finished, then the connections are closed. */
  release(): void
}

/** Opens connections to targets. Those with the same address and settings are shared. */
export type UpstreamConnections = {
  open(target: CompiledTarget, upstream: CompiledUpstream): UpstreamConnection
  /** Closes everything; resolves when calls under way are over. */
  close(): Promise<void>
}

/** Wraps a handler so that a caller that breaks the order above stops the process instead of garbling an answer. */
export class InOrder implements UpstreamHandler {
  readonly #handler: UpstreamHandler
  #phase: 'new' | 'ready' | 'started' | 'over' = 'new'

  constructor(handler: UpstreamHandler) {
    this.#handler = handler
  }

  onReady(): void {
    assert(this.#phase === 'new', 'onReady comes first, once')
    this.#phase = 'ready'
    this.#handler.onReady()
  }

  onStart(status: number, headers: string[]): void {
    assert(this.#phase === 'ready', 'onStart comes once, after onReady')
    this.#phase = 'started'
    this.#handler.onStart(status, headers)
  }

  onData(chunk: Uint8Array): boolean {
    assert(this.#phase === 'started', 'onData comes after onStart and before the end')
    return this.#handler.onData(chunk)
  }

  onWritable(): void {
    assert(
      this.#phase === 'ready' || this.#phase === 'started',
      'onWritable comes while a call runs',
    )
    this.#handler.onWritable()
  }

  onEnd(): void {
    assert(this.#phase === 'started', 'onEnd comes once, after onStart')
    this.#phase = 'over'
    this.#handler.onEnd()
  }

  onError(failure: UpstreamFailure): void {
    assert(this.#phase !== 'over', 'onError comes once, and never after onEnd')
    this.#phase = 'over'
    this.#handler.onError(failure)
  }
}
