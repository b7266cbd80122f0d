import {
  connect,
  createServer,
  isIP,
  type LookupFunction,
  type Server,
  type Socket,
} from 'node:net'
import type { Duplex } from 'node:stream'
import type { Lookup, Proof } from '../ports.ts'
import { parseAddress, type HostPort } from './address.ts'

// The port below which bytes travel. Nothing above it knows sockets: plain TCP is one value of it, TLS another.

/** An open, ordered, reliable stream, and what is known of who is at its other end. */
export type Link = {
  readonly stream: Duplex
  /** Where the other end is, for people. */
  readonly remote: string
  readonly proof: Proof
}

/** How bytes reach another node. */
export type LinkPort = {
  /** A link to `HOST:PORT`. Rejects with PEER_REFUSED or whatever prevented it, or when aborted. */
  connect(peer: string, signal: AbortSignal): Promise<Link>
  /** Calls for every link that others open. Rejects when the address cannot be had. */
  listen(at: HostPort, onLink: (link: Link) => void): Promise<LinkListener>
}

export type LinkListener = {
  /** Where it listens in fact. */
  readonly at: HostPort
  /** Takes no more links; those that are open are left alone, and must be gone before it resolves. */
  close(): Promise<void>
}

const KEEP_ALIVE_MS = 10_000

/** What every socket of a link is opened with. */
const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
} as const

/** Plain TCP. Names are looked up anew for every link, by `lookup`, or as the system does. */
export function tcpLinks(lookup: Lookup | null): LinkPort {
  return {
    async connect(peer, signal) {
      const stream = await openSocket(peer, signal, lookup)
      return { stream, remote: peer, proof: { type: 'plain' } }
    },

    listen(at, onLink) {
      return listenOn(at, (socket) => {
        onLink({ stream: socket, remote: remoteOf(socket), proof: { type: 'plain' } })
      })
    },
  }
}

export const TCP_LINKS = tcpLinks(null)

/** A connected socket to `HOST:PORT`; its errors are heard. */
export function openSocket(
  peer: string,
  signal: AbortSignal,
  lookup: Lookup | null,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = parseAddress(peer)
    signal.throwIfAborted()
    const by = lookup === null ? {} : { lookup: socketLookup(lookup) }
    const socket = connect({ host, port, ...SOCKET_OPTIONS, ...by })
    const onAbort = () => socket.destroy(new Error('gave up connecting'))
    signal.addEventListener('abort', onAbort, { once: true })
    // Stays for good: a socket whose error nobody hears would end the process.
    socket.on('error', reject)
    socket.once('close', () => {
      signal.removeEventListener('abort', onAbort)
      reject(new Error('the connection closed before it was open'))
    })
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(socket)
    })
  })
}

/** Every address of a host, for the socket to try one after the other. */
function socketLookup(lookup: Lookup): LookupFunction {
  return (host, _options, answer) => {
    lookup.addresses(host).then(
      (addresses) =>
        answer(
          null,
          addresses.map((address) => ({ address, family: isIP(address) })),
        ),
      (error: unknown) => answer(error instanceof Error ? error : new Error(String(error)), []),
    )
  }
}

/** Listens for sockets; their errors are heard. */
export function listenOn(at: HostPort, onSocket: (socket: Socket) => void): Promise<LinkListener> {
  return new Promise((resolve, reject) => {
    const server = createServer(SOCKET_OPTIONS)
    server.on('connection', (socket: Socket) => {
      socket.on('error', ignoreHere)
      onSocket(socket)
    })
    server.once('error', reject)
    server.listen(at.port, at.host, () => {
      server.off('error', reject)
      // Of a listening server: it could not accept, for want of file descriptors for example, and goes on.
      server.on('error', ignoreHere)
      resolve({ at: addressOf(server, at), close: () => closeServer(server) })
    })
  })
}

export function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'nowhere'}:${socket.remotePort ?? 0}`
}

/** 'close' follows every error, and is what the owner of the stream acts on. */
export function ignoreHere(): void {}

function addressOf(server: Server, asked: HostPort): HostPort {
  const address = server.address()
  return address === null || typeof address === 'string'
    ? asked
    : { host: address.address, port: address.port }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
