import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
} from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** A target behind TLS that speaks what it is told to, on a port of its own. */
export type SecureTarget = {
  readonly port: number
  readonly url: string
  /** Handshakes that ever came to their end. */
  readonly handshakes: readonly TLSSocket[]
  /** Versions of HTTP that requests came in, in order. */
  readonly versions: readonly string[]
  close(): Promise<void>
}

type Answer = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void

/** Takes HTTP/2 and HTTP/1.1, unless it is old. Port 0 takes a free one. */
export async function startSecureTarget(
  options: SecureServerOptions & { readonly port?: number; readonly isOld?: boolean },
  answer: Answer = (_, response) => void response.end('hello'),
): Promise<SecureTarget> {
  const { port: wanted = 0, isOld = false, ...server } = options
  const sockets = new Set<Socket>()
  const handshakes: TLSSocket[] = []
  const versions: string[] = []
  const counted: Answer = (request, response) => {
    versions.push(request.httpVersion)
    answer(request, response)
  }
  const listening = isOld
    ? createServer(server, counted)
    : createSecureServer({ allowHTTP1: true, ...server }, counted)
  listening.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  listening.on('secureConnection', (socket: TLSSocket) => {
    handshakes.push(socket)
    socket.on('error', () => {})
  })
  listening.on('sessionError', () => {})
  await new Promise<void>((resolve) => listening.listen(wanted, '127.0.0.1', () => resolve()))
  const { port } = listening.address() as AddressInfo
  return {
    port,
    url: `https://127.0.0.1:${port}`,
    handshakes,
    versions,
    close: () =>
      new Promise((resolve) => {
        listening.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
