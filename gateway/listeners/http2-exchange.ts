import { constants, type ServerHttp2Stream } from 'node:http2'
import { assert } from '../../shared/assert.ts'
import { CLIENT_DROPPED_BYTES_MAX, CLIENT_LINGER_MS } from '../../shared/limits.ts'
import type { Deadline } from '../deadlines.ts'
import type { ByteStream, Exchange, ExchangeHandler, TlsFacts } from '../exchange.ts'
import { isGrpc } from '../grpc.ts'
import type { Fields } from '../http1/fields.ts'
import { addLines, fieldObject } from '../http2/outgoing-fields.ts'
import { isRefused, readTrailers, type RawFields } from '../http2/raw-fields.ts'
import type { Http2Connection } from './http2-connection.ts'
import type { Http2Request } from './http2-request.ts'
import { clientOf, isSecure } from './trusted-proxies.ts'

const { NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants
/** Lines of a 101 that mean nothing where the connection stays what it is (RFC 8441 5). */
const NO_ACCEPT = 'sec-websocket-accept'

/** One request of an HTTP/2 connection, and its stream. */
export class Http2Exchange implements Exchange {
  readonly method: string
  readonly host: string
  readonly authority: string
  readonly path: string
  readonly query: string
  readonly clientAddress: string
  readonly peerAddress: string
  readonly localPort: number
  readonly isTls: boolean
  readonly tls: TlsFacts | null
  readonly protocol = 'HTTP/2'
  readonly fields: Fields
  readonly bodyLength: number | null
  readonly expectsContinue: boolean
  readonly wantsUpgrade: boolean
  readonly #connection: Http2Connection
  readonly #stream: ServerHttp2Stream
  #handler: ExchangeHandler | null = null
  /** Nothing is told, and nothing that is asked for has an effect. */
  #isOver = false
  #isStarted = false
  #isBodyless = false
  /** Head of the reply that waits for what comes first of it. */
  #head: string[] | null = null
  #mayHaveTrailers = false
  #trailers = ''
  #isBodyWhole: boolean
  #isListening = false
  #received: Fields | null = null
  /** Bytes of the body that are still to come before the client is given another `idleMs`. */
  #owed = 0
  #bodyBytesMin = 1
  /** Bytes of a body behind its reply that may still be dropped. */
  #droppable = 0
  #deadline: Deadline | null = null

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, request: Http2Request) {
    const { target } = request
    this.#connection = connection
    this.#stream = stream
    this.method = request.method
    this.host = target.host
    this.authority = target.authority
    this.path = target.path
    this.query = target.query
    const { client } = connection
    this.peerAddress = client.clientAddress
    this.clientAddress = clientOf(client, request.fields)
    this.localPort = client.localPort
    this.tls = client.tls
    this.isTls = isSecure(client, request.fields)
    this.fields = request.fields
    this.bodyLength = request.bodyLength
    this.expectsContinue = request.expectsContinue
    this.wantsUpgrade = request.isWebSocket
    this.#isBodyWhole = request.bodyLength === 0 && !request.isWebSocket
    stream.on('drain', () => this.#onDrain())
    stream.on('wantTrailers', () => stream.sendTrailers(fieldObject(this.#trailers)))
    // What goes wrong with a stream is heard by `close`; without a listener an error would end the process.
    stream.on('error', () => {})
    stream.on('close', () => this.#onClose())
    // They may come before anybody wants the body.
    stream.on('trailers', (_fields, _flags, raw: RawFields) => this.#onTrailers(raw))
    if (this.#isBodyWhole) stream.resume()
  }

  header(name: string): string | undefined {
    if (this.wantsUpgrade && name === 'upgrade') return 'websocket'
    return this.fields.get(name)
  }

  attach(handler: ExchangeHandler): void {
    this.#handler = handler
  }

  startBody(): void {
    if (this.#isOver || this.#isBodyWhole) return
    // Messages of gRPC come when they come.
    if (!isGrpc(this)) this.#bodyBytesMin = this.#connection.bodyBytesMin
    this.#awaitBody()
    this.#listen()
    // Nothing of it is there yet: the target is asked without it, or a client that waits for a go-ahead would wait for ever.
    if (this.#stream.readableLength === 0) this.#handler?.onBodyPause()
  }

  resumeBody(): void {
    if (this.#isOver || !this.#stream.isPaused()) return
    this.#awaitBody()
    this.#stream.resume()
  }

  inform(status: number, lines: string): void {
    if (this.#isOver || this.#isStarted || this.#isClosed) return
    if (status === 100 && !this.expectsContinue) return
    this.#stream.additionalHeaders({ ...fieldObject(lines), ':status': status })
  }

  start(status: number, lines: string, length: number | null): void {
    if (this.#isOver) return
    assert(!this.#isStarted, 'a reply is started once')
    this.#isStarted = true
    const hasNoBody = status === 204 || status === 205 || status === 304
    this.#isBodyless = hasNoBody || this.method === 'HEAD'
    this.#mayHaveTrailers = !this.#isBodyless && length === null
    const head = [':status', String(status)]
    addLines(head, lines)
    if (length !== null && status !== 204) head.push('content-length', String(length))
    this.#head = head
    // Nothing comes of a body: the head is all that there is, and need not wait for more.
    if (this.#isBodyless) this.#sendHead(true)
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver || this.#isBodyless || from === to) return true
    this.#sendHead(false)
    if (this.#isClosed) return true
    const isFree = this.#stream.write(Buffer.from(bytes.subarray(from, to)))
    if (!isFree) this.#setDeadline(this.#connection.idleMs)
    return isFree
  }

  flush(): void {
    if (!this.#isOver && this.#isStarted) this.#sendHead(false)
  }

  end(trailers?: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#trailers = trailers ?? ''
    this.#mayHaveTrailers ||= this.#trailers !== '' && !this.#isBodyless
    // An answer that is only a head ends with it: gRPC knows its errors by that.
    this.#sendHead(this.#trailers === '' || this.#isBodyless)
    if (this.#isClosed) return
    this.#stream.end()
    if (this.#isBodyWhole) {
      this.#setDeadline(this.#connection.idleMs)
      return
    }
    this.#droppable = CLIENT_DROPPED_BYTES_MAX
    this.#setDeadline(CLIENT_LINGER_MS)
    this.#listen()
    this.#stream.resume()
  }

  switchProtocols(lines: string): ByteStream {
    this.#isOver = true
    this.#deadline?.remove()
    const head = [':status', '200']
    addLines(head, lines)
    const at = head.indexOf(NO_ACCEPT)
    if (at !== -1) head.splice(at, 2)
    if (!this.#isClosed) this.#stream.respond(head)
    return this.#stream
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline?.remove()
    this.#breakOff()
  }

  onDeadline(): void {
    // Behind a whole reply the client is only told to send no more (RFC 9113 8.1).
    if (this.#isOver && this.#stream.writableFinished) this.#stream.close(NGHTTP2_NO_ERROR)
    else this.#breakOff()
  }

  /** With INTERNAL_ERROR. To close it instead would first end it in order, as if the answer were whole. */
  #breakOff(): void {
    this.#stream.destroy(new Error('the answer broke off'))
  }

  get #isClosed(): boolean {
    return this.#stream.closed || this.#stream.destroyed
  }

  #sendHead(isAll: boolean): void {
    const head = this.#head
    this.#head = null
    if (head === null || this.#isClosed) return
    const waitForTrailers = this.#mayHaveTrailers && !isAll
    this.#stream.respond(head, { endStream: isAll, waitForTrailers })
  }

  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const stream = this.#stream
    stream.on('end', () => this.#onEnd())
    stream.on('data', (bytes: Buffer) => this.#onData(bytes))
  }

  #onData(bytes: Buffer): void {
    if (this.#isOver) {
      this.#droppable -= bytes.length
      if (this.#droppable < 0) this.#stream.close(NGHTTP2_NO_ERROR)
      return
    }
    this.#owed -= bytes.length
    if (this.#owed <= 0) this.#awaitBody()
    if (this.#handler?.onBodyData(bytes, 0, bytes.length) === false) {
      this.#stream.pause()
      this.#deadline?.clear()
    }
    if (!this.#isOver) this.#handler?.onBodyPause()
  }

  #onTrailers(raw: RawFields): void {
    const read = readTrailers(raw)
    if (isRefused(read)) this.#stream.close(NGHTTP2_PROTOCOL_ERROR)
    else this.#received = read
  }

  #onEnd(): void {
    // A stream that was reset comes to an end as well.
    if (this.#stream.rstCode !== NGHTTP2_NO_ERROR || this.#isBodyWhole) return
    this.#isBodyWhole = true
    if (this.#isOver) return
    if (!this.#stream.writableNeedDrain) this.#deadline?.clear()
    this.#handler?.onBodyEnd(this.#received)
  }

  #onDrain(): void {
    if (this.#isOver) return
    if (this.#isBodyWhole || this.#stream.isPaused()) this.#deadline?.clear()
    this.#handler?.onDrain()
  }

  #onClose(): void {
    this.#deadline?.remove()
    const stream = this.#stream
    this.#connection.onStreamClosed(this.#isOver && stream.rstCode === NGHTTP2_NO_ERROR)
    if (this.#isOver) return
    this.#isOver = true
    this.#handler?.onAbort()
  }

  /** From now on the client has some time to send some of its body, or the rest. */
  #awaitBody(): void {
    this.#owed = this.#bodyBytesMin
    this.#setDeadline(this.#connection.idleMs)
  }

  #setDeadline(ms: number): void {
    this.#deadline ??= this.#connection.deadlines.create(this)
    this.#deadline.set(ms)
  }
}
