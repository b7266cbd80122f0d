// Goal: what a client may cost is what the options say: of time, of connections, of bytes. Method: options as a command line
// gives them, and raw clients of HTTP/1.1 and HTTP/2 that take more than is theirs.
import { connect as connectHttp2Session } from 'node:http2'
import { afterEach, expect, test } from 'vitest'
import {
  readClientOptions,
  USUAL_CLIENTS,
  type ClientBounds,
  type ClientOptions,
} from '../../gateway/client-bounds.ts'
import { ClientCount } from '../../gateway/metrics/client-count.ts'
import { makeMetrics, SLOT } from '../../gateway/metrics/slots.ts'
import type { UpstreamSpec } from '../../shared/definitions/upstream.ts'
import type { Issue } from '../../shared/errors.ts'
import { api, targets } from './support/definitions.ts'
import { startHttp2Target } from './support/http2-target.ts'
import { answerOf, connectHttp2, fetchHttp2 } from './support/http2-client.ts'
import { startImpatientWorker, type OneWorker } from './support/one-worker.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from './support/raw-client.ts'
import { startTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const CHUNKED = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'

/** A gateway with these bounds before a target that takes every body and then says ok. */
async function gatewayWith(bounds: Partial<ClientBounds>): Promise<OneWorker> {
  const target: TestTarget = await startTarget((request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  closing.push(() => target.close())
  const gateway = await startImpatientWorker(bounds, api('a', '/', targets(target.url)))
  closing.push(() => gateway.stop())
  return gateway
}

function issuesOf(options: ClientOptions): readonly string[] {
  const issues: Issue[] = []
  readClientOptions(options, issues)
  return issues.map(({ path }) => path)
}

/** Calls `send` every 5 ms until something holds, 2,000 times at most. */
async function drip(isOver: () => boolean, send: () => void): Promise<void> {
  for (let i = 0; i < 2_000 && !isOver(); i++) {
    send()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('what is left out is as usual, and each one out of its range is named', () => {
  expect(readClientOptions({}, [])).toEqual(USUAL_CLIENTS)
  expect(issuesOf({})).toEqual([])
  const zeros = Object.fromEntries(Object.keys(USUAL_CLIENTS).map((name) => [name, -1]))
  const names = Object.keys(USUAL_CLIENTS).map((name) => `clients.${name}`)
  expect(issuesOf(zeros)).toEqual(names)
  expect(issuesOf({ headMs: 1.5, idleMs: Number.NaN })).toEqual([
    'clients.headMs',
    'clients.idleMs',
  ])
  expect(issuesOf({ bodyRateMin: 0 })).toEqual([])
})

test('a target is a part of its head', () => {
  expect(issuesOf({ headBytesMax: 4_096 })).toEqual(['clients.targetBytesMax'])
  expect(issuesOf({ headBytesMax: 4_096, targetBytesMax: 2_048 })).toEqual([])
})

test('a connection without a request stays open for as long as is said, and no longer', async () => {
  const gateway = await gatewayWith({ keepAliveMs: 150 })
  const socket = await openRaw(gateway.port)
  socket.write(GET)
  await readUntil(socket, (text) => text.endsWith('ok'))
  const startedAt = performance.now()
  expect(await readToEnd(socket)).toBe('')
  expect(performance.now() - startedAt).toBeGreaterThan(140)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('so does one of HTTP/2', async () => {
  const gateway = await gatewayWith({ keepAliveMs: 150 })
  const session = await connectHttp2(gateway.url)
  const closed = new Promise<void>((resolve) => session.once('close', () => resolve()))
  await fetchHttp2(session, { ':path': '/' })
  const startedAt = performance.now()
  await closed
  expect(performance.now() - startedAt).toBeGreaterThan(140)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('a connection carries so many requests, and says so with the last answer', async () => {
  const gateway = await gatewayWith({ requestsMax: 3 })
  const answers = await sendRaw(gateway.port, GET.repeat(5))
  const [, ...each] = answers.split('HTTP/1.1 200')
  expect(each.map((text) => text.includes('Connection: close'))).toEqual([false, false, true])
  const session = await connectHttp2(gateway.url)
  const closed = new Promise<void>((resolve) => session.once('close', () => resolve()))
  for (let i = 0; i < 3; i++) {
    expect((await fetchHttp2(session, { ':path': '/' })).status).toBe(200)
  }
  await closed
})

test('connections beyond those of all clients are closed at once, whatever they would speak', async () => {
  const gateway = await gatewayWith({ connectionsMax: 2 })
  const first = await openRaw(gateway.port)
  const second = connectHttp2Session(gateway.url)
  closing.push(async () => second.destroy())
  await until('both', () => gateway.slots[SLOT.clients] === 2)
  expect(await sendRaw(gateway.port, GET)).toBe('')
  expect(gateway.slots[SLOT.clientsRefused]).toBe(1)
  first.destroy()
  await until('a place', () => gateway.slots[SLOT.clients] === 1)
  const third = await openRaw(gateway.port)
  third.write(GET)
  expect(await readUntil(third, (text) => text.endsWith('ok'))).toMatch(/^HTTP\/1.1 200/)
  third.destroy()
})

test('connections are counted over all workers, and those of a dead worker are gone', () => {
  const memory = makeMetrics(3, 'off')
  const [a, b] = [new ClientCount(memory, 0), new ClientCount(memory, 2)]
  a.opened()
  b.opened()
  b.opened()
  a.closed()
  a.opened()
  expect([a.inAll, b.inAll]).toEqual([3, 3])
  expect(new ClientCount(memory, 2).inAll).toBe(1)
})

test('heads have as many bytes, fields and bytes of a target as is said', async () => {
  const gateway = await gatewayWith({ headBytesMax: 2_000, headFieldsMax: 20, targetBytesMax: 300 })
  const head = (target: string, fields: string): string =>
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`
  const status = async (target: string, fields: string): Promise<string> =>
    (await sendRaw(gateway.port, head(target, fields))).slice(9, 12)
  expect(await status(`/${'a'.repeat(299)}`, 'X: y\r\n'.repeat(18))).toBe('200')
  expect(await status(`/${'a'.repeat(300)}`, '')).toBe('414')
  expect(await status('/', 'X: y\r\n'.repeat(19))).toBe('431')
  expect(await status('/', `X: ${'y'.repeat(1_900)}\r\n`)).toBe('200')
  expect(await status('/', `X: ${'y'.repeat(2_000)}\r\n`)).toBe('431')
})

test('so have those of HTTP/2', async () => {
  const gateway = await gatewayWith({ headBytesMax: 2_000, headFieldsMax: 20, targetBytesMax: 300 })
  const session = await connectHttp2(gateway.url)
  closing.push(async () => session.destroy())
  const fields = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'y']))
  const status = async (path: string, more: Record<string, string>): Promise<number> =>
    (await fetchHttp2(session, { ':path': path, ...more })).status
  expect(await status(`/${'a'.repeat(299)}`, fields(20))).toBe(200)
  expect(await status(`/${'a'.repeat(300)}`, {})).toBe(414)
  expect(await status('/', fields(21))).toBe(431)
  expect(await status('/', { x: 'y'.repeat(2_000) })).toBe(431)
})

test('bounds may be wider than usual as well', async () => {
  const wide = { headBytesMax: 200_000, headFieldsMax: 900, targetBytesMax: 60_000 }
  const gateway = await gatewayWith(wide)
  const path = `/${'a'.repeat(50_000)}`
  const socket = await openRaw(gateway.port)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  // The target of this test takes 64 KiB of a head.
  expect(await readToEnd(socket)).toMatch(/^HTTP\/1.1 200/)
  const session = await connectHttp2(gateway.url)
  closing.push(async () => session.destroy())
  expect((await fetchHttp2(session, { ':path': path })).status).toBe(200)
})

test('a head that drips has its time in all, not from byte to byte', async () => {
  const gateway = await gatewayWith({ headMs: 100 })
  const socket = await openRaw(gateway.port)
  const startedAt = performance.now()
  const answer = readToEnd(socket)
  socket.write('GET / HTTP/1.1\r\nX: ')
  await drip(
    () => socket.readableEnded || socket.destroyed,
    () => socket.write('a'),
  )
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  socket.destroy()
  expect(await answer).toMatch(/^HTTP\/1.1 408 /)
})

test.each([
  ['sized', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`, 'a'],
  ['chunked', CHUNKED, '1\r\na\r\n'],
])('a %s body that only drips is cut off', async (_how, head, drop) => {
  const gateway = await gatewayWith({ idleMs: 100, bodyRateMin: 1_000 })
  const socket = await openRaw(gateway.port)
  const startedAt = performance.now()
  socket.write(head)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await drip(
    () => socket.destroyed,
    () => socket.write(drop),
  )
  await closed
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await until('the end', () => gateway.slots[SLOT.active] === 0)
})

// Longer than any pause that a busy machine makes.
const UNHURRIED_MS = 700

test('one that is fast enough, or may drip, is not', async () => {
  const drips = async (bodyRateMin: number, chunk: string): Promise<string> => {
    const gateway = await gatewayWith({ idleMs: UNHURRIED_MS, bodyRateMin })
    const socket = await openRaw(gateway.port)
    socket.write(CHUNKED)
    const answer = readToEnd(socket)
    const startedAt = performance.now()
    await drip(
      () => socket.destroyed || performance.now() - startedAt > 1.5 * UNHURRIED_MS,
      () => socket.write(chunk),
    )
    socket.end('0\r\n\r\n')
    return answer
  }
  const answers = await Promise.all([
    drips(1_000, `a0\r\n${'a'.repeat(160)}\r\n`),
    drips(0, '1\r\na\r\n'),
  ])
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 200/)
})

test('a stream of HTTP/2 that drips is cut off, and one of gRPC is not', async () => {
  const target = await startHttp2Target((stream) => {
    stream.resume()
    stream.on('end', () => {
      stream.respond({ ':status': 200 })
      stream.end('ok')
    })
  })
  closing.push(() => target.close())
  const upstream: UpstreamSpec = { ...targets(target.url), protocol: 'http2' }
  const bounds = { idleMs: UNHURRIED_MS, bodyRateMin: 1_000 }
  const gateway = await startImpatientWorker(bounds, api('a', '/', upstream))
  closing.push(() => gateway.stop())
  const session = await connectHttp2(gateway.url)
  closing.push(async () => session.destroy())
  const dripping = async (type: string): Promise<number> => {
    const head = { ':method': 'POST', ':path': '/', te: 'trailers', 'content-type': type }
    const stream = session.request(head, { endStream: false })
    const answer = answerOf(stream)
    const startedAt = performance.now()
    await drip(
      () => stream.closed || performance.now() - startedAt > 1.5 * UNHURRIED_MS,
      () => stream.write('a'),
    )
    stream.end()
    return (await answer).status
  }
  const statuses = await Promise.all([dripping('text/plain'), dripping('application/grpc')])
  expect(statuses).toEqual([0, 200])
})

test('a client that takes its answer byte by byte is cut off, and has not cost more than its buffers', async () => {
  let written = 0
  const target = await startTarget((_request, response) => {
    const piece = Buffer.alloc(64 * 1_024)
    const more = (): void => {
      while (!response.destroyed && written < 256 * 1_024 * 1_024) {
        written += piece.length
        if (!response.write(piece)) return
      }
    }
    response.on('drain', more)
    more()
  })
  closing.push(() => target.close())
  const gateway = await startImpatientWorker({ idleMs: 150 }, api('a', '/', targets(target.url)))
  closing.push(() => gateway.stop())
  const socket = await openRaw(gateway.port)
  socket.write(GET)
  socket.pause()
  await until('the request', () => gateway.slots[SLOT.active] === 1)
  await drip(
    () => gateway.slots[SLOT.active] === 0,
    () => socket.read(1),
  )
  await until('the cut', () => gateway.slots[SLOT.active] === 0)
  expect(gateway.slots[SLOT.statusClass]).toBe(1)
  // The system's buffers of four sockets, and at most one read and one buffer of the gateway.
  expect(written).toBeLessThan(32 * 1_024 * 1_024)
  socket.destroy()
})
