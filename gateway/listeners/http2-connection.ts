import {
  constants,
  performServerHandshake,
  type ServerSessionOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import {
  CLIENT_LINGER_MS,
  HTTP2_CONNECTION_MIB_MAX,
  HTTP2_CONNECTION_WINDOW_BYTES,
  HTTP2_HEAD_BYTES_MAX,
  HTTP2_HEAD_FIELDS_MAX,
  HTTP2_RESET_COST,
  HTTP2_STREAM_WINDOW_BYTES,
  HTTP2_STREAMS_MAX,
} from '../../shared/limits.ts'
import type { Deadline, Deadlines } from '../deadlines.ts'
import type { ByteStream } from '../exchange.ts'
import type { HeadBounds } from '../http1/head-bounds.ts'
import type { Refusal } from '../http1/refusal.ts'
import { addLines } from '../http2/outgoing-fields.ts'
import { Patience } from '../http2/patience.ts'
import type { RawFields } from '../http2/raw-fields.ts'
import { errorReply, replyLines } from '../reply.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { isRefusedRequest, readHttp2Request } from './http2-request.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants
/** The largest id that a stream can have: all streams are still taken (RFC 9113 6.8). */
const LAST_STREAM_ID = 2 ** 31 - 1

/** What only somewhat passes the bounds of heads is to reach us, so that it is answered. */
function sessionOptions({ headBytesMax, headFieldsMax }: HeadBounds): ServerSessionOptions {
  return {
    maxSessionMemory: HTTP2_CONNECTION_MIB_MAX,
    maxHeaderListPairs: Math.max(HTTP2_HEAD_FIELDS_MAX, 2 * headFieldsMax),
    strictSingleValueFields: false,
    settings: {
      enableConnectProtocol: true,
      maxConcurrentStreams: HTTP2_STREAMS_MAX,
      maxHeaderListSize: Math.max(HTTP2_HEAD_BYTES_MAX, 2 * headBytesMax),
      initialWindowSize: HTTP2_STREAM_WINDOW_BYTES,
    },
  }
}

/** Where a connection comes from, and whether it is believed about its clients. */
type Client = Pick<ClientConnection, 'clientAddress' | 'localPort' | 'tls' | 'trusted'>

/**
 * One connection of a client on which HTTP/2 is spoken, by Node's own session. Frames and HPACK are its; what a client may
 * cost is bounded here: streams at a time, useless ones, pings and settings, idle time, requests in all.
 */
export class Http2Connection {
  readonly client: Client
  readonly deadlines: Deadlines
  readonly idleMs: number
  readonly bodyBytesMin: number
  readonly #parts: ConnectionParts
  readonly #session: ServerHttp2Session
  readonly #deadline: Deadline
  readonly #patience: Patience
  /** Streams that are open. 0 ≤ streams ≤ HTTP2_STREAMS_MAX. */
  #streams = 0
  #requests = 0
  /** What had come of the client when it was last looked at. */
  #bytesRead = 0
  /** It was asked whether it is still there. */
  #isAsked = false

  constructor(socket: ByteStream, client: Client, parts: ConnectionParts) {
    this.#parts = parts
    this.client = client
    this.deadlines = parts.deadlines
    this.idleMs = parts.bounds.idleMs
    this.bodyBytesMin = parts.bodyBytesMin
    this.#patience = new Patience(parts.deadlines.now())
    this.#deadline = parts.deadlines.create(this)
    this.#deadline.set(parts.bounds.headMs)
    // RFC 9113 5.4 knows no half of a connection: a client that has closed its side is gone, with all its streams.
    socket.allowHalfOpen = false
    const session = performServerHandshake(socket, sessionOptions(parts.headBounds))
    this.#session = session
    session.on('stream', (stream, _headers, flags, raw) => this.#onStream(stream, flags, raw))
    session.on('ping', () => this.#lose(1))
    session.on('remoteSettings', () => this.#lose(1))
    // Broken connections are heard by `close`.
    session.on('error', () => {})
    session.on('close', () => this.#deadline.remove())
    session.setLocalWindowSize(HTTP2_CONNECTION_WINDOW_BYTES)
  }

  /** Asks the client to send further requests elsewhere. Those on their way are still served. */
  announceEnd(): void {
    if (!this.#session.destroyed) this.#session.goaway(NGHTTP2_NO_ERROR, LAST_STREAM_ID)
  }

  /** Takes no further stream, and closes with the last one. */
  close(): void {
    this.#session.close()
    if (this.#streams === 0) this.#deadline.set(CLIENT_LINGER_MS)
  }

  /** A stream is closed. `isWhole`: with a whole answer. */
  onStreamClosed(isWhole: boolean): void {
    this.#streams -= 1
    if (isWhole) this.#patience.giveBack(HTTP2_RESET_COST)
    else this.#lose(HTTP2_RESET_COST)
    if (this.#streams > 0 || this.#session.destroyed) return
    this.#deadline.set(this.#session.closed ? CLIENT_LINGER_MS : this.#parts.bounds.keepAliveMs)
  }

  onDeadline(): void {
    if (this.#streams > 0) this.#look()
    else if (this.#session.closed) this.#session.destroy()
    else this.close()
  }

  /**
   * A client that waits for an answer need not say anything, so it is asked (RFC 9113 6.7) before its silence means that it is
   * gone. Whatever comes counts as an answer: one behind a slow line is busy with what was sent before the question.
   */
  #look(): void {
    const session = this.#session
    if (session.destroyed) return
    const bytesRead = session.socket?.bytesRead ?? 0
    if (bytesRead !== this.#bytesRead) {
      this.#bytesRead = bytesRead
      this.#isAsked = false
      this.#deadline.set(this.idleMs)
    } else if (this.#isAsked) {
      session.destroy()
    } else {
      this.#isAsked = true
      session.ping(() => {})
      this.#deadline.set(this.#parts.bounds.headMs)
    }
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: RawFields): void {
    // Reset in the same read: nobody waits for it, and nothing of it is looked at.
    if (stream.closed || stream.destroyed) {
      stream.on('error', () => {})
      this.#lose(HTTP2_RESET_COST)
      return
    }
    this.#streams += 1
    this.#isAsked = false
    this.#deadline.set(this.idleMs)
    this.#requests += 1
    if (this.#requests >= this.#parts.bounds.requestsMax) this.#session.close()
    const isWhole = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    const request = readHttp2Request(raw, isWhole, this.#parts.headBounds)
    if (isRefusedRequest(request)) this.#refuse(stream, request)
    else this.#parts.serve(new Http2Exchange(this, stream, request))
  }

  /** Answers a head that is no request. The connection stays: each stream has an end of its own. */
  #refuse(stream: ServerHttp2Stream, refusal: Refusal): void {
    this.#parts.onRefused(refusal.code)
    stream.on('error', () => {})
    stream.on('close', () => this.onStreamClosed(false))
    const reply = errorReply(refusal.code, refusal.message)
    const head = [':status', String(reply.status), 'content-length', String(reply.body.length)]
    addLines(head, replyLines(reply, this.#parts.nextRequestId()))
    stream.respond(head)
    stream.end(reply.body)
    stream.close(NGHTTP2_NO_ERROR)
  }

  #lose(cost: number): void {
    if (this.#session.destroyed || this.#patience.take(cost, this.deadlines.now())) return
    this.#session.destroy(new Error('too much useless work'), NGHTTP2_ENHANCE_YOUR_CALM)
  }
}
