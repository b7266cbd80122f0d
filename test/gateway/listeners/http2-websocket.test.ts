// Goal: WebSocket on a stream of HTTP/2 (RFC 8441) meets a target as WebSocket on HTTP/1.1 does. Method: extended CONNECT by
// node:http2 with frames of WebSocket by hand, and the server of `ws` as the target, which checks the handshake.
import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { api, targets } from '../support/definitions.ts'
import { answerOf, connectHttp2, fetchHttp2 } from '../support/http2-client.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { startTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const CONNECT = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'http',
  ':path': '/chat?room=1',
  ':authority': 'chat.test',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'echo',
}

type Stage = {
  readonly server: WebSocketServer
  readonly gateway: OneWorker
  readonly session: ClientHttp2Session
}

async function stage(): Promise<Stage> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await new Promise<void>((resolve) => server.once('listening', () => resolve()))
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  closing.push(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const gateway = await startOneWorker(api('a', '/chat', targets(`http://127.0.0.1:${port}`)))
  closing.push(() => gateway.stop())
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  return { server, gateway, session }
}

/** A whole message as a client sends it, masked with zeros (RFC 6455 5.2). */
function message(opcode: number, text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0), payload])
}

function nextPiece(stream: ClientHttp2Stream): Promise<Buffer> {
  return new Promise((resolve) => stream.once('data', resolve))
}

test('messages go both ways on one stream, beside other streams', async () => {
  const { server, session } = await stage()
  expect(session.remoteSettings.enableConnectProtocol).toBe(true)
  const stream = session.request(CONNECT, { endStream: false })
  const head = await new Promise<Record<string, unknown>>((resolve) => {
    stream.once('response', (given) => resolve(given))
  })
  expect(head[':status']).toBe(200)
  expect(head['sec-websocket-protocol']).toBe('echo')
  expect(head['sec-websocket-accept']).toBeUndefined()
  expect(head['upgrade']).toBeUndefined()
  for (const text of ['one', 'two']) {
    const answer = nextPiece(stream)
    stream.write(message(1, text))
    expect((await answer).toString()).toBe(`\x81\x03${text}`.replace('\x81', '\ufffd'))
  }
  expect((await fetchHttp2(session, { ':path': '/none' })).status).toBe(404)
  expect(server.clients.size).toBe(1)
  const closed = answerOf(stream)
  stream.write(message(8, ''))
  stream.end()
  expect((await closed).code).toBe(constants.NGHTTP2_NO_ERROR)
  await until('the target to be left', () => server.clients.size === 0)
})

test('a client that resets its stream takes the connection to the target with it', async () => {
  const { server, session } = await stage()
  const stream = session.request(CONNECT, { endStream: false })
  stream.on('error', () => {})
  await new Promise((resolve) => stream.once('response', resolve))
  expect(server.clients.size).toBe(1)
  stream.close(constants.NGHTTP2_CANCEL)
  await until('the target to be left', () => server.clients.size === 0)
})

test('a target that goes away ends the stream, and no other', async () => {
  const { server, session } = await stage()
  const stream = session.request(CONNECT, { endStream: false })
  await new Promise((resolve) => stream.once('response', resolve))
  const ended = new Promise((resolve) => stream.once('end', resolve))
  stream.resume()
  for (const client of server.clients) client.terminate()
  await ended
  expect((await fetchHttp2(session, { ':path': '/none' })).status).toBe(404)
})

test('a target that does not change the protocol is answered for as it says', async () => {
  const target = await startTarget((request, response) => {
    response.writeHead(request.headers.upgrade === 'websocket' ? 403 : 500)
    response.end('no')
  })
  closing.push(() => target.close())
  const gateway = await startOneWorker(api('a', '/chat', targets(target.url)))
  closing.push(() => gateway.stop())
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  const stream = session.request(CONNECT, { endStream: false })
  expect(await answerOf(stream)).toMatchObject({ status: 403, body: 'no' })
  expect(target.requests[0]?.headers['sec-websocket-key']).toMatch(/^[A-Za-z0-9+/]{22}==$/)
})
