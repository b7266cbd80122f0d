import type { Duplex } from 'node:stream'
import type { Fields } from './http1/fields.ts'

/** A stream of bytes both ways, on which another protocol is spoken. */
export type ByteStream = Duplex

/** What a TLS handshake has shown. */
export type TlsFacts = {
  /** Name of the Certificate that the client was shown. */
  readonly certificate: string
  /** Host that the client named in the handshake; null when it named none. */
  readonly serverName: string | null
  /** The certificate that the client showed, if it is one that was asked for. */
  readonly client: {
    readonly subject: string
    readonly fingerprint: string
    /** As OpenSSL prints them: `DNS:a.example, URI:spiffe://b/c`; empty for none. */
    readonly alternativeNames: string
  } | null
}

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
  /** IP address of the client, IPv4 in its own form: as trusted proxies tell it, else of the peer. */
  readonly clientAddress: string
  /** IP address that the connection comes from: of the client, or of the last proxy before this gateway. */
  readonly peerAddress: string
  /** Port that the client came in by. */
  readonly localPort: number
  /** The client speaks TLS: with the gateway, or with a trusted proxy before it. */
  readonly isTls: boolean
  /** Of the gateway's own handshake; null without one. */
  readonly tls: TlsFacts | null
  /** As the client spoke it. */
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'
  /** As received and in that order. Belongs to the connection: not to be read after `end` or `abort`. */
  readonly fields: Fields
  /** Bytes of the request body; 0 when there is none, null when only its end will tell. */
  readonly bodyLength: number | null
  /** The client waits for a go-ahead (`Expect: 100-continue`) before it sends its body. */
  readonly expectsContinue: boolean
  /** The client asks to change the protocol, as its Upgrade field says. */
  readonly wantsUpgrade: boolean
  /** One header by lower-case name; several of the same name joined by `, `. Like `fields`. */
  header(name: string): string | undefined
  /**
   * Names who hears what becomes of the exchange, in the tick in which the exchange was handed over. Before `startBody`
   * another one may take over.
   */
  attach(handler: ExchangeHandler): void
  /** Lets the request body flow to the handler. At most once. */
  startBody(): void
  /** After `onBodyData` returned false. */
  resumeBody(): void
  /** Sends an interim answer (1xx), to clients that know such. `lines` as for `start`. Before `start`. */
  inform(status: number, lines: string): void
  /**
   * Begins a reply. `lines` are field lines, each with its CRLF, one character a byte, none of which frames the message or
   * concerns the connection. `length` is the body's, or what it would be for HEAD and 304; null: only its end will tell.
   * Nothing need be on its way before `flush` or `end`. Once.
   */
  start(status: number, lines: string, length: number | null): void
  /** A piece of the reply. False: wait for `onDrain`. The bytes are the caller's again afterwards. */
  write(bytes: Buffer, from: number, to: number): boolean
  /** Nothing more comes at the moment: sends what was gathered. */
  flush(): void
  /** Ends the reply, with trailer lines like those of `start`. A request body that is still under way is dropped. */
  end(trailers?: string): void
  /**
   * Answers 101 with these lines, or what stands for it, and gives the stream that the new protocol is spoken on. What the
   * client sent behind its head comes out of the stream first. The exchange is over with it.
   */
  switchProtocols(lines: string): ByteStream
  /** Cuts the connection, so that a reply that broke off can never be taken for a whole one. */
  abort(): void
}

/** What an exchange tells whoever serves it. Nothing is told after `end` or `abort`. */
export type ExchangeHandler = {
  /** Returns false to pause the body until `resumeBody`. The bytes are the listener's again afterwards. */
  onBodyData(bytes: Buffer, from: number, to: number): boolean
  /** With the fields behind a chunked body, if there are any. */
  onBodyEnd(trailers: Fields | null): void
  /** No more of the body is there at the moment. */
  onBodyPause(): void
  /** The client has taken what was written. */
  onDrain(): void
  /** The client is gone before the reply was whole. The last thing told. */
  onAbort(): void
}

/** Where a listener puts what it accepts. */
export type ServeExchange = (exchange: Exchange) => void
