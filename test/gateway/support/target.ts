import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTcpServer } from 'node:net'

/** A target on a port of its own. */
export type TestTarget = {
  readonly url: string
  readonly authority: string
  /** Requests that came, in order. */
  readonly requests: IncomingMessage[]
  close(): Promise<void>
}

/** A real HTTP server behind the gateway. */
export async function startTarget(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestTarget> {
  const requests: IncomingMessage[] = []
  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    requests.push(request)
    answer(request, response)
  })
  return { ...(await listen(server)), requests }
}

/** A raw TCP target that hears bytes and says bytes. */
export async function startRawTarget(
  onData: (socket: Socket, data: Buffer) => void,
): Promise<TestTarget> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data: Buffer) => onData(socket, data))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    authority: `127.0.0.1:${port}`,
    requests: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** A port where nobody listens. */
export async function deadUrl(): Promise<string> {
  const target = await startTarget((_request, response) => response.end())
  await target.close()
  return target.url
}

async function listen(
  server: Server,
): Promise<{ readonly url: string; readonly authority: string; close(): Promise<void> }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    authority: `127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
