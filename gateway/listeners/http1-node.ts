import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { ERROR_CODES, type ErrorCode } from '../../shared/errors.ts'
import {
  CLIENT_HEAD_MS_MAX,
  CLIENT_IDLE_MS_MAX,
  CLIENT_KEEP_ALIVE_MS,
  CLIENT_LINGER_MS,
  HEAD_BYTES_MAX,
} from '../../shared/limits.ts'
import type { ServeExchange } from '../exchange.ts'
import { http } from '../node-http.ts'
import { errorBody, errorReply, sendReply } from '../reply.ts'
import { NodeExchange, type ConnectionFacts } from './http1-node-exchange.ts'
import { isRefusal, readTarget, type HeadRefusal, type RequestTarget } from './request-target.ts'

/** What a listener asks of whoever owns it. */
export type ListenerParts = {
  readonly serve: ServeExchange
  /** An id for a request that never reached the pipeline. */
  readonly nextRequestId: () => string
  /** A request was refused before it became an exchange. */
  readonly onRefused: (code: ErrorCode) => void
  /** How long a client may be silent while the gateway waits for it. Default CLIENT_IDLE_MS_MAX. */
  readonly idleMs?: number
}

export type ListenAddress = {
  readonly host: string
  readonly port: number
  /** Share the port with other workers. */
  readonly isShared: boolean
}

type OwnedSocket = Socket & { facts?: ConnectionFacts; isRefused?: boolean; current?: NodeExchange }

/** HTTP/1.1 by node:http: sockets in, exchanges out. Malformed heads are answered here and never become exchanges. */
export class Http1NodeListener {
  readonly #parts: ListenerParts
  readonly #server: Server
  readonly #sockets = new Set<OwnedSocket>()
  #isDraining = false
  readonly #closesAfter = (): boolean => this.#isDraining

  constructor(parts: ListenerParts) {
    this.#parts = parts
    this.#server = http.createServer({
      maxHeaderSize: HEAD_BYTES_MAX,
      // Missing and repeated hosts are answered in our own form.
      requireHostHeader: false,
      headersTimeout: CLIENT_HEAD_MS_MAX,
      // An upload may take as long as it moves.
      requestTimeout: 0,
      connectionsCheckingInterval: CLIENT_HEAD_MS_MAX / 6,
      keepAliveTimeout: CLIENT_KEEP_ALIVE_MS,
      noDelay: true,
    })
    this.#server.maxHeadersCount = 0
    this.#server.on('connection', (socket: OwnedSocket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('request', (request, response) => this.#accept(request, response, false))
    this.#server.on('checkContinue', (request, response) => this.#accept(request, response, true))
    this.#server.on('checkExpectation', (request, response) => {
      this.#refuse(request, response, {
        code: 'BAD_REQUEST',
        message: 'the only expectation that can be met is 100-continue',
      })
    })
    this.#server.on('connect', (_request, socket: OwnedSocket) => {
      this.#refuseRaw(socket, 'BAD_REQUEST', 'CONNECT is not served here')
    })
    this.#server.on('clientError', (error: ClientError, socket: OwnedSocket) => {
      const { code, message } = refusalOf(error)
      this.#refuseRaw(socket, code, message)
    })
    const idleMs = parts.idleMs ?? CLIENT_IDLE_MS_MAX
    this.#server.setTimeout(idleMs, (socket: OwnedSocket) => onIdle(socket, idleMs))
  }

  /** Resolves with the port once connections are accepted. */
  listen(address: ListenAddress): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      const { host, port, isShared } = address
      this.#server.listen({ host, port, reusePort: isShared, backlog: 4_096 }, () => {
        this.#server.off('error', reject)
        const bound = this.#server.address() as AddressInfo // A TCP server has a TCP address.
        resolve(bound.port)
      })
    })
  }

  /** Accepts no more; resolves when every connection is gone. Replies tell clients that theirs closes. */
  drain(): Promise<void> {
    this.#isDraining = true
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      // Node counts a connection that has not sent anything yet among the busy ones.
      for (const socket of this.#sockets) {
        if (socket.current?.isDone() ?? socket.bytesRead === 0) socket.destroy()
      }
    })
  }

  #accept(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const read = readHead(request)
    if (isRefusal(read)) {
      this.#refuse(request, response, read)
      return
    }
    const socket: OwnedSocket = request.socket
    socket.facts ??= factsOf(socket)
    const exchange = new NodeExchange(request, response, socket.facts, {
      target: read,
      expectsContinue,
      closesAfter: this.#closesAfter,
    })
    socket.current = exchange
    this.#parts.serve(exchange)
  }

  /** Answers a head that was parsed but cannot be served, and closes: what follows it cannot be trusted. */
  #refuse(request: IncomingMessage, response: ServerResponse, refusal: HeadRefusal): void {
    this.#parts.onRefused(refusal.code)
    const socket: OwnedSocket = request.socket
    socket.facts ??= factsOf(socket)
    const exchange = new NodeExchange(request, response, socket.facts, {
      target: { authority: '', host: '', path: '/', query: '' },
      expectsContinue: false,
      closesAfter: () => true,
    })
    sendReply(exchange, errorReply(refusal.code, refusal.message), this.#parts.nextRequestId())
  }

  /** Answers bytes that are no request, and closes. */
  #refuseRaw(socket: OwnedSocket, code: ErrorCode, message: string): void {
    // A refused connection is read on for a moment; what else it sends is refused in silence.
    if (socket.isRefused === true) return
    socket.isRefused = true
    // After the head of an answer went out, an error text would be read as a part of it.
    const isAnswering = socket.current?.isAnswering() ?? false
    if (!socket.writable || isAnswering) {
      socket.destroy()
      return
    }
    this.#parts.onRefused(code)
    const body = errorBody(code, message)
    const { status } = ERROR_CODES[code]
    socket.end(
      `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${this.#parts.nextRequestId()}\r\n` +
        `Connection: close\r\n\r\n${body}`,
    )
    socket.resume()
    setTimeout(() => socket.destroy(), CLIENT_LINGER_MS).unref()
  }
}

type ClientError = Error & { readonly code?: string; readonly rawPacket?: Buffer }

function refusalOf(error: ClientError): HeadRefusal {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    // The parser does not say which part was too large. A packet that begins like a request line and holds no line end
    // is one that is all target.
    const packet = error.rawPacket?.toString('latin1') ?? ''
    const isTarget = /^[A-Z]+ \S/.test(packet) && !packet.includes('\n')
    return isTarget
      ? { code: 'TARGET_LINE_TOO_LONG', message: 'the request target is too long' }
      : {
          code: 'HEAD_TOO_LARGE',
          message: `the request head has more than ${HEAD_BYTES_MAX} bytes`,
        }
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { code: 'REQUEST_TIMEOUT', message: 'the request head took too long' }
  }
  return { code: 'BAD_REQUEST', message: 'the request is malformed' }
}

function readHead(request: IncomingMessage): RequestTarget | HeadRefusal {
  const headers = request.rawHeaders
  const isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0
  let host: string | null = null
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') {
      if (host !== null) return { code: 'BAD_REQUEST', message: 'there is more than one Host' }
      host = headers[at + 1] ?? ''
    } else if (isOld && name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      // RFC 9112 6.1: framing that HTTP/1.0 does not have.
      return { code: 'BAD_REQUEST', message: 'HTTP/1.0 has no Transfer-Encoding' }
    }
  }
  if (host === null && !isOld) return { code: 'BAD_REQUEST', message: 'there is no Host' }
  const target = request.url ?? ''
  if (target === '*' && request.method === 'OPTIONS') {
    return { authority: host ?? '', host: '', path: '*', query: '' }
  }
  return readTarget(target, host ?? '')
}

function factsOf(socket: Socket): ConnectionFacts {
  const address = socket.remoteAddress ?? ''
  const clientAddress = address.startsWith('::ffff:') ? address.slice(7) : address
  return { clientAddress, localPort: socket.localPort ?? 0 }
}

/** A connection was silent for long: its client's fault only if the gateway waits for the client. */
function onIdle(socket: OwnedSocket, idleMs: number): void {
  const exchange = socket.current
  const isIdle = exchange === undefined || exchange.isWaitingForClient()
  if (isIdle) socket.destroy()
  // Node tells a silence once; the next one counts again.
  else socket.setTimeout(idleMs)
}
