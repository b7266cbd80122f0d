import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { ErrorCode } from '../../shared/errors.ts'
import type { ClientBounds } from '../client-bounds.ts'
import type { Deadlines } from '../deadlines.ts'
import type { ByteStream, ServeExchange } from '../exchange.ts'
import { headBounds } from '../http1/head-bounds.ts'
import type { ClientCount } from '../metrics/client-count.ts'
import { takeProxyHeader } from './proxy-intake.ts'
import type { ProxyProtocol, TrustedProxies } from './trusted-proxies.ts'
import type { TlsAcceptor } from '../tls/tls-acceptor.ts'
import { ClientConnection } from './client-connection.ts'
import type { ClientFacts } from './client-facts.ts'
import { DirectReads } from './direct-reads.ts'
import type { ConnectionParts } from './connection-parts.ts'
import { Http2Connection } from './http2-connection.ts'

/** What a listener asks of whoever owns it. */
export type ListenerParts = {
  readonly serve: ServeExchange
  /** An id for a request that never reached the pipeline. */
  readonly nextRequestId: () => string
  /** A request was refused before it became an exchange. */
  readonly onRefused: (code: ErrorCode) => void
  readonly deadlines: Deadlines
  /** Speaks TLS before HTTP; null or left out: plain. */
  readonly tls?: TlsAcceptor | null
  /** What a client may cost. */
  readonly bounds: ClientBounds
  /** Connections of all listeners. */
  readonly clients: ClientCount
  /** A connection was closed at once: there are too many. */
  readonly onTooMany: () => void
  /** Who is believed about the address of a client. Default: nobody. */
  readonly trusted?: TrustedProxies | null
  /** Default `off`. */
  readonly proxyProtocol?: ProxyProtocol
}

export type ListenAddress = {
  readonly host: string
  readonly port: number
  /** Share the port with other workers. */
  readonly isShared: boolean
}

/**
 * HTTP/1.1 and HTTP/2 on sockets, plain or TLS: connections in, exchanges out. Malformed heads are answered and never become
 * exchanges.
 */
export class Http1Listener {
  readonly #server: Server
  readonly #parts: ConnectionParts
  readonly #clients: ClientCount
  readonly #onTooMany: () => void
  readonly #tls: TlsAcceptor | null
  readonly #connections = new Set<ClientConnection>()
  /** Connections that are not yet TLS. */
  readonly #handshakes = new Set<Socket>()
  /** Those of the connections on which HTTP/2 is spoken. */
  readonly #http2 = new Map<ClientConnection, Http2Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #proxyProtocol: ProxyProtocol
  /** Connections whose PROXY header is not there yet. */
  readonly #beginning = new Set<Socket>()
  #isDraining = false

  constructor(parts: ListenerParts) {
    this.#clients = parts.clients
    this.#onTooMany = parts.onTooMany
    const { idleMs, bodyRateMin } = parts.bounds
    this.#parts = {
      serve: parts.serve,
      nextRequestId: parts.nextRequestId,
      onRefused: parts.onRefused,
      deadlines: parts.deadlines,
      bounds: parts.bounds,
      headBounds: headBounds(parts.bounds),
      bodyBytesMin: Math.max(1, Math.floor((bodyRateMin * idleMs) / 1_000)),
      trusted: parts.trusted ?? null,
      isDraining: () => this.#isDraining,
      onClosed: (connection) => this.#onClosed(connection),
      speakHttp2: (socket, connection) => this.#speakHttp2(socket, connection),
    }
    this.#proxyProtocol = parts.proxyProtocol ?? 'off'
    this.#tls = parts.tls ?? null
    // A client may close its side and still wait for its answer.
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: this.#isDirect }
    this.#server = createServer(options, (socket) => this.#accept(socket))
  }

  /** Whether what comes first on a connection is HTTP. */
  get #isDirect(): boolean {
    return this.#tls === null && this.#proxyProtocol === 'off'
  }

  /** Resolves with the port once connections are accepted. */
  listen(address: ListenAddress): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      const { host, port, isShared } = address
      this.#server.listen({ host, port, reusePort: isShared, backlog: 4_096 }, () => {
        this.#server.off('error', reject)
        const bound = this.#server.address() as AddressInfo // A TCP server has a TCP address.
        if (this.#tls !== null) this.#tls.port = bound.port
        resolve(bound.port)
      })
    })
  }

  /**
   * Accepts no more; resolves when every connection is gone. Replies tell clients that theirs closes. One that is idle
   * stays open for a while: its client may just be sending, and would lose that request.
   */
  drain(quietMs: number): Promise<void> {
    this.#isDraining = true
    return new Promise((resolve) => {
      // After this turn's connections: those that the system has accepted and nobody has taken are reset by a close.
      setImmediate(() => {
        for (const connection of this.#http2.values()) connection.announceEnd()
        const timer = setTimeout(() => this.#closeIdle(), quietMs)
        this.#server.close(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    })
  }

  #closeIdle(): void {
    for (const connection of this.#connections) if (connection.isIdle) connection.destroy()
    for (const socket of this.#beginning) socket.destroy()
    for (const socket of this.#handshakes) socket.destroy()
    for (const connection of this.#http2.values()) connection.close()
  }

  /** Plain or TLS: whatever comes in begins as HTTP/1.1, counts as one connection, and is handed over here. */
  #speakHttp2(socket: ByteStream, client: ClientConnection): void {
    const connection = new Http2Connection(socket, client, this.#parts)
    this.#http2.set(client, connection)
    if (this.#isDraining) connection.close()
  }

  #accept(accepted: Socket): void {
    if (this.#clients.inAll >= this.#parts.bounds.connectionsMax) {
      this.#turnAway(accepted)
      return
    }
    this.#clients.opened()
    const reads = this.#isDirect ? DirectReads.of(accepted) : null
    const socket = reads?.socket ?? accepted
    socket.once('close', this.#onSocketClosed)
    const address = addressOf(socket)
    if (this.#proxyProtocol === 'off') this.#begin(socket, address, reads)
    else if (this.#parts.trusted?.networks.hasText(address) === true) this.#read(socket, address)
    else if (this.#proxyProtocol === 'accept') this.#begin(socket, address, null)
    else this.#refuse(socket)
  }

  /** The connection of a trusted proxy begins with a header that says whose it is. */
  #read(socket: Socket, address: string): void {
    this.#beginning.add(socket)
    socket.on('error', () => {})
    takeProxyHeader(socket, {
      deadlines: this.#parts.deadlines,
      isOptional: this.#proxyProtocol === 'accept',
      onTaken: (endpoints) => {
        this.#beginning.delete(socket)
        this.#begin(socket, endpoints?.source.address ?? address, null)
        socket.resume()
      },
      onRefused: () => this.#refuse(socket),
    })
  }

  /** Without an answer: to write one costs what the bound is there to save. */
  #turnAway(socket: Socket): void {
    this.#onTooMany()
    socket.destroy()
  }

  readonly #onSocketClosed = (): void => this.#clients.closed()

  /** Without an answer: who speaks first here is a proxy, which would pass it on to nobody. */
  #refuse(socket: Socket): void {
    this.#beginning.delete(socket)
    this.#parts.onRefused('BAD_REQUEST')
    socket.destroy()
  }

  #begin(socket: Socket, address: string, reads: DirectReads | null): void {
    const ofAddress = this.#perAddress.get(address) ?? 0
    if (ofAddress >= this.#parts.bounds.connectionsPerAddressMax) {
      this.#turnAway(socket)
      return
    }
    this.#perAddress.set(address, ofAddress + 1)
    if (this.#tls === null) this.#serve(socket, { address, tls: null }, reads)
    else this.#handshake(this.#tls, socket, address)
  }

  #handshake(acceptor: TlsAcceptor, socket: Socket, address: string): void {
    this.#handshakes.add(socket)
    socket.once('close', () => {
      if (this.#handshakes.delete(socket)) this.#leave(address)
    })
    acceptor.accept(socket, (secure, tls) => {
      this.#handshakes.delete(socket)
      this.#serve(secure, { address, tls }, null)
    })
  }

  #serve(socket: Socket, client: ClientFacts, reads: DirectReads | null): void {
    this.#connections.add(new ClientConnection(socket, client, this.#parts, reads))
    // What was accepted without a read waits for the first one.
    if (reads === null && socket.isPaused()) socket.resume()
  }

  #onClosed(connection: ClientConnection): void {
    this.#connections.delete(connection)
    this.#http2.delete(connection)
    this.#leave(connection.clientAddress)
  }

  #leave(address: string): void {
    const left = (this.#perAddress.get(address) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
  }
}

/** IPv4 in its own form. */
function addressOf(socket: Socket): string {
  const address = socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
