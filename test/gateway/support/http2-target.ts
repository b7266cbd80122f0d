import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { IncomingHttpHeaders, ServerOptions } from 'node:http2'
import type { AddressInfo } from 'node:net'

/** A target that speaks HTTP/2 without TLS, on a port of its own. */
export type Http2Target = {
  readonly url: string
  /** Heads of requests that came, in order. */
  readonly requests: IncomingHttpHeaders[]
  /** Connections that were ever made, in order. */
  readonly sessions: ServerHttp2Session[]
  /** Codes that streams were closed with, in that order. */
  readonly ends: number[]
  close(): Promise<void>
}

export async function startHttp2Target(
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  options: ServerOptions = {},
): Promise<Http2Target> {
  const requests: IncomingHttpHeaders[] = []
  const sessions: ServerHttp2Session[] = []
  const ends: number[] = []
  const server: Http2Server = createServer(options)
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.on('close', () => ends.push(stream.rstCode ?? 0))
    requests.push(headers)
    answer(stream, headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    sessions,
    ends,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const session of sessions) session.destroy()
      }),
  }
}
