/**
 * Goal: connections are read into one memory, and are sockets like any other as soon as nobody takes what is read. The first
 * test also notices a version of Node in which this does not work any more, which would only be slower.
 */
import { once } from 'node:events'
import { connect, createServer, Socket, type AddressInfo, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { assert } from '../../../shared/assert.ts'
import { DirectReads } from '../../../gateway/listeners/direct-reads.ts'
import { until } from '../support/until.ts'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type Accepted = { readonly server: Server; readonly client: Socket; readonly reads: DirectReads }

async function accept(): Promise<Accepted> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // A TCP server has a TCP address.
  const client = connect(port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket] // What the event is documented to give.
  const reads = DirectReads.of(accepted)
  assert(reads !== null, 'Node has a way to it')
  closing.push(() => {
    client.destroy()
    reads.socket.destroy()
    server.close()
  })
  return { server, client, reads }
}

test('what is read goes to whoever takes it, and what is answered to the client', async () => {
  const { client, reads } = await accept()
  const pieces: string[] = []
  reads.taker = (bytes, size) => {
    pieces.push(bytes.toString('latin1', 0, size))
    reads.socket.write('answer')
  }
  client.write('question')
  const [answer] = (await once(client, 'data')) as [Buffer] // Without an encoding a socket gives buffers.
  expect([pieces, answer.toString()]).toEqual([['question'], 'answer'])
  expect(reads.socket.remotePort).toBe(client.localPort)
})

test('a socket that is paused reads no more until it is resumed', async () => {
  const { client, reads } = await accept()
  let size = 0
  reads.taker = (_bytes, read) => {
    size += read
    reads.socket.pause()
  }
  client.write('a')
  await until('a read', () => (size > 0 ? true : null))
  client.write('bc')
  await new Promise((resolve) => client.write('d', resolve))
  expect(size).toBe(1)
  reads.socket.resume()
  await until('the rest', () => (size === 4 ? true : null))
})

test('once nobody takes it any more, everything comes out of the socket, and then its end', async () => {
  const { client, reads } = await accept()
  const taken = new Promise<void>((resolve) => {
    reads.taker = () => {
      reads.taker = null
      reads.socket.pause()
      reads.socket.unshift(Buffer.from('held '))
      resolve()
    }
  })
  client.write('first ')
  await taken
  const rest = Buffer.alloc(1_000_000, 'x')
  client.end(rest)
  const pieces: Buffer[] = []
  for await (const piece of reads.socket) pieces.push(piece as Buffer) // As above.
  const all = Buffer.concat(pieces)
  expect([all.length, all.toString('latin1', 0, 6)]).toEqual([1_000_005, 'held x'])
})

test('a server that closes waits for it', async () => {
  const { server, client, reads } = await accept()
  let isClosed = false
  server.close(() => (isClosed = true))
  await new Promise(setImmediate)
  expect(isClosed).toBe(false)
  client.resume()
  reads.socket.end()
  reads.socket.destroySoon()
  await until('the server is closed', () => isClosed || null)
})

test('a socket without a handle is left as it is', () => {
  const socket = new Socket()
  expect(DirectReads.of(socket)).toBeNull()
  expect(socket.destroyed).toBe(false)
})
