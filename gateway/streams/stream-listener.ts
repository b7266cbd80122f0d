import { createServer, type Server, type Socket } from 'node:net'
import { CLIENT_HELLO_MS_MAX } from '../../shared/limits.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { matchStream, type CompiledStream, type StreamPort } from '../../shared/routing/streams.ts'
import type { Networks } from '../../shared/addresses/networks.ts'
import type { Deadlines } from '../deadlines.ts'
import { FirstBytes } from '../listeners/first-bytes.ts'
import { takeProxyHeader } from '../listeners/proxy-intake.ts'
import type { ListenAddress } from '../listeners/http1.ts'
import type { ProxyEndpoints } from '../proxy-protocol/proxy-header.ts'
import { readClientHello, type HelloRead } from '../tls/client-hello.ts'

/** A connection for which there is a Stream. The socket is paused, and gives first what was looked at. */
export type Arrival = {
  readonly socket: Socket
  readonly stream: CompiledStream
  readonly endpoints: ProxyEndpoints
  readonly serverName: string | null
}

/** What a port asks of whoever owns it. */
export type StreamListenerParts = {
  readonly deadlines: Deadlines
  /** Whose PROXY headers are believed; null: nobody's. */
  readonly trusted: Networks | null
  /** Whether there is room for one more connection. */
  readonly hasRoom: () => boolean
  /** One more that nobody has taken yet, until what it returns is called. */
  readonly onBeginning: (socket: Socket) => () => void
  readonly onArrival: (arrival: Arrival) => void
  readonly onRefused: (code: ErrorCode) => void
}

/** A fatal alert, `unrecognized_name` (RFC 6066 3), in a record as every version of TLS has it. */
const UNRECOGNIZED_NAME = Uint8Array.of(21, 3, 3, 0, 2, 2, 112)

/** One TCP port and its Streams: finds out which of them a connection is for. */
export class StreamListener {
  readonly #server: Server
  readonly #parts: StreamListenerParts
  #port: StreamPort
  #isOpen = false

  constructor(port: StreamPort, parts: StreamListenerParts) {
    this.#port = port
    this.#parts = parts
    // A client may close its side and still wait for an answer.
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, pauseOnConnect: true },
      (socket) => this.#accept(socket),
    )
  }

  /** Whether connections are accepted. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Rejects with what the system says when the port cannot be had. */
  listen({ host, port, isShared }: ListenAddress): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host, port, reusePort: isShared, backlog: 4_096 }, () => {
      this.#server.off('error', reject)
      // What goes wrong later concerns single connections; without a listener it would end the process.
      this.#server.on('error', () => {})
      this.#isOpen = true
      resolve()
    })
    return promise
  }

  /** What connections from now on are for. */
  adopt(port: StreamPort): void {
    this.#port = port
  }

  /** Accepts no more. Connections that it gave away go on. */
  close(): void {
    this.#isOpen = false
    // After this turn's connections: those that the system has accepted and nobody has taken are reset by a close.
    setImmediate(() => this.#server.close())
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    if (!this.#parts.hasRoom()) {
      this.#parts.onRefused('OVERLOADED')
      socket.destroy()
      return
    }
    const endpoints = endpointsOf(socket)
    if (!this.#port.acceptsProxyProtocol) {
      this.#look(socket, endpoints)
      return
    }
    if (this.#parts.trusted?.hasText(endpoints.source.address) !== true) {
      this.#refuse(socket, 'FORBIDDEN')
      return
    }
    const done = this.#parts.onBeginning(socket)
    takeProxyHeader(socket, {
      deadlines: this.#parts.deadlines,
      isOptional: false,
      onTaken: (told) => {
        done()
        this.#look(socket, told ?? endpoints)
      },
      onRefused: () => {
        done()
        this.#refuse(socket, 'BAD_REQUEST')
      },
    })
  }

  /** Looks whom the client asks for, where that makes a difference. */
  #look(socket: Socket, endpoints: ProxyEndpoints): void {
    if (!this.#port.needsName) {
      this.#choose({ socket, endpoints, serverName: null, isTls: false })
      return
    }
    let read: HelloRead = { type: 'other' }
    const done = this.#parts.onBeginning(socket)
    const first = new FirstBytes(socket, {
      deadlines: this.#parts.deadlines,
      withinMs: CLIENT_HELLO_MS_MAX,
      look: (bytes) => {
        read = readClientHello(bytes)
        return read.type === 'more'
          ? { isDecided: false, needed: read.needed }
          : { isDecided: true, taken: 0 }
      },
      onDecided: () => {
        done()
        if (read.type === 'malformed') {
          this.#refuse(socket, 'BAD_REQUEST')
          return
        }
        const isTls = read.type === 'hello'
        const serverName = read.type === 'hello' ? read.serverName : null
        this.#choose({ socket, endpoints, serverName, isTls })
      },
      onGivenUp: (reason) => {
        done()
        // A client that waits for the server to speak first asks for nobody.
        const isSilent = reason === 'late' && read.type === 'other'
        if (isSilent) this.#choose({ socket, endpoints, serverName: null, isTls: false })
        else this.#refuse(socket, reason === 'late' ? 'REQUEST_TIMEOUT' : 'BAD_REQUEST')
      },
    })
    first.start()
  }

  #choose(asked: {
    readonly socket: Socket
    readonly endpoints: ProxyEndpoints
    readonly serverName: string | null
    readonly isTls: boolean
  }): void {
    const { socket, endpoints, serverName, isTls } = asked
    const stream = matchStream(this.#port, serverName)
    if (stream !== null) {
      this.#parts.onArrival({ socket, stream, endpoints, serverName })
      return
    }
    this.#parts.onRefused('NOT_FOUND')
    if (isTls) socket.end(UNRECOGNIZED_NAME)
    socket.destroySoon()
  }

  #refuse(socket: Socket, code: ErrorCode): void {
    this.#parts.onRefused(code)
    socket.destroy()
  }
}

function endpointsOf(socket: Socket): ProxyEndpoints {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
  return {
    source: { address: bare(remoteAddress), port: remotePort },
    destination: { address: bare(localAddress), port: localPort },
  }
}

/** IPv4 in its own form. */
function bare(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
