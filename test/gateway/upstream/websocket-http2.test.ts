// Goal: WebSocket reaches a target of HTTP/2 on a stream where that announces it (RFC 8441), and by Upgrade where it does not,
// whatever its client speaks. Method: targets of node:http2 that echo, and `ws` as client and as target of HTTP/1.1.
import { createServer } from 'node:http'
import type { ClientHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { api } from '../support/definitions.ts'
import { connectHttp2 } from '../support/http2-client.ts'
import { startHttp2Target, type Http2Target } from '../support/http2-target.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { startSecureTarget } from '../support/secure-target.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { until } from '../support/until.ts'

const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function gatewayTo(upstream: object): Promise<OneWorker> {
  const gateway = await startOneWorker(api('a', '/', { protocol: 'http2', ...upstream }))
  closing.push(() => gateway.stop())
  return gateway
}

/** Answers with 200 and sends unmasked frames of what it gets, as RFC 6455 has it; frames are short and masked with zeros. */
async function echoTarget(status = 200): Promise<Http2Target> {
  const settings = { enableConnectProtocol: true }
  const target = await startHttp2Target(
    (stream) => {
      stream.respond({ ':status': status, 'sec-websocket-protocol': 'echo' })
      if (status !== 200) {
        stream.end('no')
        return
      }
      stream.on('end', () => stream.end())
      stream.on('data', (frame: Buffer) => {
        const [head = 0, length = 0] = frame
        const mask = frame.subarray(2, 6)
        const payload = frame.subarray(6).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
        stream.write(Buffer.concat([Buffer.of(head, length & 0x7f), payload]))
      })
    },
    { settings },
  )
  closing.push(() => target.close())
  return target
}

function openSocket(gateway: OneWorker): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/chat?room=1`, ['echo'])
  closing.push(() => socket.terminate())
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

async function said(socket: WebSocket, text: string): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    socket.once('message', (data: Buffer) => resolve(data.toString()))
  })
  socket.send(text)
  return answer
}

test('a client of HTTP/1.1 speaks WebSocket with a target of HTTP/2', async () => {
  const target = await echoTarget()
  const gateway = await gatewayTo({ targets: [{ url: target.url }] })
  const socket = await openSocket(gateway)
  expect(socket.protocol).toBe('echo')
  for (const text of ['one', 'two']) expect(await said(socket, text)).toBe(text)
  expect(target.requests[0]).toMatchObject({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/chat?room=1',
    ':scheme': 'http',
    'sec-websocket-version': '13',
  })
  // RFC 8441 5: they have no place there.
  for (const name of ['sec-websocket-key', 'upgrade', 'connection']) {
    expect(target.requests[0]?.[name]).toBeUndefined()
  }
  // Other requests share the connection with it.
  expect((await fetch(gateway.url)).status).toBe(200)
  expect(target.sessions).toHaveLength(1)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.close(1000)
  await closed
  await until('the stream to be over', () => target.ends.length > 0)
})

test('a client of HTTP/2 does as well, and its end is the end of the stream', async () => {
  const target = await echoTarget()
  const gateway = await gatewayTo({ targets: [{ url: target.url }] })
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  const stream: ClientHttp2Stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/chat',
      ':authority': 'chat.test',
      'sec-websocket-version': '13',
    },
    { endStream: false },
  )
  const head = await new Promise<Record<string, unknown>>((resolve) => {
    stream.once('response', (given) => resolve(given))
  })
  expect(head[':status']).toBe(200)
  expect(head['sec-websocket-accept']).toBeUndefined()
  const answer = new Promise<Buffer>((resolve) => stream.once('data', resolve))
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 104, 105]))
  expect(await answer).toEqual(Buffer.from([0x81, 2, 104, 105]))
  stream.destroy()
  await until('the stream to be over', () => target.ends.length === 1)
})

test('a target that refuses is answered for as it says', async () => {
  const target = await echoTarget(403)
  const gateway = await gatewayTo({ targets: [{ url: target.url }] })
  await expect(openSocket(gateway)).rejects.toThrow(/403/)
})

test('a target that does not announce it is asked by Upgrade, over HTTP/1.1', async () => {
  const authority = await TestAuthority.make('targets')
  const pair = await authority.issue(['pets.internal'])
  const behind = await startSecureTarget({ cert: pair.certificate, key: pair.key })
  closing.push(() => behind.close())
  const tls = { ca: authority.pem, serverName: 'pets.internal' }
  const gateway = await gatewayTo({ targets: [{ url: behind.url }], protocol: 'auto', tls })
  expect((await fetch(gateway.url)).status).toBe(200)
  // The target of this test changes no protocol, but it sees what it is asked.
  await expect(openSocket(gateway)).rejects.toThrow(/200/)
  expect(behind.versions).toEqual(['2.0', '1.1'])
})

test.each(['auto', 'http1'])('with %s and an http target it is Upgrade', async (protocol) => {
  const http = createServer()
  const server = new WebSocketServer({ server: http })
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => {
    for (const client of server.clients) client.terminate()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  const gateway = await gatewayTo({ targets: [{ url: `http://127.0.0.1:${port}` }], protocol })
  expect(await said(await openSocket(gateway), 'hello')).toBe('hello')
})
