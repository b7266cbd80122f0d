// Goal: the host that a client names is read right, whatever pieces its first message comes in, and nothing else is taken
// for one. Method: messages of Node's own client, cut at every byte; random bytes.
import { connect as connectTls } from 'node:tls'
import { createServer, type AddressInfo } from 'node:net'
import { assert, property, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { readClientHello } from '../../../gateway/tls/client-hello.ts'

/** What a client sends first. */
async function helloOf(servername: string): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes: Buffer) => {
      resolve(bytes)
      socket.destroy()
      server.close()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()))
  const { port } = server.address() as AddressInfo
  const client = connectTls({ port, host: '127.0.0.1', servername })
  client.on('error', () => {})
  return promise
}

test('the host is read, in any pieces', async () => {
  const hello = await helloOf('Api.Example.com')
  expect(readClientHello(hello)).toEqual({
    type: 'hello',
    serverName: 'api.example.com',
    ticket: null,
  })
  for (let size = 0; size < hello.length; size++) {
    expect(readClientHello(hello.subarray(0, size))).toMatchObject({ type: 'more' })
  }
  expect(readClientHello(await helloOf(''))).toEqual({
    type: 'hello',
    serverName: null,
    ticket: null,
  })
})

test('a message may be spread over records', async () => {
  const hello = await helloOf('api.example.com')
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += 40) {
    const part = message.subarray(at, at + 40)
    records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
  }
  const spread = Buffer.concat(records)
  expect(readClientHello(spread)).toEqual({
    type: 'hello',
    serverName: 'api.example.com',
    ticket: null,
  })
  expect(readClientHello(spread.subarray(0, -1))).toMatchObject({ type: 'more' })
})

test.for([
  'GET / HTTP/1.1\r\n',
  '\x16\x02\x01\x00\x10',
  '\x16\x03\x01\x00\x00',
  '\x16\x03\x01\x50\x00',
  '\x16\x03\x01\x00\x04\x02\x00\x00\x00',
  '\x16\x03\x01\x00\x04\x01\xff\xff\xff',
])('%j is no hello', (text) => {
  expect(readClientHello(Buffer.from(text, 'latin1'))).toMatchObject({
    type: expect.stringMatching(/^(other|malformed)$/),
  })
})

test('whatever comes, there is an answer, and damage never gives another host', async () => {
  assert(
    property(uint8Array({ maxLength: 300 }), (bytes) =>
      ['more', 'other', 'malformed', 'hello'].includes(readClientHello(bytes).type),
    ),
  )
  const hello = await helloOf('api.example.com')
  const names = new Set<string>()
  for (let at = 0; at < hello.length; at++) {
    const damaged = Buffer.from(hello)
    damaged[at] = 0
    const read = readClientHello(damaged)
    if (read.type === 'hello' && read.serverName !== null) names.add(read.serverName)
  }
  expect([...names]).toEqual(['api.example.com'])
})
