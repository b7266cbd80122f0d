import type { Socket } from 'node:net'
import { CLIENT_DROPPED_BYTES_MAX, CLIENT_HALF_CLOSED_MS } from '../../shared/limits.ts'
import type { Deadline } from '../deadlines.ts'
import type { ByteStream, TlsFacts } from '../exchange.ts'
import { BODY, BodyReader } from '../http1/body-reader.ts'
import { HeadReader, MORE, REFUSED } from '../http1/head-reader.ts'
import { HEAD_TIMEOUT, malformed, type Refusal } from '../http1/refusal.ts'
import { RequestHead } from '../http1/request-head.ts'
import { lengthLine, statusLine } from '../http1/serialise.ts'
import { Outgoing } from '../outgoing.ts'
import { errorReply, replyLines } from '../reply.ts'
import type { ClientFacts } from './client-facts.ts'
import type { ConnectionParts } from './connection-parts.ts'
import type { DirectReads } from './direct-reads.ts'
import { Farewell } from './farewell.ts'
import { Http1Exchange } from './http1-exchange.ts'
import { prefaceIn } from './preface.ts'
import { free } from './read-memory.ts'
import { isRefusal, readTargetFor, type RequestTarget, type Scheme } from './request-target.ts'
import type { TrustedProxies } from './trusted-proxies.ts'

/** `serving`: a request is under way. `gone`: the socket is closed, or somebody else's. */
type Step = 'head' | 'serving' | 'gone'

/** Reads below it are left to the collector: to free them costs more than it saves. */
const FREED_BYTES_MIN = 16_384

const UNCLEAR = malformed('the request is malformed')

/**
 * One connection of a client, plain or TLS: requests one after another, each answered before the next is looked at. What a
 * client sends ahead waits in at most one read, and then in its own system.
 */
export class ClientConnection {
  readonly head: RequestHead
  readonly outgoing: Outgoing
  readonly clientAddress: string
  readonly localPort: number
  readonly tls: TlsFacts | null
  readonly #parts: ConnectionParts
  /** Null: what the peer says of its clients is not believed. */
  readonly trusted: TrustedProxies | null
  /** What an absolute target may say. */
  readonly #scheme: Scheme
  readonly #socket: Socket
  /** Null: reads are `data` events. */
  readonly #reads: DirectReads | null
  readonly #reader: HeadReader
  readonly #body = new BodyReader()
  readonly #deadline: Deadline
  #step: Step = 'head'
  #exchange: Http1Exchange | null = null
  #requests = 0
  /** Bytes that wait: for a request before them, for somebody who wants the body, for a client to take its answers. */
  #held: Buffer | null = null
  #isConsuming = false
  /** It may still turn out to speak HTTP/2. */
  #isFirst = true
  #isBodyWanted = false
  #isBodyPaused = false
  /** Bytes of the body that are still to come before the client is given another `idleMs`. */
  #owed = 0
  /** A reply said that the connection closes after it. */
  #closes = false
  #isHalfClosed = false
  #isStalled = false
  /** Bytes of a body after its reply that may still be dropped. */
  #droppable = 0

  /** `socket` was not read from, or is that of `reads`. */
  constructor(
    socket: Socket,
    client: ClientFacts,
    parts: ConnectionParts,
    reads: DirectReads | null,
  ) {
    this.#socket = socket
    this.#parts = parts
    this.clientAddress = client.address
    this.trusted = parts.trusted?.networks.hasText(client.address) === true ? parts.trusted : null
    this.localPort = socket.localPort ?? 0
    this.tls = client.tls
    if (this.trusted !== null) this.#scheme = 'any'
    else this.#scheme = client.tls === null ? 'http' : 'https'
    this.head = new RequestHead(parts.headBounds)
    this.#reader = new HeadReader(this.head)
    this.outgoing = new Outgoing(socket, () => this.#stalled(false))
    this.#deadline = parts.deadlines.create(this)
    this.#deadline.set(parts.bounds.headMs)
    this.#reads = reads
    if (reads === null) socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    else reads.taker = (bytes, size) => this.#onBytes(bytes, size)
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onEnd())
    // A broken connection is heard by `close`; without a listener an error would end the process.
    socket.on('error', () => {})
    socket.on('close', () => this.#onClose())
  }

  /** Whether nothing is under way, so that it may be closed without a loss. */
  get isIdle(): boolean {
    return this.#step === 'head' && !this.#reader.isPartial && !this.#isWriting
  }

  /** Whether the system has not taken everything that was said to the client. */
  get #isWriting(): boolean {
    return this.outgoing.isPending || this.#socket.writableLength > 0
  }

  /** Decides, before a reply's head goes out, whether the connection closes after it. */
  closesAfter(mustClose: boolean): boolean {
    this.#closes =
      mustClose ||
      this.#isInputOver ||
      !this.head.isPersistent ||
      this.#requests >= this.#parts.bounds.requestsMax ||
      this.#parts.isDraining()
    return this.#closes
  }

  /** Whether no further request can come. */
  get #isInputOver(): boolean {
    return this.#isHalfClosed && this.#held === null && !this.#isConsuming
  }

  startBody(): void {
    this.#isBodyWanted = true
    this.#awaitBody()
    if (!this.#isConsuming) this.#goOn()
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return
    this.#isBodyPaused = false
    this.#awaitBody()
    if (!this.#isConsuming) this.#goOn()
  }

  writePiece(bytes: Buffer, from: number, to: number, isChunked: boolean): boolean {
    return this.#stalled(this.outgoing.piece(bytes, from, to, isChunked))
  }

  flush(): void {
    if (this.outgoing.isPending) this.#stalled(this.outgoing.flush())
  }

  /** The reply is whole. The rest of a body is dropped, within a bound. */
  onReplyEnd(): void {
    this.outgoing.flush()
    if (this.#step !== 'serving') return
    if (this.#body.isDone) {
      this.#complete()
      return
    }
    const left = this.#body.bytesLeft
    this.#droppable = CLIENT_DROPPED_BYTES_MAX
    if (this.#closes || (left !== null && left > CLIENT_DROPPED_BYTES_MAX)) {
      this.#linger()
      return
    }
    this.#isBodyWanted = true
    this.#isBodyPaused = false
    this.#awaitBody()
    if (!this.#isConsuming) this.#goOn()
  }

  /** Gives the socket away, once the head of the answer is written. */
  handOver(head: string): ByteStream {
    const socket = this.#socket
    this.outgoing.add(head)
    const held = this.#held
    this.#leave()
    this.#stopListening()
    socket.pause()
    if (held !== null) socket.unshift(held)
    return socket
  }

  /** Closes it with a reset, which nobody takes for the end of an answer. */
  reset(): void {
    this.#leave()
    // A TLS session that is not closed in order says as much.
    if (this.tls !== null || this.#socket.destroyed) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  /** Closes it at once. */
  destroy(): void {
    this.#leave()
    this.#socket.destroy()
  }

  onDeadline(): void {
    if (this.#step === 'head' && this.#reader.isPartial) {
      this.#refuse(HEAD_TIMEOUT)
      return
    }
    const exchange = this.#exchange
    this.destroy()
    exchange?.onGone()
  }

  #onData(bytes: Buffer): void {
    this.#onBytes(bytes, bytes.length)
    if (this.#step !== 'gone' && bytes.length >= FREED_BYTES_MIN) free(bytes)
  }

  /** What is to be kept of the bytes is copied. */
  #onBytes(bytes: Buffer, end: number): void {
    const held = this.#held
    this.#held = null
    const all = held === null ? bytes : Buffer.concat([held, bytes.subarray(0, end)])
    const allEnd = held === null ? end : all.length
    if (!this.#isFirst || this.#isHttp1(all, allEnd)) this.#consume(all, allEnd)
  }

  /** Looks at the first bytes. False: they are dealt with. */
  #isHttp1(bytes: Buffer, end: number): boolean {
    const preface = prefaceIn(bytes, end)
    this.#isFirst = preface === 'part'
    if (preface === 'none') return true
    this.#held = Buffer.from(bytes.subarray(0, end))
    if (preface === 'whole') this.#parts.speakHttp2(this.handOver(''), this)
    return false
  }

  /** Takes what waits, and then what comes. */
  #goOn(): void {
    const held = this.#held
    this.#held = null
    if (held !== null) this.#consume(held, held.length)
    else if (this.#isBodyWanted) this.#exchange?.handler?.onBodyPause()
    if (this.#held === null && this.#step !== 'gone' && this.#socket.isPaused()) {
      this.#socket.resume()
    }
  }

  #consume(bytes: Buffer, end: number): void {
    let at = 0
    this.#isConsuming = true
    while (at < end) {
      const next =
        this.#step === 'head' ? this.#readHead(bytes, at, end) : this.#readBody(bytes, at, end)
      if (next === MORE) break
      at = next
    }
    this.#isConsuming = false
    if (this.#step !== 'head' && this.#step !== 'serving') return
    if (at < end) {
      this.#held = Buffer.from(bytes.subarray(at, end))
      this.#socket.pause()
    }
    if (this.#isBodyWanted) this.#exchange?.handler?.onBodyPause()
    if (this.#isHalfClosed && this.#held === null) this.#onInputEnd()
  }

  /** Gives where to go on, or MORE when the rest has to wait. */
  #readHead(bytes: Buffer, at: number, end: number): number {
    // Who does not take its answers gets no more of them.
    if (this.#socket.writableNeedDrain) return MORE
    const wasPartial = this.#reader.isPartial
    const next = this.#reader.read(bytes, at, end)
    if (next === MORE) {
      if (!wasPartial) this.#deadline.set(this.#parts.bounds.headMs)
      return end
    }
    if (next === REFUSED) {
      this.#refuse(this.head.refusal ?? UNCLEAR)
      return end
    }
    const target = readTargetFor(this.head.method, this.head, this.#scheme)
    if (isRefusal(target)) {
      this.#refuse(target)
      return end
    }
    this.#begin(target)
    return next
  }

  #begin(target: RequestTarget): void {
    this.#requests += 1
    this.#step = 'serving'
    this.#isBodyWanted = false
    this.#isBodyPaused = false
    this.#isStalled = false
    this.#closes = false
    const { bodyLength } = this.head
    if (bodyLength === null) this.#body.beginChunks()
    else this.#body.beginLength(bodyLength)
    this.#deadline.clear()
    const exchange = new Http1Exchange(this, target)
    this.#exchange = exchange
    this.#parts.serve(exchange)
  }

  /** From now on the client has some time to send some of its body, or the rest. */
  #awaitBody(): void {
    this.#owed = this.#parts.bodyBytesMin
    this.#deadline.set(this.#parts.bounds.idleMs)
  }

  #readBody(bytes: Buffer, from: number, end: number): number {
    const body = this.#body
    if (this.#step !== 'serving' || body.isDone || !this.#isBodyWanted || this.#isBodyPaused) {
      return MORE
    }
    const exchange = this.#exchange
    const event = body.next(bytes, from, end)
    if (event === BODY.REFUSED) {
      this.#refuseBody(body.refusal ?? UNCLEAR)
      return end
    }
    if (event === BODY.PIECE) this.#takePiece(exchange, bytes)
    // The end is told in the same turn as the last byte, whatever comes behind it.
    if (body.isDone && this.#step === 'serving') this.#takeEnd(exchange)
    return body.at
  }

  #takePiece(exchange: Http1Exchange | null, bytes: Buffer): void {
    const { start, end } = this.#body
    const handler = exchange?.handler ?? null
    if (handler === null) {
      this.#droppable -= end - start
      if (this.#droppable < 0) this.#linger()
      return
    }
    this.#owed -= end - start
    if (this.#owed <= 0) this.#awaitBody()
    if (!handler.onBodyData(bytes, start, end) && exchange?.handler === handler) {
      this.#isBodyPaused = true
      this.#deadline.clear()
    }
  }

  #takeEnd(exchange: Http1Exchange | null): void {
    const handler = exchange?.handler ?? null
    this.#isBodyWanted = false
    if (handler === null) {
      this.#complete()
      return
    }
    this.#deadline.clear()
    if (this.#isStalled) this.#deadline.set(this.#parts.bounds.idleMs)
    handler.onBodyEnd(this.#body.trailers)
  }

  /** Request and reply are over. */
  #complete(): void {
    this.#exchange = null
    if (this.#closes || this.#isInputOver || this.#parts.isDraining()) {
      this.#linger()
      return
    }
    this.#step = 'head'
    this.#reader.reset()
    this.#deadline.set(this.#parts.bounds.keepAliveMs)
    if (!this.#isConsuming && (this.#held !== null || this.#socket.isPaused())) this.#goOn()
  }

  /** The last reply is out: the socket is closed in good order, and `#onClose` hears of it. */
  #linger(): void {
    if (this.#step === 'gone') return
    this.#leave()
    this.#stopListening()
    new Farewell(this.#socket, this.#parts).begin(this.#isHalfClosed)
  }

  /** Answers bytes that are no request, and closes: what follows them cannot be trusted. */
  #refuse(refusal: Refusal): void {
    this.#parts.onRefused(refusal.code)
    const reply = errorReply(refusal.code, refusal.message)
    const lines = replyLines(reply, this.#parts.nextRequestId())
    this.outgoing.add(
      `${statusLine(reply.status)}${lengthLine(reply.body.length)}${lines}Connection: close\r\n\r\n`,
    )
    this.outgoing.piece(reply.body, 0, reply.body.length, false)
    this.#linger()
  }

  /** A body that is none: its request is given up, wherever it went, and answered if it was not yet. */
  #refuseBody(refusal: Refusal): void {
    const exchange = this.#exchange
    const isAnswered = exchange?.isStarted ?? true
    const hasHandler = exchange?.handler !== null
    this.#exchange = null
    if (isAnswered || !hasHandler) {
      if (hasHandler) this.reset()
      else this.#linger()
    } else {
      this.#refuse(refusal)
    }
    exchange?.onGone()
  }

  #stalled(isFree: boolean): boolean {
    if (!isFree && !this.#isStalled) {
      this.#isStalled = true
      this.#deadline.set(this.#parts.bounds.idleMs)
    } else if (isFree && this.#isHalfClosed) {
      // As long as an answer flows, one that is gone is found out by writing.
      this.#deadline.set(CLIENT_HALF_CLOSED_MS)
    }
    return isFree
  }

  #onDrain(): void {
    if (this.#isStalled) {
      this.#isStalled = false
      if (this.#isHalfClosed) this.#deadline.set(CLIENT_HALF_CLOSED_MS)
      else if (!this.#isBodyWanted || this.#isBodyPaused) this.#deadline.clear()
    }
    if (this.#step === 'head') this.#goOn()
    else this.#exchange?.handler?.onDrain()
  }

  /** The client has closed its side; what waits here was sent before. */
  #onEnd(): void {
    this.#isHalfClosed = true
    if (this.#held === null || this.#isFirst) this.#onInputEnd()
  }

  /** Everything that the client has sent was taken, and nothing more will come. */
  #onInputEnd(): void {
    const exchange = this.#exchange
    if (this.#step === 'serving' && this.#body.isDone && exchange !== null) {
      // It may wait for its answer, or be gone: the two look the same.
      this.#deadline.set(CLIENT_HALF_CLOSED_MS)
      return
    }
    const isAnswered = this.#step === 'head' || exchange?.handler === null
    if (isAnswered && this.#isWriting) this.#linger()
    else this.destroy()
    exchange?.onGone()
  }

  #onClose(): void {
    const exchange = this.#exchange
    this.#leave()
    this.#parts.onClosed(this)
    exchange?.onGone()
  }

  /** What the socket still tells is for somebody else. */
  #stopListening(): void {
    if (this.#reads !== null) this.#reads.taker = null
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('drain')
    this.#socket.removeAllListeners('end')
  }

  #leave(): void {
    // What was said so far is not taken back, however the connection ends.
    if (!this.#socket.destroyed) this.outgoing.write()
    this.#step = 'gone'
    this.#exchange = null
    this.#held = null
    this.#deadline.remove()
  }
}
