import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Logger } from '../../../shared/logger.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { startApi } from '../../../control-plane/api/server.ts'
import { apiSpec, call, until } from '../../conformance/api-client.ts'
import { startCluster, type Running } from './start.ts'

// What the server does around the calls: limits, failures, starting and stopping.

let running: Running
let log: { readonly level: string; readonly fields: object; readonly message: string }[]

const logger: Logger = {
  debug() {},
  info: (fields, message) => {
    // Calls that were carried out are written down as well; that is the audit log's business.
    if (!('audit' in fields)) log.push({ level: 'info', fields, message })
  },
  warn: (fields, message) => log.push({ level: 'warn', fields, message }),
  error: (fields, message) => log.push({ level: 'error', fields, message }),
}

beforeEach(async () => {
  log = []
  running = await startCluster(1, { logger, bounds: { bodyBytesMax: 1_000 } })
})

afterEach(() => running.close())

/** Sends bytes as they are; the answer is what came until the server closed or fell silent on purpose. */
function dial(): { readonly socket: Socket; readonly text: () => string } {
  const socket = connect({ port: Number(new URL(running.url(0)).port), host: '127.0.0.1' })
  let text = ''
  socket.on('data', (data) => {
    text += data.toString()
  })
  socket.on('error', () => {})
  return { socket, text: () => text }
}

test('a body that announces itself as too large is refused before any of it is sent', async () => {
  const { socket, text } = dial()
  socket.write('PUT /v1/apis/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n')
  await until(() => text().includes('BODY_TOO_LARGE'))
  expect(text()).toMatch(/^HTTP\/1\.1 413 /)
  expect(text()).toMatch(/Connection: close/i)
  socket.write('x'.repeat(1_001))
  await once(socket, 'close')
})

test('a client that asks before it sends is told at once', async () => {
  const { socket, text } = dial()
  const head = 'PUT /v1/apis/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n'
  socket.write(`${head}Content-Length: 1001\r\n\r\n`)
  await until(() => text().includes('BODY_TOO_LARGE'))
  expect(text()).not.toContain('100 Continue')
  socket.destroy()
  const small = dial()
  small.socket.write(`${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n`)
  await until(() => small.text().includes('100 Continue'))
  small.socket.write('{}')
  await until(() => small.text().includes('INVALID_DEFINITION'))
  small.socket.destroy()
})

test('a body that grows too large on the way is cut', async () => {
  const { socket, text } = dial()
  socket.write('PUT /v1/apis/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let i = 0; i < 5; i++) socket.write(`100\r\n${' '.repeat(256)}\r\n`)
  await until(() => text().includes('BODY_TOO_LARGE'))
  expect(text()).toMatch(/^HTTP\/1\.1 413 /)
  socket.write('0\r\n\r\n')
  await once(socket, 'close')
  expect(running.node(0).writes).toBe(0)
})

test('what is no HTTP, and a head over the limit, get an answer and the end', async () => {
  for (const [bytes, status, code] of [
    ['rubbish\r\n\r\n', 400, 'BAD_REQUEST'],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'HEAD_TOO_LARGE'],
  ] as const) {
    const { socket, text } = dial()
    socket.write(bytes)
    await once(socket, 'close')
    expect(text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(JSON.parse(text().split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, code })
    expect(text()).toMatch(/Raftway-Revision: 0/)
  }
})

test('a failure of ours is told to the log and not to the client', async () => {
  running.node(0).beforeWrite = () => {
    throw new Error('the password is swordfish')
  }
  const reply = await call(running.url(0), 'PUT /v1/apis/a', { json: { spec: apiSpec('a') } })
  expect(reply.body).toMatchObject({ status: 500, code: 'INTERNAL', issues: [] })
  expect(reply.text).not.toMatch(/swordfish|\.ts/)
  expect(log).toMatchObject([
    { level: 'error', fields: { call: 'PUT /v1/apis/a', error: 'the password is swordfish' } },
  ])
})

test('what a client did wrong is not a matter for the log', async () => {
  await call(running.url(0), 'PUT /v1/apis/a', { json: {} })
  await call(running.url(0), 'GET /nothing')
  expect(log).toEqual([])
})

test('a node without a cluster answers only for its health', async () => {
  running.node(0).identity = null
  for (const line of [
    'GET /v1/apis',
    'PUT /v1/apis/a',
    'GET /v1/watch',
    'POST /v1/cluster/leader',
  ]) {
    const reply = await call(running.url(0), line)
    expect(reply.body).toMatchObject({ status: 503, code: 'NOT_FORMED' })
    expect(reply.headers['retry-after']).toBe('1')
  }
  expect((await call(running.url(0), 'GET /healthz')).status).toBe(200)
  expect((await call(running.url(0), 'GET /metrics')).status).toBe(200)
  expect((await call(running.url(0), 'GET /v1/cluster')).status).toBe(200)
  const ready = await call(running.url(0), 'GET /readyz')
  expect([ready.status, ready.body.reason]).toEqual([503, 'the node belongs to no cluster yet'])
})

test('answers may not be run, framed, sniffed or kept', async () => {
  const { headers } = await call(running.url(0), 'GET /v1/apis')
  expect(headers).toMatchObject({
    'content-security-policy': "default-src 'none';frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'cache-control': 'no-store',
  })
  expect(headers['x-powered-by']).toBeUndefined()
})

test('closing answers the write that waits for gateways, and refuses the next', async () => {
  const json = { revision: 0, hash: '0'.repeat(64), version: '1', quarantined: [] }
  await call(running.url(0), 'POST /v1/gateways/g/report', { json })
  const line = 'PUT /v1/apis/a?wait=applied&timeoutMs=60000'
  const pending = call(running.url(0), line, { json: { spec: apiSpec('a') } })
  await until(async () => {
    const { text } = await call(running.url(0), 'GET /metrics')
    return text.includes('raftway_rollouts_waiting 1')
  })
  const closing = running.close()
  expect((await pending).body.rollout).toMatchObject({ gateways: 1, applied: 0 })
  await closing
  await expect(call(running.url(0), 'GET /healthz')).rejects.toThrow(/ECONNREFUSED/)
})

test('an address that is taken is an error of starting', async () => {
  const { port } = new URL(running.url(0))
  const again = startApi({
    host: '127.0.0.1',
    port: Number(port),
    plane: running.node(0),
    clock: SYSTEM_CLOCK,
    logger,
    version: '0.0.0',
  })
  await expect(again).rejects.toThrow(/EADDRINUSE/)
})
