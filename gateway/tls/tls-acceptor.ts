import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SealKeys } from '../../shared/definitions/seal.ts'
import { TLS_HANDSHAKE_MS_MAX } from '../../shared/limits.ts'
import type { TlsFacts } from '../exchange.ts'
import { Certificates, type ShownCertificate } from './certificates.ts'
import { readClientHello } from './client-hello.ts'
import { TicketKeys, type TicketMemory } from './ticket-keys.ts'

/** Who hears of a connection that speaks TLS now. */
type OnSecure = (socket: TLSSocket, facts: TlsFacts) => void

type Waiting = {
  readonly certificate: string
  readonly serverName: string | null
  readonly onSecure: OnSecure
}

/** Counts of handshakes. */
export type HandshakeCounts = {
  handshakeDone(isResumed: boolean): void
  handshakeFailed(): void
}

/** RFC 6066 3: a fatal alert for a name that nothing is known of. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112])

/**
 * Makes TLS connections of plain ones. The host that a client names is read first, without taking the bytes away, so that
 * every Certificate can have clients, versions and sessions of its own.
 */
export class TlsAcceptor {
  readonly certificates: Certificates
  /** Where it is listened; 0 before. */
  port = 0
  readonly #counts: HandshakeCounts
  readonly #waiting = new Map<string, Waiting>()

  constructor(keys: SealKeys, ticketKeys: TicketMemory, counts: HandshakeCounts) {
    this.#counts = counts
    this.certificates = new Certificates({
      keys,
      ticketKeys: new TicketKeys(ticketKeys),
      onSecure: (socket) => this.#onSecure(socket),
    })
  }

  /** Reads on until the client has said what it wants, then does the handshake. Whoever fails is disconnected. */
  accept(socket: Socket, onSecure: OnSecure): void {
    let held: Buffer = Buffer.alloc(0)
    const timer = setTimeout(() => socket.destroy(), TLS_HANDSHAKE_MS_MAX)
    const id = idOf(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(timer)
      if (this.#waiting.delete(id) || held.length > 0) this.#counts.handshakeFailed()
    })
    let needed = 0
    const onData = (bytes: Buffer): void => {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      if (held.length < needed) return
      const hello = readClientHello(held)
      if (hello.type === 'more') {
        needed = hello.needed
        return
      }
      clearTimeout(timer)
      socket.off('data', onData)
      if (hello.type !== 'hello') {
        socket.destroy()
        return
      }
      const found = this.certificates.find(hello.serverName)
      if (found === null) {
        socket.end(UNRECOGNIZED_NAME, () => socket.destroy())
        return
      }
      socket.pause()
      socket.unshift(held)
      held = Buffer.alloc(0)
      this.#waiting.set(id, {
        certificate: found.name,
        serverName: hello.serverName,
        onSecure,
      })
      this.#handshake(socket, found, hello.ticket)
    }
    socket.on('data', onData)
  }

  #handshake(socket: Socket, shown: ShownCertificate, ticket: Uint8Array | null): void {
    try {
      shown.serverFor(ticket).emit('connection', socket)
    } catch {
      // OpenSSL does not take the certificate, such as one with a key that is too short.
      socket.destroy()
    }
  }

  #onSecure(socket: TLSSocket): void {
    const id = idOf(socket)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiting === undefined) {
      socket.destroy()
      return
    }
    this.#counts.handshakeDone(socket.isSessionReused())
    const { certificate, serverName } = waiting
    const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined
    const client =
      shown === undefined
        ? null
        : {
            subject: shown.subject,
            fingerprint: shown.fingerprint256,
            alternativeNames: shown.subjectAltName ?? '',
          }
    waiting.onSecure(socket, { certificate, serverName, client })
  }
}

/** Both ends of a TCP connection tell it from all others of this process. */
function idOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
