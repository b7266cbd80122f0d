// Goal: other protocols pass as they are, on the route that they began with. Method: raw sockets on both sides of a
// gateway; the protocol in between is an echo, because the gateway must not care.
import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { SLOT } from '../../gateway/metrics/slots.ts'
import { ROUTE_CHECK_MS } from '../../shared/limits.ts'
import { api, targets } from './support/definitions.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from './support/one-worker.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from './support/raw-client.ts'
import { startRawTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

/** A target that changes to an echo, and keeps the heads that it saw. */
async function echoTarget(heads: string[] = []): Promise<TestTarget> {
  const changed = new WeakSet<Socket>()
  const started = await startRawTarget((socket, data) => {
    if (changed.has(socket)) {
      socket.write(data)
      return
    }
    const end = data.indexOf('\r\n\r\n') + 4
    heads.push(data.toString('latin1', 0, end))
    changed.add(socket)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX: 1\r\n\r\nhello',
    )
    socket.write(data.subarray(end))
  })
  closing.push(() => started.close())
  return started
}

const UPGRADE =
  'GET /w HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\nSec-X: y\r\n\r\n'

async function openTunnel(gateway: OneWorker): Promise<Socket> {
  const socket = await openRaw(gateway.port)
  socket.write(UPGRADE)
  await readUntil(socket, (text) => text.endsWith('hello'))
  return socket
}

test('the change of protocol reaches the target, and its answer the client, with what comes behind them', async () => {
  const heads: string[] = []
  const gateway = await worker(api('a', '/', targets((await echoTarget(heads)).url)))
  const socket = await openRaw(gateway.port)
  socket.write(`${UPGRADE}ping`)
  const text = await readUntil(socket, (all) => all.endsWith('ping'))
  expect(text).toMatch(
    /^HTTP\/1.1 101 Switching Protocols\r\nX: 1\r\nDate: [^\r]+\r\nVia: 1.1 raftway\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhelloping$/,
  )
  expect(heads[0]).toContain('\r\nConnection: Upgrade\r\nUpgrade: echo\r\n')
  expect(heads[0]).toContain('\r\nSec-X: y\r\n')
  expect(gateway.slots[SLOT.active]).toBe(1)
  socket.end()
  await until('the end', () => gateway.slots[SLOT.active] === 0)
  expect(gateway.slots[SLOT.requestBytes]).toBe(4)
  expect(gateway.slots[SLOT.responseBytes]).toBe(9)
})

test('many bytes pass both ways, with a side that is slow', async () => {
  const gateway = await worker(api('a', '/', targets((await echoTarget()).url)))
  const socket = await openTunnel(gateway)
  const sent = randomBytes(8 * 1024 * 1024)
  const seen = createHash('sha256')
  let received = 0
  socket.pause()
  socket.write(sent)
  socket.on('data', (piece: Buffer) => {
    received += piece.length
    seen.update(piece)
  })
  socket.resume()
  await until('all of it', () => received === sent.length)
  expect(seen.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'))
  socket.destroy()
})

test('a target that does not change answers as always', async () => {
  const started = await startRawTarget((socket) => {
    socket.write('HTTP/1.1 426 x\r\nContent-Length: 2\r\n\r\nno')
  })
  closing.push(() => started.close())
  const gateway = await worker(api('a', '/', targets(started.url)))
  const socket = await openRaw(gateway.port)
  for (let i = 0; i < 2; i++) {
    socket.write(UPGRADE)
    expect(await readUntil(socket, (text) => text.endsWith('no'))).toMatch(/^HTTP\/1.1 426/)
  }
  socket.destroy()
})

test.each(['h2c', 'HTTP/2.0', 'TLS/1.0', 'websocket, h2c'])(
  'a change to %s is not passed on: requests in there would pass every check by',
  async (protocol) => {
    const heads: string[] = []
    const started = await startRawTarget((socket, data) => {
      heads.push(data.toString('latin1'))
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    closing.push(() => started.close())
    const gateway = await worker(api('a', '/', targets(started.url)))
    const head = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade, HTTP2-Settings\r\nHTTP2-Settings: a\r\nUpgrade: ${protocol}\r\n\r\n`
    expect(await sendRaw(gateway.port, head)).toMatch(/^HTTP\/1.1 200/)
    expect(heads[0]?.toLowerCase()).not.toMatch(/upgrade|http2-settings/)
  },
)

test('a tunnel keeps its route over changes, and ends a while after its route is gone', async () => {
  const first = api('a', '/', targets((await echoTarget()).url))
  const gateway = await startImpatientWorker({ routeDrainMs: 200 }, first)
  closing.push(() => gateway.stop())
  const socket = await openTunnel(gateway)
  gateway.adopt(api('a', '/', { ...targets((await echoTarget()).url), timeouts: { idleMs: 10 } }))
  socket.write('still there')
  await readUntil(socket, (text) => text.endsWith('still there'))
  const startedAt = performance.now()
  gateway.remove('Api', 'a')
  await readToEnd(socket)
  expect(performance.now() - startedAt).toBeGreaterThan(190)
  expect(performance.now() - startedAt).toBeLessThan(ROUTE_CHECK_MS + 4_000)
})
