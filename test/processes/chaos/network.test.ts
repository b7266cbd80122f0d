// Goal: a fault does to the bytes of one direction of one pair what it says, and to nobody else's; otherwise the runs
// beside this file prove nothing. Method: two echoing ports behind relays, and diallers that introduce themselves.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeFrame } from '../../../shared/framing.ts'
import { until } from '../processes.ts'
import { nameOfForwarder, nameOfPeer } from './dialler.ts'
import { Network } from './network.ts'

let network: Network
const servers: Server[] = []
const sockets: Socket[] = []

beforeEach(() => {
  network = new Network(1)
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
  await network.close()
})

/** What arrives at one end of a connection, as it comes in. */
type End = { readonly socket: Socket; text: string; isClosed: boolean }

function endOf(socket: Socket): End {
  const end: End = { socket, text: '', isClosed: false }
  sockets.push(socket)
  socket.on('data', (bytes) => {
    end.text += bytes.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    end.isClosed = true
  })
  return end
}

/** A node that hears and says; `port` is the relay in front of it. */
type Place = { readonly port: number; readonly heard: End[] }

async function listen(name: string): Promise<Place> {
  const heard: End[] = []
  const server = createServer((socket) => heard.push(endOf(socket)))
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port: await network.relay(name, port, nameOfPeer), heard }
}

function dial(port: number, name: string): End {
  const end = endOf(connect(port, '127.0.0.1'))
  end.socket.write(encodeFrame(1, Buffer.from(JSON.stringify({ name }))))
  return end
}

/** A connection from `a` to `b` over which both have spoken. */
async function pair(): Promise<{ readonly a: End; readonly b: End; readonly place: Place }> {
  const place = await listen('b')
  const a = dial(place.port, 'a')
  const b = await until('a connection', () => place.heard[0])
  b.socket.write('welcome')
  await until('the welcome', () => a.text === 'welcome' || null)
  return { a, b, place }
}

/** Bytes of somebody else went all the way meanwhile. */
async function meanwhile({ port, heard }: Place): Promise<void> {
  const before = heard.length
  const other = dial(port, 'other')
  const end = await until('another connection', () => heard[before])
  other.socket.write('meanwhile')
  await until('its bytes', () => end.text.endsWith('meanwhile') || null)
}

test('without a fault everything passes, both ways, and the end too', async () => {
  const { a, b } = await pair()
  a.socket.write('hello')
  await until('hello', () => b.text.endsWith('hello') || null)
  a.socket.end()
  expect(await until('the end', () => b.isClosed || null)).toBe(true)
})

test('what is held in one direction arrives when the fault ends, and the other direction goes on', async () => {
  const { a, b, place } = await pair()
  network.set('a', 'b', { type: 'hold' })
  a.socket.write('later')
  b.socket.write(' now')
  await until('the other direction', () => a.text.endsWith(' now') || null)
  await meanwhile(place)
  expect(b.text.endsWith('later')).toBe(false)
  network.heal()
  await until('what was held', () => b.text.endsWith('later') || null)
})

test('an end is held like bytes are', async () => {
  const { a, b, place } = await pair()
  network.set('a', 'b', { type: 'hold' })
  a.socket.destroy()
  await meanwhile(place)
  expect(b.isClosed).toBe(false)
  network.heal()
  await until('the end', () => b.isClosed || null)
})

test('a connection that is opened into a hold is open, and hears nothing', async () => {
  const place = await listen('b')
  network.set('a', 'b', { type: 'hold' })
  const a = dial(place.port, 'a')
  const b = await until('a connection', () => place.heard[0])
  await meanwhile(place)
  expect([b.text, a.isClosed]).toEqual(['', false])
})

test('bytes that are dropped never come, and their connection is reset when the fault ends', async () => {
  const { a, b } = await pair()
  network.set('a', 'b', { type: 'drop' })
  a.socket.write('lost')
  b.socket.write(' seen')
  await until('the other direction', () => a.text.endsWith(' seen') || null)
  network.heal()
  await until('both ends', () => (a.isClosed && b.isClosed) || null)
  expect(b.text).not.toContain('lost')
})

test('a cut resets what is open and whoever dials, until it ends', async () => {
  const { a, b, place } = await pair()
  network.set('b', 'a', { type: 'cut' })
  await until('both ends', () => (a.isClosed && b.isClosed) || null)
  const again = dial(place.port, 'a')
  await until('the reset', () => again.isClosed || null)
  network.heal()
  const third = dial(place.port, 'a')
  await until('a connection', () => place.heard[1])
  await meanwhile(place)
  expect(third.isClosed).toBe(false)
})

test('a fault between two is none of a third', async () => {
  const { port, heard } = await listen('b')
  network.set('a', 'b', { type: 'cut' })
  const c = dial(port, 'c')
  const b = await until('a connection', () => heard[0])
  c.socket.write('through')
  expect(await until('its bytes', () => b.text.endsWith('through') || null)).toBe(true)
})

test('a slow link delivers late, in order, and not faster than it may', async () => {
  const { a, b } = await pair()
  network.set('a', 'b', { type: 'slow', delayMs: 100, jitterMs: 50, bytesPerSecond: 10_000 })
  const sentMs = performance.now()
  for (let i = 0; i < 10; i++) a.socket.write(`${i}`.repeat(200))
  await until('all of it', () => b.text.endsWith('9'.repeat(200)) || null)
  // 2,000 bytes at 10,000 a second, and the delay before the first.
  expect(performance.now() - sentMs).toBeGreaterThan(290)
  const digits = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(200)).join('')
  expect(b.text.endsWith(digits)).toBe(true)
})

test('diallers are known by what they say first, however it is cut', () => {
  const hello = encodeFrame(1, Buffer.from(JSON.stringify({ name: 'n7', id: 3 })))
  expect(nameOfPeer(hello.subarray(0, hello.length - 1))).toBe(null)
  expect(nameOfPeer(Buffer.concat([hello, Buffer.from('more')]))).toBe('n7')
  const head = 'PUT /v1/apis/a HTTP/1.1\r\nHost: x\r\nraftway-forwarded: n7\r\n\r\n'
  expect(nameOfForwarder(Buffer.from(head.slice(0, -1)))).toBe(null)
  expect(nameOfForwarder(Buffer.from(head))).toBe('n7')
  expect(nameOfForwarder(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('stranger')
})
