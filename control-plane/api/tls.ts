import type { Server, ServerOptions } from 'node:http'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { judgeCertificate } from '../../shared/certificate.ts'
import { RaftwayError } from '../../shared/errors.ts'
import { LINK_SWEEP_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { NodeCredentials, PairSource, Proof, Revocations } from '../ports.ts'
import type { RequestHead } from './exchange.ts'
import type { Peer } from './gate.ts'
import type { RemoteSocket } from './hot-request.ts'

/** By this server name nodes ask each other for the certificate that the cluster authority made. */
export const NODE_SERVER_NAME = 'node.raftway.internal'

/** What the API needs to speak TLS. */
export type ApiTls = {
  readonly credentials: NodeCredentials
  readonly revocations: Revocations
  /** Shown to clients in place of the node's own; null for none. */
  readonly given: PairSource | null
}

/**
 * A server of HTTP over TLS. Certificates of clients are asked for and not required; pairs are exchanged while it runs,
 * and connections keep the one that they began with.
 */
export function createTlsServer(options: ServerOptions, tls: ApiTls): Server {
  const { credentials, given } = tls
  const ca = credentials.authority.toString()
  const context = () => ({ ...(given ?? credentials).pair, ca })
  const server = createServer({
    ...options,
    ...context(),
    requestCert: true,
    // A certificate that is not believed is told so by the API, in words.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    SNICallback: (name, choose) => {
      if (given === null || name !== NODE_SERVER_NAME) return choose(null)
      choose(null, createSecureContext({ ...credentials.pair, ca }))
    },
  })
  const stop = (given ?? credentials).onRenewal(() => server.setSecureContext(context()))
  server.once('close', stop)
  return server
}

/**
 * Who is at the other end of the API's connections, by its certificate. A connection lasts no longer than what it was
 * opened with: it is cut when that expires or is revoked, whatever is under way on it.
 */
export class ClientCertificates {
  readonly #tls: ApiTls
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #proofs = new WeakMap<RemoteSocket, Proof>()
  /** Those with a certificate. */
  readonly #sockets = new Set<Socket>()
  readonly #stops: (() => void)[]

  constructor(tls: ApiTls, parts: { readonly clock: Clock; readonly logger: Logger }) {
    this.#tls = tls
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#stops = [
      tls.revocations.onChange(() => this.#sweep()),
      parts.clock.every(LINK_SWEEP_MS, () => this.#sweep()),
    ]
  }

  /** Follows the connections of a server until it is closed; before anybody else reads from them. */
  follow(server: Server): void {
    server.prependListener('secureConnection', (socket: TLSSocket) => this.#onConnection(socket))
    server.once('close', () => {
      for (const stop of this.#stops) stop()
    })
  }

  /** What the other end of a connection has proved; revoked since, it has proved nothing. */
  proofOf(socket: RemoteSocket): Proof {
    const proof = this.#proofs.get(socket) ?? { type: 'no-certificate' }
    return proof.type === 'certificate' ? this.#standing(proof) : proof
  }

  /** The same, as the door asks it. UNAUTHENTICATED, with the reason, for a certificate that is not believed. */
  peerOf({ socket }: RequestHead): Peer | null {
    const proof = this.proofOf(socket)
    if (proof.type === 'refused') {
      throw new RaftwayError('UNAUTHENTICATED', `The caller is not let in: ${proof.reason}.`)
    }
    if (proof.type !== 'certificate') return null
    const { role, name } = proof.certificate
    return { role, name, isRevoked: () => this.proofOf(socket).type === 'refused' }
  }

  #onConnection(socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) return
    const { credentials } = this.#tls
    const judged = judgeCertificate(certificate, credentials.authority, this.#clock.now())
    if (!judged.ok) {
      this.#proofs.set(socket, { type: 'refused', reason: judged.reason })
      return
    }
    this.#proofs.set(socket, { type: 'certificate', certificate: judged.identity })
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #sweep(): void {
    for (const socket of this.#sockets) {
      const proof = this.#proofs.get(socket)
      if (proof?.type !== 'certificate') continue
      const standing = this.#standing(proof)
      if (standing.type !== 'refused') continue
      const { role, name } = proof.certificate
      this.#logger.info({ role, name }, `cuts a connection: ${standing.reason}`)
      socket.destroy()
    }
  }

  #standing(proof: Extract<Proof, { type: 'certificate' }>): Proof {
    const { certificate } = proof
    const revoked = this.#tls.revocations.reasonFor(certificate)
    if (revoked !== null)
      return { type: 'refused', reason: `its certificate is revoked: ${revoked}` }
    if (this.#clock.now() <= certificate.validToMs) return proof
    return { type: 'refused', reason: 'its certificate has expired' }
  }
}
