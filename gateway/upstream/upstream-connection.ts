import type { ByteStream } from '../exchange.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { CompiledTarget, CompiledUpstream } from '../../shared/routing/types.ts'
import type { Fields } from '../http1/fields.ts'

/** One request for a target. */
export type UpstreamRequest = {
  readonly method: string
  /** Path and query, begins with `/`. */
  readonly path: string
  /** What the target is told as Host. */
  readonly host: string
  /** End-to-end fields as lines, each with its CRLF, one character a byte, without Host and whatever frames the body. */
  readonly lines: string
  /** Bytes of the body; 0 when there is none, null when only its end will tell. */
  readonly bodyLength: number | null
  /** Ask the target whether it wants the body before it is sent. */
  readonly expectsContinue: boolean
  /** Protocol to change to, as an Upgrade field names it; null: none. */
  readonly upgrade: string | null
  /** What is asked cannot be carried by HTTP/1.1: the answer of gRPC ends in trailers that must not be lost. */
  readonly needsHttp2: boolean
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
 * What a call tells whoever made it: `onReady`, `onStart`, pieces, then exactly one of `onEnd`, `onUpgrade` or `onError`.
 * `onError` may come at any moment; nothing comes after it, nor after `abort`.
 */
export type UpstreamHandler = {
  /** The connection stands and the head is on its way: the request may have been seen from here on. */
  onReady(): void
  /** An interim answer, 100 or 102 to 199; any number of them before `onStart`. */
  onInterim(status: number, fields: Fields): void
  /**
   * The head of the answer, as received. `fields` are to be read before the call returns. `length` is what Content-Length
   * says, null when it is not there.
   */
  onStart(status: number, fields: Fields, length: number | null): void
  /**
   * A piece of the answer. Returns false when the client is slower than the target: pause until `resume`. The bytes are the
   * connection's again when the call returns.
   */
  onData(bytes: Buffer, from: number, to: number): boolean
  /** Nothing more is there at the moment: what was told so far is to be sent on. */
  onPause(): void
  /** The request body may be written on after `write` returned false. */
  onWritable(): void
  /** The answer is whole, with the fields behind it, if there are any. */
  onEnd(trailers: Fields | null): void
  /** The target changes the protocol (101); it is spoken on the stream, which is the handler's from here on. */
  onUpgrade(fields: Fields, stream: ByteStream): void
  onError(failure: UpstreamFailure): void
}

/** One call under way. */
export type UpstreamCall = {
  /** Sends the request. The handler may be called before this returns. Once. */
  start(): void
  /** A piece of the request body, after `onReady`. False: wait for `onWritable`. The bytes stay the caller's. */
  write(bytes: Buffer, from: number, to: number): boolean
  /** No more of the body is there at the moment: what was written is sent. */
  flush(): void
  /** The request body is whole. Trailer lines, if any, as `lines` of the request. */
  end(trailers: string): void
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
