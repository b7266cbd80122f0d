import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { parseAddress, type HostPort } from './address.ts'

// The port below which bytes travel. Nothing above it knows sockets, so that encrypted links are another value of it.

/** How bytes reach another node. */
export type LinkPort = {
  /** An open, ordered, reliable stream to `HOST:PORT`. Rejects with whatever prevented it, or when aborted. */
  connect(peer: string, signal: AbortSignal): Promise<Duplex>
  /** Calls for every stream that others open. Rejects when the address cannot be had. */
  listen(at: HostPort, onLink: (link: Duplex, remote: string) => void): Promise<LinkListener>
}

export type LinkListener = {
  /** Where it listens in fact. */
  readonly at: HostPort
  /** Takes no more links; those that are open are left alone, and must be gone before it resolves. */
  close(): Promise<void>
}

const KEEP_ALIVE_MS = 10_000

/** Plain TCP. */
export const TCP_LINKS: LinkPort = {
  connect(peer, signal) {
    return new Promise((resolve, reject) => {
      const { host, port } = parseAddress(peer)
      signal.throwIfAborted()
      const socket = connect({
        host,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      })
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
  },

  listen(at, onLink) {
    return new Promise((resolve, reject) => {
      const server = createServer({
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      })
      server.on('connection', (socket: Socket) => {
        socket.on('error', ignoreHere)
        onLink(socket, `${socket.remoteAddress ?? 'nowhere'}:${socket.remotePort ?? 0}`)
      })
      server.once('error', reject)
      server.listen(at.port, at.host, () => {
        server.off('error', reject)
        // Of a listening server: it could not accept, for want of file descriptors for example, and goes on.
        server.on('error', ignoreHere)
        resolve({ at: addressOf(server, at), close: () => closeServer(server) })
      })
    })
  },
}

/** 'close' follows every error, and is what the owner of the stream acts on. */
function ignoreHere(): void {}

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
