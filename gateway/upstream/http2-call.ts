import { constants, type ClientHttp2Stream } from 'node:http2'
import { HTTP2_REPLAY_BYTES_MAX, INTERIM_ANSWERS_MAX } from '../../shared/limits.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { Deadline } from '../deadlines.ts'
import type { Fields } from '../http1/fields.ts'
import { USUAL_BOUNDS } from '../http1/head-bounds.ts'
import { contentLength } from '../http2/content-length.ts'
import { addLines, fieldObject } from '../http2/outgoing-fields.ts'
import { isRefused, readFields, readTrailers, type RawFields } from '../http2/raw-fields.ts'
import { acceptOf, isWebSocket, takeKey } from '../http2/websocket.ts'
import type { Http2Pool } from './http2-pool.ts'
import { isIdempotent } from './retry-policy.ts'
import { cancelStream, type TargetSession } from './target-session.ts'
import type {
  UpstreamCall,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-connection.ts'

const {
  NGHTTP2_FLAG_END_STREAM,
  NGHTTP2_HTTP_1_1_REQUIRED,
  NGHTTP2_NO_ERROR,
  NGHTTP2_REFUSED_STREAM,
} = constants

/** One call to a target over HTTP/2, and its stream. */
export class Http2Call implements UpstreamCall {
  readonly request: UpstreamRequest
  /** When it began to wait for a connection, as the pool counts. */
  waitingSince = 0
  /** Times that it was sent again because no target had looked at it. */
  replays = 0
  readonly #pool: Http2Pool
  readonly #handler: UpstreamHandler
  readonly #deadline: Deadline
  #session: TargetSession | null = null
  #stream: ClientHttp2Stream | null = null
  #phase: 'waiting' | 'ready' | 'started' | 'over' = 'waiting'
  #interims = 0
  /** What was sent of the body, as long as it may have to be sent again; null once that is out of the question. */
  #sent: Buffer[] | null = []
  #sentBytes = 0
  #isRequestWhole: boolean
  /** Of a WebSocket handshake, to be answered in the place of the target. */
  #key: string | null = null
  #trailers = ''
  #received: Fields | null = null

  constructor(pool: Http2Pool, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#pool = pool
    this.request = request
    this.#handler = handler
    this.#isRequestWhole = request.bodyLength === 0 && request.upgrade === null
    this.#deadline = pool.deadlines.create(this)
  }

  start(): void {
    const { upgrade } = this.request
    if (upgrade === null || isWebSocket(upgrade)) this.#pool.dispatch(this)
    else this.onError({ code: 'UPSTREAM_PROTOCOL', detail: 'HTTP/2 has no Upgrade' })
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    const stream = this.#stream
    if (this.#phase === 'over' || stream === null) return true
    // As long as the body moves, the target need not have answered.
    if (this.#phase === 'ready') this.#deadline.set(this.request.firstByteMs)
    const copy = Buffer.from(bytes.subarray(from, to))
    this.#keep(copy)
    return isWritable(stream) ? stream.write(copy) : true
  }

  flush(): void {
    // Every piece is on its way already.
  }

  end(trailers: string): void {
    if (this.#phase === 'over' || this.#isRequestWhole) return
    this.#isRequestWhole = true
    this.#trailers = trailers
    const stream = this.#stream
    if (stream !== null && isWritable(stream)) stream.end()
  }

  resume(): void {
    if (this.#phase !== 'started' || this.#stream === null) return
    this.#deadline.set(this.request.idleMs)
    this.#stream.resume()
  }

  abort(): void {
    if (this.#phase === 'over') return
    this.#become('over')
    if (this.#stream === null) this.#pool.forget(this)
    else cancelStream(this.#stream)
  }

  /** A connection takes the call. Again after a replay, of which the handler hears nothing. */
  onTaken(session: TargetSession): void {
    if (this.request.upgrade !== null && !session.takesWebSocket) {
      this.onError({ code: 'UPSTREAM_PROTOCOL', detail: 'the target has no extended CONNECT' })
      return
    }
    const stream = session.take(this, this.#head())
    if (stream === null) return
    this.#session = session
    this.#stream = stream
    this.#listen(stream)
    this.#deadline.set(this.request.firstByteMs)
    if (this.#phase === 'waiting') {
      this.#phase = 'ready'
      this.#handler.onReady()
      return
    }
    for (const piece of this.#sent ?? []) stream.write(piece)
    if (this.#isRequestWhole && this.request.bodyLength !== 0) stream.end()
    else this.#handler.onWritable()
  }

  onError(failure: UpstreamFailure): void {
    if (this.#phase === 'over') return
    this.#become('over')
    this.#handler.onError(failure)
  }

  onDeadline(): void {
    const isIdle = this.#phase === 'started'
    if (this.#stream !== null) cancelStream(this.#stream)
    this.#session?.ask()
    const detail = isIdle ? 'nothing came in time (body)' : 'nothing came in time (head)'
    this.onError({ code: 'UPSTREAM_TIMEOUT', detail })
  }

  #head(): string[] {
    const { method, path, host, lines, bodyLength, expectsContinue, upgrade } = this.request
    const scheme = this.#pool.target.isTls ? 'https' : 'http'
    const place = [':scheme', scheme, ':authority', host, ':path', path]
    if (upgrade !== null) {
      const head = [':method', 'CONNECT', ':protocol', 'websocket', ...place]
      addLines(head, lines)
      this.#key = takeKey(head)
      return head
    }
    const head = [':method', method, ...place]
    addLines(head, lines)
    if (bodyLength !== null && bodyLength > 0) head.push('content-length', String(bodyLength))
    if (expectsContinue) head.push('expect', '100-continue')
    // Trailers are passed on, whoever asks for them; servers of gRPC insist on hearing so.
    head.push('te', 'trailers')
    return head
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('headers', (fields, _flags, raw) => this.#onInterim(fields[':status'] ?? 0, raw))
    stream.on('response', (fields, flags, raw) => {
      this.#onResponse(stream, { status: fields[':status'] ?? 0, flags, raw })
    })
    stream.on('trailers', (_fields, _flags, raw) => this.#onTrailers(raw))
    stream.on('wantTrailers', () => stream.sendTrailers(fieldObject(this.#trailers)))
    stream.on('drain', () => {
      if (this.#phase !== 'over' && !this.#isRequestWhole) this.#handler.onWritable()
    })
    // What goes wrong with a stream is heard by `close`.
    stream.on('error', () => {})
    stream.on('close', () => this.#onClose(stream))
  }

  #onInterim(status: number, raw: RawFields): void {
    if (this.#phase !== 'ready') return
    this.#interims += 1
    const fields = readFields(raw, USUAL_BOUNDS)
    if (isRefused(fields)) this.#refuse(fields.message)
    else if (this.#interims > INTERIM_ANSWERS_MAX)
      this.#refuse('there are too many interim answers')
    else this.#handler.onInterim(status, fields)
  }

  #onResponse(
    stream: ClientHttp2Stream,
    answer: { readonly status: number; readonly flags: number; readonly raw: RawFields },
  ): void {
    if (this.#phase !== 'ready' || stream !== this.#stream) return
    const fields = readFields(answer.raw, USUAL_BOUNDS)
    const length = isRefused(fields) ? null : contentLength(fields)
    if (isRefused(fields)) this.#refuse(fields.message)
    else if (length === null) this.#refuse('Content-Length is no number')
    else if (answer.status < 200 || answer.status > 599) this.#refuse('there is no such status')
    else if (this.request.upgrade !== null && answer.status < 300) this.#upgrade(stream, answer.raw)
    else {
      this.#phase = 'started'
      this.#sent = null
      this.#deadline.set(this.request.idleMs)
      const isWhole = (answer.flags & NGHTTP2_FLAG_END_STREAM) !== 0
      // Trailers pass only behind a body whose length the client is not told.
      const hasTrailers =
        !isWhole && (this.request.needsHttp2 || fields.get('trailer') !== undefined)
      this.#handler.onStart(answer.status, fields, hasTrailers ? null : (length ?? null))
      if (this.#isOver()) return
      // An answer that is only a head is to be one for the client as well.
      if (isWhole) this.#finish(stream)
      else this.#receive(stream)
    }
  }

  /** RFC 8441 5: a success stands for the 101 of HTTP/1.1, with the answer to the key that was not sent. */
  #upgrade(stream: ClientHttp2Stream, raw: RawFields): void {
    const list = raw.filter((_, i) => raw[i - (i % 2)] !== 'sec-websocket-accept')
    if (this.#key !== null) list.push('sec-websocket-accept', acceptOf(this.#key))
    const fields = readFields(list, USUAL_BOUNDS)
    if (isRefused(fields)) {
      this.#refuse(fields.message)
      return
    }
    this.#become('over')
    this.#handler.onUpgrade(fields, stream)
  }

  #receive(stream: ClientHttp2Stream): void {
    stream.on('end', () => {
      // A stream that was reset comes to an end as well.
      if (stream.rstCode === NGHTTP2_NO_ERROR) this.#finish(stream)
    })
    stream.on('data', (bytes: Buffer) => this.#onData(stream, bytes))
    // A head whose body is still to come is sent on.
    if (stream.readableLength === 0) this.#handler.onPause()
  }

  #onData(stream: ClientHttp2Stream, bytes: Buffer): void {
    if (this.#phase !== 'started') return
    const isFlowing = this.#handler.onData(bytes, 0, bytes.length)
    if (this.#isOver()) return
    if (isFlowing) {
      this.#deadline.set(this.request.idleMs)
    } else {
      // From here on the client is waited for, by whoever holds it.
      stream.pause()
      this.#deadline.clear()
    }
    this.#handler.onPause()
  }

  #onTrailers(raw: RawFields): void {
    const read = readTrailers(raw)
    if (isRefused(read)) this.#refuse(read.message)
    else this.#received = read
  }

  #finish(stream: ClientHttp2Stream): void {
    if (this.#phase !== 'started') return
    this.#become('over')
    if (!this.#isRequestWhole) cancelStream(stream)
    this.#handler.onEnd(this.#received)
  }

  #refuse(detail: string): void {
    if (this.#stream !== null) cancelStream(this.#stream)
    this.onError({ code: 'UPSTREAM_BAD_RESPONSE', detail })
  }

  #onClose(stream: ClientHttp2Stream): void {
    const session = this.#session
    if (this.#phase === 'over' || stream !== this.#stream || session === null) return
    const code = stream.rstCode ?? NGHTTP2_NO_ERROR
    // RFC 9113 8.7: the target has not begun with it.
    const isUnseen = code === NGHTTP2_REFUSED_STREAM || session.isUnseen(stream)
    // RFC 9110 9.2.2: as with a connection of HTTP/1.1 that was closed while it was unused.
    const isStale =
      session.isGone &&
      session.isUsed &&
      this.request.bodyLength === 0 &&
      this.request.upgrade === null &&
      isIdempotent(this.request.method)
    const mayReplay = this.#phase === 'ready' && this.#sent !== null && (isUnseen || isStale)
    this.#stream = null
    if (mayReplay && this.#pool.replay(this)) return
    this.onError({ code: codeOf(code, session), detail: `the stream was closed with ${code}` })
  }

  #keep(piece: Buffer): void {
    if (this.#sent === null) return
    this.#sentBytes += piece.length
    if (this.#sentBytes > HTTP2_REPLAY_BYTES_MAX) this.#sent = null
    else this.#sent.push(piece)
  }

  /** Asked after a handler was called, which may have given the call up. */
  #isOver(): boolean {
    return this.#phase === 'over'
  }

  #become(phase: 'over'): void {
    this.#phase = phase
    this.#sent = null
    this.#deadline.remove()
  }
}

function codeOf(code: number, session: TargetSession): ErrorCode {
  if (code === NGHTTP2_HTTP_1_1_REQUIRED) return 'UPSTREAM_PROTOCOL'
  const isRefused = code === NGHTTP2_REFUSED_STREAM || session.isGone
  return isRefused || code === NGHTTP2_NO_ERROR ? 'UPSTREAM_UNREACHABLE' : 'UPSTREAM_BAD_RESPONSE'
}

function isWritable(stream: ClientHttp2Stream): boolean {
  return !stream.closed && !stream.destroyed && !stream.writableEnded
}
