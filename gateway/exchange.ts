/**
 * The port between listeners and the pipeline: one request and its reply, whatever the protocol. A listener has checked
 * the head when it hands an exchange over; nothing behind this type is known to the pipeline. It is also the
 * `RequestView` that routes are matched with.
 */
export type Exchange = {
  readonly method: string
  /** Lower case, without a port; empty when the client named none. */
  readonly host: string
  /** What the client sent as the host, with its port. */
  readonly authority: string
  /** As the client sent it, without `?` and the query; begins with `/`. */
  readonly path: string
  /** Raw text after `?`; empty when there is none. */
  readonly query: string
  /** IP address of the client, IPv4 in its own form. */
  readonly clientAddress: string
  /** Port that the client came in by. */
  readonly localPort: number
  readonly isTls: boolean
  /** As the client spoke it. */
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'
  /** name, value, name, value …, as received and in that order. */
  readonly headers: readonly string[]
  /** Bytes of the request body; 0 when there is none, null when only its end will tell. */
  readonly bodyLength: number | null
  /** One header by lower-case name; several of the same name joined by `, `. */
  header(name: string): string | undefined
  /** Names who hears what becomes of the exchange. Once, in the tick in which the exchange was handed over. */
  attach(handler: ExchangeHandler): void
  /** Lets the request body flow to the handler; tells a client that asked to go ahead. At most once. */
  startBody(): void
  /** After `onBodyData` returned false. */
  resumeBody(): void
  /** Sends a reply's head, name, value, name, value …. Then come pieces, then `end`. Once. */
  start(status: number, headers: readonly string[]): void
  /** Sends a piece of the reply. False: wait for `onDrain`. The bytes belong to the exchange afterwards. */
  write(chunk: Uint8Array): boolean
  /** Ends the reply. A request body that is still under way is read and dropped. */
  end(): void
  /** Cuts the connection, so that a reply that broke off can never be taken for a whole one. */
  abort(): void
}

/** What an exchange tells whoever serves it. Nothing is told after `end` or `abort`. */
export type ExchangeHandler = {
  /** Returns false to pause the body until `resumeBody`. */
  onBodyData(chunk: Uint8Array): boolean
  onBodyEnd(): void
  /** The client has taken what was written. */
  onDrain(): void
  /** The client is gone before the reply was whole. The last thing told. */
  onAbort(): void
}

/** Where a listener puts what it accepts. */
export type ServeExchange = (exchange: Exchange) => void
