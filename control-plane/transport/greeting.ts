import { describeError, isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { Frame } from '../../shared/framing.ts'
import { PEER_HELLO_MS_MAX } from '../../shared/limits.ts'
import type { NodeId, PeerIdentity, Proof } from '../ports.ts'
import { malformed } from './bytes.ts'
import { Connection, unreachable, type ConnectionOwner } from './connection.ts'
import type { Link, LinkPort } from './links.ts'
import {
  decodeError,
  decodeHello,
  decodeWelcome,
  encodeError,
  encodeHello,
  encodeWelcome,
  FRAME,
  toRaftwayError,
  type Hello,
  type Protocols,
  type Purpose,
} from './wire.ts'

/** Takes a connection over in the very moment it is welcome, so that no frame falls between two owners. */
export type Adopt = (connection: Connection, peer: PeerIdentity) => ConnectionOwner

export type DialOptions = {
  readonly links: Pick<LinkPort, 'connect'>
  /** `HOST:PORT` */
  readonly peer: string
  readonly purpose: Purpose
  readonly self: PeerIdentity
  /** Peer protocols that this node speaks; those of this program unless given. */
  readonly protocols?: Protocols
  /** Who must answer there; null for whoever it is. */
  readonly expected: NodeId | null
  readonly adopt: Adopt
  readonly signal: AbortSignal
}

/**
 * Connects and says hello; resolves after `adopt`. PEER_UNREACHABLE, PEER_REFUSED (by either side), or another error
 * that the other side refused with.
 */
export async function dial(options: DialOptions): Promise<void> {
  const { links, peer } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(PEER_HELLO_MS_MAX)])
  const link = await links.connect(peer, signal).catch((cause: unknown) => {
    throw isRaftwayError(cause) ? cause : unreachable(peer, describeError(cause), cause)
  })
  await greet(link, signal, options)
}

function greet(link: Link, signal: AbortSignal, options: DialOptions): Promise<void> {
  const { peer, purpose, self, adopt } = options
  return new Promise((resolve, reject) => {
    const connection = new Connection(link.stream, peer, {
      onFrame(frame) {
        const other = readWelcome(options, link.proof, frame)
        if (other instanceof RaftwayError) return connection.close(other)
        signal.removeEventListener('abort', onAbort)
        connection.become(adopt(connection, other))
        resolve()
      },
      onClose(reason) {
        signal.removeEventListener('abort', onAbort)
        reject(reason)
      },
    })
    const onAbort = () => connection.close(unreachable(peer, 'no welcome in time'))
    signal.addEventListener('abort', onAbort, { once: true })
    connection.send(encodeHello(self, purpose, options.protocols))
    if (signal.aborted) onAbort()
  })
}

/** Who answered, or why nothing comes of it: by the other side's word, or by this side's. */
function readWelcome(
  options: DialOptions,
  proof: Proof,
  { type, payload }: Frame,
): PeerIdentity | RaftwayError {
  if (type === FRAME.refuse) return toRaftwayError(decodeError(payload))
  if (type !== FRAME.welcome) throw malformed(`frame ${type} instead of a welcome`)
  const other = decodeWelcome(payload)
  return unproved(proof, other) ?? objection(options, other) ?? other
}

/** Why this side does not want a peer that would have it. */
function objection(
  { self, expected, peer }: DialOptions,
  other: PeerIdentity,
): RaftwayError | null {
  if (expected !== null && other.id !== expected) {
    return new RaftwayError('PEER_REFUSED', `at ${peer} is ${other.name}, another node than before`)
  }
  return foreign(self, other)
}

/**
 * Waits for the hello of whoever opened `link`, within PEER_HELLO_MS_MAX and PEER_HELLO_BYTES_MAX. `decide` gives the
 * new owner of the connection, or the reason that is sent back before it is closed. `onRefused` hears of every reason.
 */
export function receive(options: {
  readonly link: Link
  readonly self: () => PeerIdentity
  readonly protocols: Protocols
  readonly decide: (hello: Hello, connection: Connection) => ConnectionOwner | RaftwayError
  readonly onRefused: (error: RaftwayError) => void
}): Connection {
  const { link, self, decide, onRefused } = options
  const { stream, remote, proof } = link
  const refuse = (error: RaftwayError): void => {
    onRefused(error)
    connection.finish(encodeError(FRAME.refuse, null, error), error)
  }
  stream.once('data', (chunk: Uint8Array) => {
    if (isHandshake(chunk)) refuse(SPEAKS_TLS)
  })
  const connection = new Connection(stream, remote, {
    onFrame(frame) {
      if (frame.type !== FRAME.hello) throw malformed(`frame ${frame.type} instead of a hello`)
      const hello = decodeHello(frame.payload)
      const answer =
        refuseStranger(self(), options.protocols, hello) ??
        refuseUnproved(proof, hello) ??
        decide(hello, connection)
      if (answer instanceof RaftwayError) return refuse(answer)
      clearTimeout(timer)
      connection.send(encodeWelcome(self()))
      connection.become(answer)
    },
    onClose: () => clearTimeout(timer),
  })
  const timer = setTimeout(() => {
    connection.close(unreachable(remote, `no hello within ${PEER_HELLO_MS_MAX} ms`))
  }, PEER_HELLO_MS_MAX)
  return connection
}

/** What a frame cannot begin with, because it would be too large, and every TLS handshake does (RFC 8446 5.1). */
function isHandshake(chunk: Uint8Array): boolean {
  return chunk[0] === 0x16 && chunk[1] === 0x03
}

const SPEAKS_TLS = new RaftwayError(
  'PEER_REFUSED',
  'it speaks TLS, and this node does not: start both with --tls on, or neither',
)

/** Why this proof is not enough for what the hello asks. */
function refuseUnproved(proof: Proof, hello: Hello): RaftwayError | null {
  if (hello.purpose !== 'enrol') return unproved(proof, hello)
  // Whoever has a certificate gains nothing by asking for one; a plain link would carry a token for all to read.
  if (proof.type === 'no-certificate') return null
  return new RaftwayError('PEER_REFUSED', 'a node enrols over TLS, while it has no certificate')
}

/** Why this proof does not show that the other end is who it says it is. */
function unproved(proof: Proof, other: PeerIdentity): RaftwayError | null {
  if (proof.type === 'plain') return null
  if (proof.type === 'refused') return new RaftwayError('PEER_REFUSED', proof.reason)
  if (proof.type === 'no-certificate') {
    const detail = `${other.name} has no certificate of this cluster: start it with --join-token`
    return new RaftwayError('PEER_REFUSED', detail)
  }
  const { role, nodeId, name, clusterId } = proof.certificate
  // A first certificate is older than its cluster, and a node that joins does not belong to it yet.
  const isAtHome = clusterId === null || other.clusterId === null || clusterId === other.clusterId
  if (role === 'node' && nodeId === other.id && name === other.name && isAtHome) return null
  const detail = `${other.name} (${other.id}) shows the certificate of ${role} ${name} (${nodeId ?? 'no node'})`
  return new RaftwayError('PEER_REFUSED', detail)
}

function refuseStranger(self: PeerIdentity, own: Protocols, hello: Hello): RaftwayError | null {
  const other = { min: hello.protocolMin ?? hello.protocol, max: hello.protocol }
  if (other.max >= own.min && other.min <= own.max) return foreign(self, hello)
  const behind = other.max < own.min ? hello.name : self.name
  return new RaftwayError(
    'PEER_REFUSED',
    `${programOf(self)} speaks protocol ${rangeText(own)}, and ${programOf(hello)} ${rangeText(other)}: ` +
      `upgrade ${behind}, one release at a time`,
  )
}

function programOf({ name, release }: PeerIdentity): string {
  return release === undefined ? name : `${name} (raftway ${release.version})`
}

function rangeText({ min, max }: Protocols): string {
  return min === max ? String(max) : `${min} to ${max}`
}

function foreign(self: PeerIdentity, other: PeerIdentity): RaftwayError | null {
  if (self.clusterId === null || other.clusterId === null) return null
  if (self.clusterId === other.clusterId) return null
  return new RaftwayError(
    'PEER_REFUSED',
    `${self.name} belongs to cluster ${self.clusterId}, and ${other.name} to ${other.clusterId}`,
  )
}
