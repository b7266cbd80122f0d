import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import {
  fingerprintOf,
  judgeCertificate,
  readCertificate,
  type CertificateIdentity,
} from '../../shared/certificate.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import {
  LINK_SWEEP_MS,
  PEER_CONNECTIONS_MAX,
  PEER_HELLO_MS_MAX,
  REFUSAL_LOG_MS,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { Lookup, NodeCredentials, Proof, Revocations } from '../ports.ts'
import { ignoreHere, listenOn, openSocket, remoteOf } from './links.ts'
import type { Link, LinkListener, LinkPort } from './links.ts'

/** Says in the handshake that both ends mean a peer port: an API port of the same node refuses it. */
const PROTOCOL_NAME = 'raftway-peer'
/** First byte of every TLS connection (RFC 8446 5.1: a handshake record). */
const HANDSHAKE_BYTE = 0x16

export type TlsLinkParts = {
  readonly credentials: NodeCredentials
  readonly revocations: Revocations
  readonly clock: Clock
  readonly logger: Logger
  /** Looks the names of peers up; the system does if it is not given. */
  readonly lookup?: Lookup
}

/**
 * Mutual TLS 1.3. Both ends must show a certificate of the cluster authority, valid now and not revoked; an end that dials
 * without one is taken in with that as its proof, so that it can ask for one. A link lasts no longer than what it was
 * opened with: it is closed when the certificate at its other end expires or is revoked.
 */
export function tlsLinks(parts: TlsLinkParts): LinkPort {
  const open = new OpenLinks(parts)
  return {
    async connect(peer, signal) {
      const { authority, pair } = parts.credentials
      const { lookup = null } = parts
      const stream = await secure({ peer, signal, lookup }, { ...pair, ca: pem(authority) })
      const proof = proofOf(stream, parts)
      if (proof.type === 'certificate' && proof.certificate.role === 'node') {
        open.add(stream, peer, proof.certificate)
        return { stream, remote: peer, proof }
      }
      // The other end is to see this end's certificate before the end: then it can say in its log who it lost.
      stream.destroySoon()
      const reason = proof.type === 'refused' ? proof.reason : 'it is not a node of this cluster'
      throw new RaftwayError('PEER_REFUSED', `${peer}: ${reason}`)
    },
    listen: (at, onLink) => listenSecurely(at, onLink, { parts, open }),
  }
}

/**
 * Links without a certificate of one's own, to nodes whose authority has this fingerprint: whatever is said over them is
 * said to a node of that cluster. PEER_REFUSED for any other.
 */
export function pinnedLinks(fingerprint: string, clock: Clock): Pick<LinkPort, 'connect'> {
  return {
    async connect(peer, signal) {
      const stream = await secure({ peer, signal, lookup: null }, {})
      const certificate = stream.getPeerX509Certificate()
      const authority = readCertificate(
        stream.getPeerCertificate(true).issuerCertificate?.raw ?? '',
      )
      const reason = objection({ certificate, authority, fingerprint, nowMs: clock.now() })
      if (reason === null) return { stream, remote: peer, proof: { type: 'plain' } }
      stream.destroy()
      throw new RaftwayError('PEER_REFUSED', `${peer}: ${reason}`)
    },
  }
}

function objection(seen: {
  readonly certificate: X509Certificate | undefined
  readonly authority: X509Certificate | null
  readonly fingerprint: string
  readonly nowMs: number
}): string | null {
  const { certificate, authority, fingerprint, nowMs } = seen
  if (certificate === undefined || authority === null) return 'it shows no cluster authority'
  if (fingerprintOf(authority.raw) !== fingerprint) {
    return 'its cluster authority is not the one that the token was made by: it is of another cluster'
  }
  const judged = judgeCertificate(certificate, authority, nowMs)
  if (!judged.ok) return judged.reason
  return judged.identity.role === 'node' ? null : 'it is not a node'
}

/** Resolves when the handshake is over. PEER_REFUSED when the other end does not speak TLS, or not as a peer port. */
async function secure(
  to: { readonly peer: string; readonly signal: AbortSignal; readonly lookup: Lookup | null },
  shown: { readonly key?: string; readonly cert?: string; readonly ca?: string },
): Promise<TLSSocket> {
  const { peer, signal } = to
  const socket = await openSocket(peer, signal, to.lookup)
  return new Promise((resolve, reject) => {
    const stream = connect({
      ...shown,
      socket,
      // Who answers is judged by `proofOf` or `objection`: a number in a certificate says more than a host name.
      rejectUnauthorized: false,
      ALPNProtocols: [PROTOCOL_NAME],
      minVersion: 'TLSv1.3',
    })
    const onAbort = () => stream.destroy(new Error('gave up connecting'))
    signal.addEventListener('abort', onAbort, { once: true })
    stream.on('error', (error) => reject(refusalOf(peer, error)))
    stream.once('close', () => {
      signal.removeEventListener('abort', onAbort)
      reject(new Error('the connection closed before it was secure'))
    })
    stream.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(stream)
    })
    if (signal.aborted) onAbort()
  })
}

/** Errors of the handshake have the codes of OpenSSL; what the other end is shows in a few of them. */
function refusalOf(peer: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    const detail = `${peer}: it does not speak TLS on this port, and this node does: start both with --tls on, or neither`
    return new RaftwayError('PEER_REFUSED', detail, { cause: error })
  }
  if (code.endsWith('NO_APPLICATION_PROTOCOL')) {
    return new RaftwayError('PEER_REFUSED', `${peer}: it is not a peer port`, { cause: error })
  }
  if (!code.startsWith('ERR_SSL_')) return error
  return new RaftwayError('PEER_REFUSED', `${peer}: ${describeError(error)}`, { cause: error })
}

function proofOf(stream: TLSSocket, { credentials, revocations, clock }: TlsLinkParts): Proof {
  const certificate = stream.getPeerX509Certificate()
  if (certificate === undefined) return { type: 'no-certificate' }
  const judged = judgeCertificate(certificate, credentials.authority, clock.now())
  if (!judged.ok) return { type: 'refused', reason: judged.reason }
  const reason = revocations.reasonFor(judged.identity)
  if (reason === null) return { type: 'certificate', certificate: judged.identity }
  return { type: 'refused', reason: `its certificate is revoked: ${reason}` }
}

/** Links that stand, with the certificates that they stand on. */
class OpenLinks {
  readonly #parts: TlsLinkParts
  readonly #links = new Map<Socket, { readonly remote: string; readonly of: CertificateIdentity }>()

  constructor(parts: TlsLinkParts) {
    this.#parts = parts
  }

  add(stream: Socket, remote: string, of: CertificateIdentity): void {
    this.#links.set(stream, { remote, of })
    stream.once('close', () => this.#links.delete(stream))
  }

  /** Closes what does not stand any more. */
  sweep(): void {
    const { revocations, clock, logger } = this.#parts
    for (const [stream, { remote, of }] of this.#links) {
      const revoked = revocations.reasonFor(of)
      if (revoked === null && clock.now() <= of.validToMs) continue
      const reason = revoked === null ? 'has expired' : `is revoked: ${revoked}`
      const level = revoked === null ? 'info' : 'warn'
      logger[level](
        { remote, name: of.name },
        `closes a link: the certificate of ${of.name} ${reason}`,
      )
      stream.destroy(new RaftwayError('PEER_REFUSED', `the certificate of ${of.name} ${reason}`))
    }
  }
}

async function listenSecurely(
  at: Parameters<LinkPort['listen']>[0],
  onLink: (link: Link) => void,
  { parts, open }: { readonly parts: TlsLinkParts; readonly open: OpenLinks },
): Promise<LinkListener> {
  const { credentials, revocations, logger } = parts
  const context = () => ({ ...credentials.pair, ca: pem(credentials.authority) })
  // It never listens: sockets are handed to it once their first byte is seen.
  const server = createServer({
    ...context(),
    requestCert: true,
    // A refusal is told in a frame, with its reason, rather than by a number of TLS.
    rejectUnauthorized: false,
    ALPNProtocols: [PROTOCOL_NAME],
    minVersion: 'TLSv1.3',
    handshakeTimeout: PEER_HELLO_MS_MAX,
  })
  const arriving = new Set<Socket>()
  const refused = sayRefused(logger)
  server.on('secureConnection', (stream: TLSSocket) => {
    stream.on('error', ignoreHere)
    const remote = remoteOf(stream)
    const proof = proofOf(stream, parts)
    if (proof.type === 'certificate') open.add(stream, remote, proof.certificate)
    // Said here as well as in answer to its hello: it may not believe this node either, and hang up without one.
    if (proof.type === 'refused') refused(remote, proof.reason)
    onLink({ stream, remote, proof })
  })
  server.on('tlsClientError', (error, stream) => {
    logger.debug({ err: error, remote: remoteOf(stream) }, 'a TLS handshake failed')
  })
  const listener = await listenOn(at, (socket) => {
    if (arriving.size >= PEER_CONNECTIONS_MAX) {
      socket.destroy()
      return
    }
    arriving.add(socket)
    socket.once('close', () => arriving.delete(socket))
    const timer = setTimeout(() => socket.destroy(), PEER_HELLO_MS_MAX)
    socket.once('close', () => clearTimeout(timer))
    onFirstByte(socket, (byte) => {
      clearTimeout(timer)
      if (byte === HANDSHAKE_BYTE) server.emit('connection', socket)
      else onLink({ stream: socket, remote: remoteOf(socket), proof: SPEAKS_PLAIN })
    })
  })
  const stops = [
    credentials.onRenewal(() => server.setSecureContext(context())),
    revocations.onChange(() => open.sweep()),
  ]
  const sweeps = setInterval(() => open.sweep(), LINK_SWEEP_MS)
  return {
    at: listener.at,
    async close() {
      for (const stop of stops) stop()
      clearInterval(sweeps)
      for (const socket of arriving) socket.destroy()
      await listener.close()
    },
  }
}

/** Says who was refused, but not more often than is worth reading. */
function sayRefused(logger: Logger): (remote: string, reason: string) => void {
  let saidMs = -Infinity
  return (remote, reason) => {
    if (performance.now() - saidMs < REFUSAL_LOG_MS) return
    saidMs = performance.now()
    logger.warn({ remote }, `refuses a TLS connection: ${reason}`)
  }
}

const SPEAKS_PLAIN: Proof = {
  type: 'refused',
  reason: 'this node speaks TLS on its peer port: start the other one with --tls on',
}

/** Looks at what the other end begins with, and leaves it where it is. */
function onFirstByte(socket: Socket, look: (byte: number) => void): void {
  socket.once('readable', () => {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) {
      // It closed before it said anything.
      socket.destroy()
      return
    }
    socket.unshift(chunk)
    look(chunk[0] ?? 0)
  })
}

function pem(certificate: X509Certificate): string {
  return certificate.toString()
}
