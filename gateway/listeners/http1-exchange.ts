import { assert } from '../../shared/assert.ts'
import type { ByteStream, Exchange, ExchangeHandler, TlsFacts } from '../exchange.ts'
import type { Fields } from '../http1/fields.ts'
import { CHUNKED_LINE, lastChunk, lengthLine, statusLine } from '../http1/serialise.ts'
import type { ClientConnection } from './client-connection.ts'
import type { RequestTarget } from './request-target.ts'
import { clientOf, isSecure } from './trusted-proxies.ts'

/** One request of a client's connection, which it is told of what becomes of the reply. */
export class Http1Exchange implements Exchange {
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
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1'
  readonly fields: Fields
  readonly bodyLength: number | null
  readonly expectsContinue: boolean
  readonly wantsUpgrade: boolean
  readonly #connection: ClientConnection
  #handler: ExchangeHandler | null = null
  /** Nothing is told, and nothing that is asked for has an effect. */
  #isOver = false
  #isStarted = false
  #isBodyless = false
  #isChunked = false
  #isAskedToGoAhead = false
  /** Only the end of the connection says that the reply is whole. */
  #endsWithConnection = false

  constructor(connection: ClientConnection, target: RequestTarget) {
    const { head } = connection
    this.#connection = connection
    this.method = head.method
    this.host = target.host
    this.authority = target.authority
    this.path = target.path
    this.query = target.query
    this.peerAddress = connection.clientAddress
    this.clientAddress = clientOf(connection, head.fields)
    this.localPort = connection.localPort
    this.isTls = isSecure(connection, head.fields)
    this.tls = connection.tls
    this.protocol = head.minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
    this.fields = head.fields
    this.bodyLength = head.bodyLength
    this.expectsContinue = head.expectsContinue && this.bodyLength !== 0
    this.wantsUpgrade = head.wantsUpgrade
  }

  /** Null once it is over. */
  get handler(): ExchangeHandler | null {
    return this.#isOver ? null : this.#handler
  }

  /** Whether a part of the reply may be on its way. */
  get isStarted(): boolean {
    return this.#isStarted
  }

  /** A client that waits for a go-ahead may or may not send its body after a final answer (RFC 9110 10.1.1). */
  get isBodyUncertain(): boolean {
    return this.expectsContinue && !this.#isAskedToGoAhead
  }

  header(name: string): string | undefined {
    return this.fields.get(name)
  }

  attach(handler: ExchangeHandler): void {
    this.#handler = handler
  }

  startBody(): void {
    if (!this.#isOver) this.#connection.startBody()
  }

  resumeBody(): void {
    if (!this.#isOver) this.#connection.resumeBody()
  }

  inform(status: number, lines: string): void {
    if (this.#isOver || this.#isStarted || this.protocol === 'HTTP/1.0') return
    if (status === 100) {
      if (!this.isBodyUncertain) return
      this.#isAskedToGoAhead = true
    }
    this.#connection.outgoing.add(`${statusLine(status)}${lines}\r\n`)
    this.#connection.outgoing.flush()
  }

  start(status: number, lines: string, length: number | null): void {
    if (this.#isOver) return
    assert(!this.#isStarted, 'a reply is started once')
    this.#isStarted = true
    const isOld = this.protocol === 'HTTP/1.0'
    const hasNoBody = status === 204 || status === 304
    this.#isBodyless = hasNoBody || this.method === 'HEAD'
    this.#isChunked = !this.#isBodyless && length === null && !isOld
    let framing = ''
    if (this.#isChunked) framing = CHUNKED_LINE
    else if (length !== null && status !== 204) framing = lengthLine(length)
    this.#endsWithConnection = isOld && !this.#isBodyless && length === null
    const closes = this.#connection.closesAfter(this.isBodyUncertain || this.#endsWithConnection)
    let options = ''
    if (closes) options = 'Connection: close\r\n'
    else if (isOld) options = 'Connection: keep-alive\r\n'
    this.#connection.outgoing.add(`${statusLine(status)}${framing}${lines}${options}\r\n`)
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver || this.#isBodyless || from === to) return true
    return this.#connection.writePiece(bytes, from, to, this.#isChunked)
  }

  flush(): void {
    if (!this.#isOver) this.#connection.flush()
  }

  end(trailers?: string): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#isChunked) this.#connection.outgoing.add(lastChunk(trailers ?? ''))
    this.#connection.onReplyEnd()
  }

  switchProtocols(lines: string): ByteStream {
    this.#isOver = true
    return this.#connection.handOver(`${statusLine(101)}${lines}\r\n`)
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#endsWithConnection) this.#connection.reset()
    else this.#connection.destroy()
  }

  /** The client is gone, or what it sends is no message. */
  onGone(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handler?.onAbort()
  }
}
