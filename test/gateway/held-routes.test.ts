// Goal: what takes long goes on over every change of the config but one: that its route is taken away, which gives it a while
// to end. Method: streams of events, uploads and calls over HTTP/2 through real sockets, while definitions come and go.
import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { SLOT } from '../../gateway/metrics/slots.ts'
import { ROUTE_CHECK_MS } from '../../shared/limits.ts'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { api, targets } from './support/definitions.ts'
import { answerOf, connectHttp2 } from './support/http2-client.ts'
import { startImpatientWorker, type OneWorker } from './support/one-worker.ts'
import { openRaw, readToEnd, readUntil } from './support/raw-client.ts'
import { startTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A target that begins streams of events, which the test goes on with. */
async function eventTarget(): Promise<{
  readonly url: string
  readonly streams: ServerResponse[]
}> {
  const streams: ServerResponse[] = []
  const target = await startTarget((request, response) => {
    if (request.method !== 'GET') {
      request.resume()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: first\n\n')
    streams.push(response)
  })
  closing.push(() => target.close())
  return { url: target.url, streams }
}

async function gatewayWith(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const gateway = await startImpatientWorker({ routeDrainMs: 300 }, ...definitions)
  closing.push(() => gateway.stop())
  return gateway
}

const EVENTS = 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n'

test('a stream of events outlives changes of everything around it, and of its own Api', async () => {
  const behind = await eventTarget()
  const other = await eventTarget()
  const own = { ...targets(behind.url), balance: 'round-robin' as const }
  const gateway = await gatewayWith(
    { kind: 'Upstream', name: 'events', spec: own },
    api('a', '/events', 'events'),
    api('b', '/other', targets(other.url)),
  )
  const socket = await openRaw(gateway.port)
  socket.write(EVENTS)
  await readUntil(socket, (text) => text.includes('data: first'))
  // Another target, another timeout, another place of its route in its Api, a neighbour that goes, a route before its own.
  gateway.adopt({ kind: 'Upstream', name: 'events', spec: targets(other.url) })
  gateway.adopt({
    kind: 'Api',
    name: 'a',
    spec: {
      routes: [{ path: '/new' }, { path: '/events', timeouts: { idleMs: 60_000 } }],
      upstream: 'events',
    },
  })
  gateway.remove('Api', 'b')
  gateway.adopt(api('c', '/', targets(other.url)))
  const startedAt = performance.now()
  await until('looks', () => performance.now() - startedAt > 300 + 3 * ROUTE_CHECK_MS)
  behind.streams[0]?.end('data: last\n\n')
  expect(await readUntil(socket, (text) => text.endsWith('0\r\n\r\n'))).toContain('data: last')
  socket.destroy()
})

test('a stream whose route is removed has its time to end, and is broken off then', async () => {
  const behind = await eventTarget()
  const gateway = await gatewayWith(api('a', '/events', targets(behind.url)))
  const [ends, stays] = [await openRaw(gateway.port), await openRaw(gateway.port)]
  ends.write(EVENTS)
  await readUntil(ends, (text) => text.includes('data: first'))
  stays.write(EVENTS)
  await readUntil(stays, (text) => text.includes('data: first'))
  const startedAt = performance.now()
  gateway.remove('Api', 'a')
  behind.streams[0]?.end('data: last\n\n')
  await readUntil(ends, (text) => text.endsWith('0\r\n\r\n'))
  behind.streams[1]?.write('data: more\n\n')
  const rest = await readToEnd(stays)
  expect(rest).toContain('data: more')
  expect(rest).not.toContain('0\r\n\r\n')
  expect(performance.now() - startedAt).toBeGreaterThan(290)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await until('the end of both', () => gateway.slots[SLOT.active] === 0)
  ends.destroy()
})

test('a route that comes back in time lets its streams go on', async () => {
  const behind = await eventTarget()
  const definition = api('a', '/events', targets(behind.url))
  const gateway = await startImpatientWorker({ routeDrainMs: 600 }, definition)
  closing.push(() => gateway.stop())
  const socket = await openRaw(gateway.port)
  socket.write(EVENTS)
  await readUntil(socket, (text) => text.includes('data: first'))
  gateway.remove('Api', 'a')
  const startedAt = performance.now()
  await until('a look', () => performance.now() - startedAt > 1.4 * ROUTE_CHECK_MS)
  gateway.adopt(definition)
  await until('the time it had', () => performance.now() - startedAt > 600 + 2 * ROUTE_CHECK_MS)
  behind.streams[0]?.end('data: last\n\n')
  expect(await readUntil(socket, (text) => text.endsWith('0\r\n\r\n'))).toContain('data: last')
  socket.destroy()
})

test('an upload whose route is removed is answered, if nothing was yet', async () => {
  const behind = await eventTarget()
  const gateway = await gatewayWith(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await until('the request', () => gateway.slots[SLOT.active] === 1)
  gateway.remove('Api', 'a')
  const answer = await readUntil(socket, (text) => text.includes('ROUTE_REMOVED'))
  expect(answer).toMatch(/^HTTP\/1.1 503 /)
  socket.destroy()
})

test('so is a stream of HTTP/2, alone among those of its connection', async () => {
  const behind = await eventTarget()
  const gateway = await gatewayWith(
    api('a', '/events', targets(behind.url)),
    api('b', '/others', targets(behind.url)),
  )
  const session = await connectHttp2(gateway.url)
  closing.push(async () => session.destroy())
  const gone = answerOf(session.request({ ':path': '/events' }))
  const stays = answerOf(session.request({ ':path': '/others' }))
  await until('both', () => behind.streams.length === 2)
  gateway.remove('Api', 'a')
  expect((await gone).code).not.toBe(0)
  for (const stream of behind.streams) stream.end('data: last\n\n')
  expect(await stays).toMatchObject({ status: 200, code: 0 })
})
