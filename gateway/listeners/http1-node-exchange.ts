import type { IncomingMessage, ServerResponse } from 'node:http'
import { assert } from '../../shared/assert.ts'
import type { Exchange, ExchangeHandler } from '../exchange.ts'
import type { RequestTarget } from './request-target.ts'

/** A message of node:http that knows its exchange, so that its events need no closures. */
type Owned<T> = T & { exchange?: NodeExchange }

/** What does not change between the requests of one connection. */
export type ConnectionFacts = {
  readonly clientAddress: string
  readonly localPort: number
}

/** One request of a node:http server as an Exchange. */
export class NodeExchange implements Exchange {
  readonly method: string
  readonly host: string
  readonly authority: string
  readonly path: string
  readonly query: string
  readonly clientAddress: string
  readonly localPort: number
  readonly isTls = false
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1'
  readonly headers: readonly string[]
  readonly bodyLength: number | null
  readonly #request: Owned<IncomingMessage>
  readonly #response: Owned<ServerResponse>
  readonly #closesAfter: () => boolean
  #handler: ExchangeHandler | null = null
  #expectsContinue: boolean
  #bodyState: 'waiting' | 'flowing' | 'paused' | 'ended' = 'waiting'
  #hasWritten = false
  #isOver = false

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    facts: ConnectionFacts,
    more: {
      readonly target: RequestTarget
      readonly expectsContinue: boolean
      /** Whether the connection shall close after this reply. */
      readonly closesAfter: () => boolean
    },
  ) {
    this.#request = request
    this.#response = response
    this.method = request.method ?? ''
    this.host = more.target.host
    this.authority = more.target.authority
    this.path = more.target.path
    this.query = more.target.query
    this.clientAddress = facts.clientAddress
    this.localPort = facts.localPort
    this.protocol = request.httpVersionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
    this.headers = request.rawHeaders
    this.bodyLength = bodyLengthOf(request.rawHeaders)
    this.#expectsContinue = more.expectsContinue
    this.#closesAfter = more.closesAfter
    this.#request.exchange = this
    this.#response.exchange = this
    response.on('close', onClose)
    // A broken client is heard by `close`; without a listener an error would end the process.
    response.on('error', ignore)
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return typeof value === 'object' ? value.join(', ') : value
  }

  attach(handler: ExchangeHandler): void {
    assert(this.#handler === null, 'an exchange has one handler')
    this.#handler = handler
  }

  startBody(): void {
    assert(this.#bodyState === 'waiting', 'a body is started once')
    this.#bodyState = 'flowing'
    if (this.#expectsContinue) this.#response.writeContinue()
    this.#expectsContinue = false
    this.#request.on('data', onBodyData)
    this.#request.on('end', onBodyEnd)
    this.#request.on('error', ignore)
  }

  resumeBody(): void {
    if (this.#bodyState !== 'paused') return
    this.#bodyState = 'flowing'
    this.#request.resume()
  }

  start(status: number, headers: readonly string[]): void {
    if (this.#isOver) return
    // A client that waits for a go-ahead may or may not send its body after a final answer (RFC 9110 10.1.1): where
    // the next request begins can no longer be told.
    const closes = this.#expectsContinue || this.#closesAfter()
    const list = closes ? [...headers, 'Connection', 'close'] : headers
    // node:http takes a flat list; its type asks for a mutable array that it does not change.
    this.#response.writeHead(status, list as string[])
    this.#response.on('drain', onDrain)
    // Node sends a head with the first piece of the body. One that stays alone must not wait for it.
    process.nextTick(flushHead, this)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#hasWritten = true
    return this.#response.write(chunk)
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#hasWritten = true
    this.#response.end()
    if (this.#bodyState !== 'ended') this.#request.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#response.destroy()
    this.#request.destroy()
  }

  /** Whether the exchange waits for its client, and not for a target: to send more, or to take more. */
  isWaitingForClient(): boolean {
    if (this.#isOver) return !this.#request.complete || this.#response.writableLength > 0
    if (this.#response.writableNeedDrain) return true
    return this.#bodyState === 'flowing' && !this.#response.headersSent
  }

  /** Whether a reply is on its way and not yet whole. */
  isAnswering(): boolean {
    return this.#response.headersSent && !this.#response.writableFinished
  }

  /** Whether everything about it is over, so that its connection has nothing under way. */
  isDone(): boolean {
    return this.#isOver && this.#response.writableFinished && this.#request.complete
  }

  flushHead(): void {
    if (!this.#hasWritten && !this.#isOver) this.#response.flushHeaders()
  }

  bodyData(chunk: Uint8Array): void {
    if (this.#isOver || this.#handler === null) return
    if (this.#handler.onBodyData(chunk)) return
    if (this.#isOver) return
    this.#bodyState = 'paused'
    this.#request.pause()
  }

  bodyEnd(): void {
    this.#bodyState = 'ended'
    if (!this.#isOver) this.#handler?.onBodyEnd()
  }

  drained(): void {
    if (!this.#isOver) this.#handler?.onDrain()
  }

  closed(): void {
    // A reply that began before its worker was told to stop did not say that the connection closes.
    if (this.#isOver && this.#closesAfter()) this.#request.socket.end()
    if (this.#isOver) return
    this.#isOver = true
    this.#handler?.onAbort()
  }
}

function onBodyData(this: Owned<IncomingMessage>, chunk: Uint8Array): void {
  this.exchange?.bodyData(chunk)
}

function onBodyEnd(this: Owned<IncomingMessage>): void {
  this.exchange?.bodyEnd()
}

function onDrain(this: Owned<ServerResponse>): void {
  this.exchange?.drained()
}

function onClose(this: Owned<ServerResponse>): void {
  this.exchange?.closed()
}

function flushHead(exchange: NodeExchange): void {
  exchange.flushHead()
}

function ignore(): void {}

/** RFC 9112 6.3: the parser has refused what is ambiguous, so at most one of the two fields is there. */
function bodyLengthOf(headers: readonly string[]): number | null {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length === 14 && name.toLowerCase() === 'content-length')
      return Number(headers[at + 1])
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return null
  }
  return 0
}
