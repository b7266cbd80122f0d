// Goal: a call is answered the same whoever reads its request. Method: real connections, requests as bytes; the same
// request with a field that only node:http takes is what the other reader makes of it.
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readHotRequest } from '../../../control-plane/api/hot-request.ts'
import { startCluster, type Running } from './start.ts'

const SPEC = JSON.stringify({
  spec: { routes: [{ path: '/a/' }], upstream: { targets: [{ url: 'http://127.0.0.1:9' }] } },
})

let running: Running

beforeEach(async () => {
  running = await startCluster(2)
})

afterEach(async () => {
  await running.close()
})

class Line {
  readonly socket: Socket
  text = ''
  isClosed = false
  #onText: () => void = () => {}

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.text += text
      this.#onText()
    })
    this.socket.on('close', () => {
      this.isClosed = true
      this.#onText()
    })
  }

  /** The first `count` answers, when they are there. */
  async answers(count: number): Promise<string[]> {
    for (;;) {
      const found = split(this.text)
      if (found.length >= count || this.isClosed) return found
      await new Promise<void>((resolve) => {
        this.#onText = resolve
      })
    }
  }
}

/** Resolves when node:http has read the head of a request on this connection. */
function takenByNodeHttp(client: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const hear = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket } // As Node documents this channel.
    if (socket.remotePort !== client.localPort) return
    unsubscribe('http.server.request.start', hear)
    resolve()
  }
  subscribe('http.server.request.start', hear)
  return promise
}

function split(text: string): string[] {
  const answers: string[] = []
  for (let at = 0; ;) {
    const headEnd = text.indexOf('\r\n\r\n', at)
    if (headEnd === -1) return answers
    const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(at, headEnd))?.[1] ?? '0'
    const end = headEnd + 4 + Number(length)
    if (text.length < end) return answers
    answers.push(text.slice(at, end))
    at = end
  }
}

function open(at = 0): Line {
  return new Line(Number(new URL(running.url(at)).port))
}

function bytes(method: string, target: string, body = '', fields: readonly string[] = []): string {
  const head = [`${method} ${target} HTTP/1.1`, 'Host: localhost', ...fields]
  if (body !== '') head.push('Content-Type: application/json', `Content-Length: ${body.length}`)
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

async function ask(text: string, at = 0): Promise<string> {
  const line = open(at)
  line.socket.write(text)
  const [answer = ''] = await line.answers(1)
  line.socket.destroy()
  return answer
}

/** What may differ between two answers to the same call. */
function comparable(answer: string): string {
  return answer.replace(/^Date: .*$/im, 'Date: now')
}

const OPERATIONS = JSON.stringify({
  operations: [{ op: 'put', kind: 'Api', name: 'a', ...(JSON.parse(SPEC) as object) }],
})

describe('an answer is the same, field by field, from either reader', () => {
  test.each([
    ['a read', bytes('GET', '/v1/apis/a')],
    ['a stale read', bytes('GET', '/v1/apis/a?consistency=stale')],
    ['a read that has it', bytes('GET', '/v1/apis/a', '', ['If-None-Match: "1"'])],
    ['a read of nothing', bytes('GET', '/v1/apis/none')],
    ['a wrong query', bytes('GET', '/v1/apis/a?consistancy=stale')],
    ['a name that is none', bytes('PUT', '/v1/apis/A_B', SPEC)],
    ['a dry run', bytes('PUT', '/v1/apis/a?dryRun=true', SPEC)],
    ['a guard that fails', bytes('PUT', '/v1/apis/a', SPEC, ['If-Match: "7"'])],
    ['a guard that is none', bytes('PUT', '/v1/apis/a', SPEC, ['If-Match: 7'])],
    ['a body that is no JSON', bytes('PUT', '/v1/apis/a', '{')],
    ['an empty delete of nothing', bytes('DELETE', '/v1/apis/none')],
    ['a delete with a body', bytes('DELETE', '/v1/apis/a', '{}')],
    ['a transaction of nothing', bytes('POST', '/v1/transactions', '{"operations":[]}')],
    ['a dry transaction', bytes('POST', '/v1/transactions?dryRun=true', OPERATIONS)],
    [
      'a media type',
      bytes('PUT', '/v1/apis/a', '').replace(
        '\r\n\r\n',
        '\r\nContent-Type: a/b\r\nContent-Length: 1\r\n\r\nx',
      ),
    ],
    ['a method that is not taken', bytes('POST', '/v1/apis/a', '{}')],
    ['a call that there is not', bytes('GET', '/v1/apiss/a')],
  ])('%s', async (_name, request) => {
    await ask(bytes('PUT', '/v1/apis/a', SPEC))
    for (const at of [0, 1]) {
      const fast = await ask(request, at)
      const other = await ask(request.replace('\r\n', '\r\nTE: trailers\r\n'), at)
      expect(fast).toMatch(/^HTTP\/1\.1 \d{3} /)
      expect(comparable(fast)).toBe(comparable(other))
    }
  })
})

test('calls of one connection are answered in order, and a call of another kind takes the rest along', async () => {
  const line = open()
  line.socket.write(
    bytes('PUT', '/v1/apis/a', SPEC) +
      bytes('GET', '/v1/apis/a') +
      bytes('GET', '/healthz') +
      bytes('GET', '/v1/apis/a') +
      bytes('DELETE', '/v1/apis/a'),
  )
  const answers = await line.answers(5)
  expect(answers.map((answer) => answer.slice(9, 12))).toEqual(['201', '200', '200', '200', '200'])
  line.socket.destroy()
})

test('a request that arrives byte by byte is answered', async () => {
  const line = open()
  for (const byte of bytes('PUT', '/v1/apis/a', SPEC)) {
    line.socket.write(byte)
    await new Promise(setImmediate)
  }
  expect((await line.answers(1))[0]).toMatch(/^HTTP\/1\.1 201 /)
  line.socket.destroy()
})

test('a body that stays away does not keep others waiting, and its connection is not kept for ever', async () => {
  const line = open()
  const request = bytes('PUT', '/v1/apis/a', SPEC)
  const taken = takenByNodeHttp(line.socket)
  line.socket.write(request.slice(0, -10))
  expect(await ask(bytes('GET', '/v1/apis/none'))).toMatch(/^HTTP\/1\.1 404 /)
  // After a second it is node:http's, which has its own patience; the rest is still taken.
  await taken
  line.socket.write(request.slice(-10))
  expect((await line.answers(1))[0]).toMatch(/^HTTP\/1\.1 201 /)
  line.socket.destroy()
})

test('forwarded calls are carried out side by side and answered in order', async () => {
  const line = open()
  const forwarded = (name: string) =>
    bytes('PUT', `/v1/apis/${name}`, SPEC.replace('/a/', `/${name}/`), [
      'Raftway-Forwarded: n1',
      `Idempotency-Key: ${name}`,
    ])
  const names = Array.from({ length: 50 }, (_, i) => `api-${i}`)
  line.socket.write(names.map(forwarded).join(''))
  const answers = await line.answers(names.length)
  const named = answers.map((answer) => /"name":"([^"]+)"/.exec(answer)?.[1])
  expect(named).toEqual(names)
  line.socket.destroy()
})

test('a client that ends its side still gets its answer', async () => {
  const line = open()
  line.socket.end(bytes('PUT', '/v1/apis/a', SPEC))
  expect((await line.answers(1))[0]).toMatch(/^HTTP\/1\.1 201 /)
  await once(line.socket, 'close')
})

test('closing the node ends connections that are idle', async () => {
  const line = open()
  line.socket.write(bytes('GET', '/v1/apis/none'))
  await line.answers(1)
  await running.close()
  await once(line.socket, 'close')
  expect(line.isClosed).toBe(true)
})

describe('what is not plainly framed is left to the other reader', () => {
  test.each([
    'GET /v1/apis/a HTTP/1.0\r\nHost: a\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\n\r\n',
    'HEAD /v1/apis/a HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /v1/apis/%61 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET  /v1/apis/a HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\nHost: a\n\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost : a\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n',
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\n\r\n',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\nx',
    'PUT /v1/apis/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
    `GET /v1/apis/a HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(5_000)}\r\n\r\n`,
    'GET /v1/apis/a HTTP/1.1\r\nHost: a\r\n',
  ])('%j', (text) => {
    expect(
      readHotRequest(Buffer.from(text, 'latin1'), 0, { socket: {}, bodyBytesMax: 1_000 }),
    ).toEqual({ type: 'other' })
  })
})
