// Goal: what HTTP/1.1 allows between a client and the gateway works, byte by byte, and what costs is bounded. Method: raw
// sockets on both sides, because the bytes matter.
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { CLIENT_DROPPED_BYTES_MAX } from '../../../shared/limits.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from '../support/raw-client.ts'
import { startRawTarget, type TestTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function rawTarget(onData: (socket: Socket, data: Buffer) => void): Promise<TestTarget> {
  const started = await startRawTarget(onData)
  closing.push(() => started.close())
  return started
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

/** A gateway in front of a target that says `answer` to every request head, and what the target heard. */
async function gatewayTo(answer: string): Promise<{ gateway: OneWorker; heard: () => string }> {
  let heard = ''
  const behind = await rawTarget((socket, data) => {
    heard += data.toString('latin1')
    if (data.includes('\r\n\r\n')) socket.write(answer, 'latin1')
  })
  return { gateway: await worker(api('a', '/', targets(behind.url))), heard: () => heard }
}

const OK = 'HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok'
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
const LAST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

test('an answer is exactly these bytes', async () => {
  const { gateway } = await gatewayTo(
    'HTTP/1.1 203 Whatever\r\nX:  a \r\nKeep-Alive: timeout=9\r\nDate: x\r\nContent-Length: 2\r\n\r\nok',
  )
  const socket = await openRaw(gateway.port)
  socket.write(GET)
  expect(await readUntil(socket, (text) => text.endsWith('ok'))).toBe(
    'HTTP/1.1 203 Non-Authoritative Information\r\nContent-Length: 2\r\nX:  a \r\nDate: x\r\nVia: 1.1 raftway\r\n\r\nok',
  )
  socket.destroy()
})

test('early hints and trailers pass; to HTTP/1.0 they do not', async () => {
  const { gateway } = await gatewayTo(
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX-Sum: 9\r\n\r\n',
  )
  const answer = await sendRaw(gateway.port, LAST)
  expect(answer).toMatch(
    /^HTTP\/1.1 103 Early Hints\r\nLink: <\/a>\r\n[^]*?\r\n\r\nHTTP\/1.1 200 OK\r\n/,
  )
  expect(answer).toMatch(/\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 9\r\n\r\n$/)
  const old = await sendRaw(gateway.port, 'GET / HTTP/1.0\r\n\r\n')
  expect(old).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(old).toMatch(/\r\nConnection: close\r\n\r\nabc$/)
})

test('a chunked request reaches the target in chunks, with its trailers', async () => {
  const { gateway, heard } = await gatewayTo(OK)
  const head =
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
  await sendRaw(gateway.port, `${head}3;a=b\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n`)
  expect(heard()).toMatch(
    /\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n$/,
  )
})

test('a body that a target ends with its connection becomes chunks', async () => {
  const behind = await rawTarget((socket) => socket.end('HTTP/1.0 200 OK\r\nDate: x\r\n\r\nabc'))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = await sendRaw(gateway.port, LAST)
  expect(answer).toMatch(/\r\nTransfer-Encoding: chunked\r\n[^]*\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
})

test('what was there of an answer before it broke off arrives, and then the connection is cut', async () => {
  const { gateway } = await gatewayTo(
    'HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nno size',
  )
  const answer = await sendRaw(gateway.port, GET)
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\n2\r\nab\r\n$/)
})

test('a client that has closed its side gets its answer', async () => {
  const behind = await rawTarget((socket) => void setTimeout(() => socket.end(OK), 100))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.end(GET)
  expect(await readUntil(socket, (text) => text.endsWith('ok'))).toContain('Connection: close')
})

test('so does one that has sent more than one request, or a body that waits for a connection', async () => {
  const { gateway } = await gatewayTo(OK)
  const socket = await openRaw(gateway.port)
  socket.end(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc${GET}${GET}`)
  const answer = await readToEnd(socket)
  expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3)
  expect(answer.match(/Connection: close/g)).toHaveLength(1)
})

test('HTTP/1.0 keeps its connection where it asks for it and the end can be told', async () => {
  const { gateway } = await gatewayTo(OK)
  const socket = await openRaw(gateway.port)
  for (let i = 0; i < 2; i++) {
    socket.write('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
    expect(await readUntil(socket, (text) => text.endsWith('ok'))).toContain(
      'Connection: keep-alive',
    )
  }
  socket.destroy()
})

test('a hundred requests in one piece are answered in order, though each reaches the target alone', async () => {
  let underWay = 0
  let mostUnderWay = 0
  const behind = await rawTarget((socket, data) => {
    underWay += 1
    mostUnderWay = Math.max(mostUnderWay, underWay)
    const path = data.toString('latin1').split(' ', 2)[1] ?? ''
    setImmediate(() => {
      underWay -= 1
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
    })
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const paths = Array.from({ length: 100 }, (_, i) => `/${i}`)
  const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const answer = await sendRaw(gateway.port, requests.join('') + LAST)
  const seen = [...answer.matchAll(/\r\n\r\n(\/\d+)/g)].map(([, path]) => path)
  expect(seen).toEqual(paths)
  expect(mostUnderWay).toBe(1)
})

test('a head that comes byte by byte is a head', async () => {
  const { gateway } = await gatewayTo(OK)
  const socket = await openRaw(gateway.port)
  for (const byte of LAST) {
    socket.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await readUntil(socket, (text) => text.endsWith('ok'))).toMatch(/^HTTP\/1.1 200/)
})

test('a body that is none gives its request up: 400, and the target never sees a whole one', async () => {
  let heard = ''
  let isClosed = false
  const behind = await rawTarget((socket, data) => {
    heard += data.toString('latin1')
    socket.once('close', () => {
      isClosed = true
    })
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  const socket = await openRaw(gateway.port)
  socket.write(`${head}3\r\nabc\r\n`)
  await until('the beginning', () => heard.includes('abc'))
  socket.write('zz\r\n0\r\n\r\n')
  expect(await readUntil(socket, (text) => text.includes('}'))).toMatch(/^HTTP\/1.1 400 /)
  await until('the end of the call', () => isClosed)
  expect(heard).not.toContain('0\r\n\r\n')
})

test('the rest of a large upload that nobody wants is not waited for', async () => {
  const gateway = await worker()
  const length = CLIENT_DROPPED_BYTES_MAX + 1
  const answer = await sendRaw(
    gateway.port,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\nabc`,
  )
  expect(answer).toMatch(/^HTTP\/1.1 503 /)
})

test('a body that is larger than its route takes is refused, as soon as that is known', async () => {
  let heard = ''
  const behind = await rawTarget((socket, data) => {
    heard += data.toString('latin1')
    if (heard.endsWith('abc') || heard.endsWith('0\r\n\r\n')) socket.write(OK)
  })
  const route = { path: '/', bodyBytesMax: 3 }
  const gateway = await worker(api('a', '/', targets(behind.url), { routes: [route] }))
  const post = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
  expect(await sendRaw(gateway.port, `${post}Content-Length: 3\r\n\r\nabc`)).toMatch(
    /^HTTP\/1.1 200/,
  )
  heard = ''
  const known = await sendRaw(gateway.port, `${post}Content-Length: 4\r\n\r\nabcd`)
  expect(known).toMatch(/^HTTP\/1.1 413 [^]*BODY_TOO_LARGE/)
  expect(heard).toBe('')
  const chunks = `${post}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n`
  expect(await sendRaw(gateway.port, chunks)).toMatch(/^HTTP\/1.1 413 [^]*BODY_TOO_LARGE/)
  expect(heard).not.toContain('0\r\n\r\n')
})

test('a small one is dropped, and the connection goes on', async () => {
  const { gateway } = await gatewayTo(OK)
  gateway.remove('Api', 'a')
  const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc'
  const answer = await sendRaw(gateway.port, post + post + LAST)
  expect(answer.match(/HTTP\/1.1 404 /g)).toHaveLength(3)
})

test('a target that refuses an expected body is heard, and the connection closes', async () => {
  const behind = await rawTarget((socket) => {
    socket.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n'
  const answer = await sendRaw(gateway.port, head)
  expect(answer).toMatch(/^HTTP\/1.1 417 [^]*Connection: close\r\n\r\n$/)
})

test('a client that does not wait for its go-ahead is not waited for either', async () => {
  let heard = ''
  const behind = await rawTarget((socket, data) => {
    heard += data.toString('latin1')
    if (heard.endsWith('ping')) socket.write(OK)
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
  const socket = await openRaw(gateway.port)
  socket.write(`${head}ping`)
  expect(await readUntil(socket, (text) => text.endsWith('ok'))).toMatch(/^HTTP\/1.1 200/)
  socket.destroy()
})

test('a client that sends its head too slowly is told so', async () => {
  const { gateway } = await gatewayTo(OK)
  const quick = await startImpatientWorker({ headMs: 60 })
  closing.push(() => quick.stop())
  expect(await sendRaw(quick.port, 'GET / HTTP/1.1\r\nHo')).toMatch(/^HTTP\/1.1 408 /)
  expect(await sendRaw(quick.port)).toBe('')
  expect(gateway.slots[SLOT.refused]).toBe(0)
})

test('connections beyond the limits are closed at once, and room is made by those that go', async () => {
  const gateway = await startImpatientWorker({ connectionsPerAddressMax: 2 })
  closing.push(() => gateway.stop())
  const first = await openRaw(gateway.port)
  const second = await openRaw(gateway.port)
  expect(await sendRaw(gateway.port, LAST)).toBe('')
  first.destroy()
  await until('a place', async () => (await sendRaw(gateway.port, LAST)) !== '')
  second.destroy()
})

test('a client that sends requests and takes no answers is not read any further', async () => {
  const { gateway } = await gatewayTo(
    `HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n${'a'.repeat(60_000)}`,
  )
  const socket = await openRaw(gateway.port)
  socket.pause()
  let sent = 0
  const pieces = setInterval(() => {
    if (socket.writableLength > 0) return
    socket.write(GET.repeat(1_000))
    sent += 1_000
  }, 1)
  await until('a standstill', () => socket.writableLength > 0 && sent > 10_000)
  clearInterval(pieces)
  const served = gateway.slots[SLOT.statusClass + 2] ?? 0
  expect(served).toBeLessThan(2_000)
  socket.destroy()
})

test('server-sent events pass one by one', async () => {
  let socketToTarget: Socket | null = null
  const behind = await rawTarget((socket) => {
    socketToTarget = socket
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write(GET)
  await readUntil(socket, (text) => text.includes('text/event-stream') && text.endsWith('\r\n\r\n'))
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    const to = socketToTarget as Socket | null
    to?.write(`${event.length.toString(16)}\r\n${event}\r\n`)
    await readUntil(socket, (text) => text.includes(event))
  }
  expect(gateway.slots[SLOT.active]).toBe(1)
  socket.destroy()
})
