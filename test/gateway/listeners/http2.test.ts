// Goal: a client of HTTP/2 gets from a gateway what it would get from the target itself, and nothing ambiguous passes.
// Method: node:http2 and curl as clients, by prior knowledge on the plain port; real targets that speak HTTP/1.1 behind.
import { execFile, spawnSync } from 'node:child_process'
import { constants, type ClientHttp2Session } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { api, targets } from '../support/definitions.ts'
import { answerOf, connectHttp2, fetchHttp2 } from '../support/http2-client.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, readUntil } from '../support/raw-client.ts'
import { startTarget, type TestTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const MIB = 1024 * 1024
const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Stage = {
  readonly gateway: OneWorker
  readonly target: TestTarget
  readonly session: ClientHttp2Session
}

async function stage(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Stage> {
  const target = await startTarget(answer)
  closing.push(() => target.close())
  const gateway = await startOneWorker(api('a', '/', targets(target.url)))
  closing.push(() => gateway.stop())
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  return { gateway, target, session }
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/plain' })
  request.on('data', (piece: Buffer) => response.write(piece))
  request.on('end', () => response.end())
}

const CURL_SPEAKS_HTTP2 = spawnSync('curl', ['--version']).stdout?.includes('HTTP2') ?? false

test.skipIf(!CURL_SPEAKS_HTTP2)(
  'curl with --http2-prior-knowledge gets its answer (needs curl with HTTP/2)',
  async () => {
    const { gateway } = await stage(echo)
    const shown = ['-w', ' %{http_version} %{http_code}']
    const args = ['--http2-prior-knowledge', '-sS', '-d', 'hello', ...shown, gateway.url]
    const { stdout } = await promisify(execFile)('curl', args)
    expect(stdout).toBe('hello 2 200')
  },
)

test('a request goes to the target with the fields of HTTP/1.1, and its answer comes back whole', async () => {
  const { session, target } = await stage((_request, response) => {
    response.writeHead(200, {
      'Content-Length': 5,
      'X-Twice': ['a', 'b'],
      Connection: 'keep-alive',
    })
    response.end('hello')
  })
  const raw = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'api.test:81'],
    [':path', '/x?y=z'],
    ['cookie', 'a=1'],
    ['cookie', 'b=2'],
    ['te', 'trailers'],
    ['x-given', 'caf\u00e9'],
  ]
  const answer = await fetchHttp2(session, raw.flat())
  expect(answer).toMatchObject({ status: 200, body: 'hello', code: 0 })
  expect(answer.headers['content-length']).toBe('5')
  expect(answer.headers['x-twice']).toBe('a, b')
  expect(answer.headers.via).toBe('1.1 raftway')
  expect(answer.headers['connection']).toBeUndefined()
  const seen = target.requests[0]
  expect(seen?.httpVersion).toBe('1.1')
  expect(seen?.url).toBe('/x?y=z')
  expect(seen?.headers).toMatchObject({
    host: 'api.test:81',
    cookie: 'a=1; b=2',
    'x-given': 'caf\u00e9',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'api.test:81',
    via: '1.1 raftway',
  })
  expect(seen?.headers['te']).toBeUndefined()
  expect(seen?.headers['transfer-encoding']).toBeUndefined()
})

test('bodies of known and of unknown length pass both ways', async () => {
  const { session, target } = await stage(echo)
  const path = { ':method': 'POST', ':path': '/' }
  expect(await fetchHttp2(session, { ...path, 'content-length': 3 }, 'abc')).toMatchObject({
    body: 'abc',
    code: 0,
  })
  expect(await fetchHttp2(session, path, 'abcd')).toMatchObject({ body: 'abcd', code: 0 })
  expect(target.requests[0]?.headers['content-length']).toBe('3')
  expect(target.requests[1]?.headers['transfer-encoding']).toBe('chunked')
})

test('a body that is larger than its route takes is refused, told or not, and the target never has a whole one', async () => {
  let whole = 0
  const { gateway, session, target } = await stage((request, response) => {
    request.resume()
    request.on('end', () => {
      whole += 1
      response.end('ok')
    })
  })
  gateway.adopt(api('a', '/', targets(target.url), { routes: [{ path: '/', bodyBytesMax: 3 }] }))
  const post = { ':method': 'POST', ':path': '/' }
  expect((await fetchHttp2(session, { ...post, 'content-length': 3 }, 'abc')).status).toBe(200)
  expect((await fetchHttp2(session, post, 'abc')).status).toBe(200)
  const told = await fetchHttp2(session, { ...post, 'content-length': 4 }, 'abcd')
  expect([told.status, JSON.parse(told.body).error.code]).toEqual([413, 'BODY_TOO_LARGE'])
  const untold = await fetchHttp2(session, post, 'abcd')
  expect([untold.status, JSON.parse(untold.body).error.code]).toEqual([413, 'BODY_TOO_LARGE'])
  expect(whole).toBe(2)
})

test('trailers pass both ways', async () => {
  let seen: NodeJS.Dict<string> = {}
  const { session } = await stage((request, response) => {
    request.resume()
    request.on('end', () => {
      seen = request.trailers
      response.writeHead(200, { Trailer: 'X-Sum' })
      response.write('body')
      response.addTrailers({ 'X-Sum': '7' })
      response.end()
    })
  })
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': '42' }))
  stream.end('data')
  const answer = await answerOf(stream)
  expect(answer).toMatchObject({ status: 200, body: 'body', code: 0 })
  expect(answer.trailers['x-sum']).toBe('7')
  expect(seen['x-check']).toBe('42')
})

test('trailers that are announced pass behind a body of known length too, which goes on in chunks', async () => {
  const seen: (string | undefined)[] = []
  const { session } = await stage((request, response) => {
    request.resume()
    request.on('end', () => {
      seen.push(request.headers['transfer-encoding'], request.trailers['x-check'])
      response.end()
    })
  })
  for (const trailer of [{ trailer: 'x-check' }, {}]) {
    const head = { ':method': 'POST', ':path': '/', 'content-length': '4', ...trailer }
    const stream = session.request(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': '42' }))
    stream.end('data')
    expect((await answerOf(stream)).status).toBe(200)
  }
  expect(seen).toEqual(['chunked', '42', undefined, undefined])
})

test('interim answers and the go-ahead come through', async () => {
  const { session } = await stage((request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    echo(request, response)
  })
  const headers = { ':method': 'POST', ':path': '/', expect: '100-continue' }
  const stream = session.request(headers, { endStream: false })
  stream.on('continue', () => stream.end('after'))
  const answer = await answerOf(stream)
  expect(answer.informed.map((given) => given[':status'])).toContain(103)
  expect(answer.body).toBe('after')
})

test.each([
  ['HEAD', 200, '11'],
  ['GET', 204, undefined],
  ['GET', 304, '11'],
] as const)('%s with %i has a head and no body', async (method, status, length) => {
  const { session } = await stage((_request, response) => {
    response.writeHead(status, status === 204 ? {} : { 'Content-Length': 11 })
    response.end()
  })
  const answer = await fetchHttp2(session, { ':method': method, ':path': '/' })
  expect(answer).toMatchObject({ status, body: '', code: 0 })
  expect(answer.headers['content-length']).toBe(length)
})

test('streams of one connection do not wait for each other', async () => {
  const held: ServerResponse[] = []
  const { session } = await stage((request, response) => {
    if (request.url === '/slow') held.push(response)
    else response.end('fast')
  })
  const slow = fetchHttp2(session, { ':path': '/slow' })
  await until('the slow request', () => held.length === 1)
  const fast = await Promise.all(
    Array.from({ length: 20 }, () => fetchHttp2(session, { ':path': '/fast' })),
  )
  expect(fast.every(({ body }) => body === 'fast')).toBe(true)
  held[0]?.end('slow')
  expect((await slow).body).toBe('slow')
})

test.each(['read', 'cancelled'] as const)(
  'an answer that its client does not read waits at the target, and is then %s',
  async (end) => {
    let written = 0
    let isGone = false
    const { session } = await stage((_request, response) => {
      const piece = Buffer.alloc(MIB)
      const write = (): void => {
        while (written < 64 * MIB) {
          written += piece.length
          if (response.write(piece)) continue
          response.once('drain', write)
          return
        }
        response.end()
      }
      response.on('close', () => {
        isGone = true
      })
      write()
    })
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('response', resolve))
    let last = 0
    await until('a standstill', async () => {
      const before = written
      await new Promise((resolve) => setTimeout(resolve, 200))
      last = written
      return written === before
    })
    expect(last).toBeLessThan(32 * MIB)
    // The connection has room for others meanwhile.
    expect((await fetchHttp2(session, { ':method': 'OPTIONS', ':path': '*' })).status).toBe(204)
    if (end === 'cancelled') {
      stream.close(constants.NGHTTP2_CANCEL)
      await until('the target hears of it', () => isGone)
      return
    }
    let received = 0
    stream.on('data', (piece: Buffer) => {
      received += piece.length
    })
    await new Promise((resolve) => stream.once('end', resolve))
    expect(received).toBe(64 * MIB)
  },
)

test('an upload waits for a target that does not read, and then arrives whole', async () => {
  let letRead: () => void = () => {}
  let read = 0
  const { session, target } = await stage((request, response) => {
    letRead = () => {
      request.on('data', (piece: Buffer) => {
        read += piece.length
      })
      request.on('end', () => response.end(String(read)))
    }
  })
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  let written = 0
  const write = (): void => {
    while (written < 64 * MIB) {
      written += MIB
      if (stream.write(Buffer.alloc(MIB))) continue
      stream.once('drain', write)
      return
    }
    stream.end()
  }
  write()
  const answer = answerOf(stream)
  await until('a standstill', async () => {
    const before = written
    await new Promise((resolve) => setTimeout(resolve, 200))
    return target.requests.length === 1 && written === before
  })
  expect(written).toBeLessThan(32 * MIB)
  letRead()
  expect((await answer).body).toBe(String(64 * MIB))
})

test('an answer before the end of the request is whole, and the rest of the request is given up', async () => {
  const { session } = await stage((_request, response) => response.end('early'))
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.write('some')
  expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'early', code: 0 })
})

test.each([{}, { 'Content-Length': 10 }])(
  'an answer with %o that breaks off is reset, so that it never looks whole',
  async (headers) => {
    const { session } = await stage((_request, response) => {
      response.writeHead(200, headers)
      response.write('half')
      setTimeout(() => response.destroy(), 20)
    })
    const answer = await fetchHttp2(session, { ':path': '/' })
    expect(answer.code).toBe(constants.NGHTTP2_INTERNAL_ERROR)
  },
)

const GET = { ':method': 'GET', ':scheme': 'http', ':authority': 'a.test', ':path': '/' }

test.each([
  ['host that differs from :authority', { ...GET, host: 'b.test' }],
  ['no host at all', { ...GET, ':authority': '' }],
  ['a malformed host', { ...GET, ':authority': 'a b' }],
  ['user information in the host', { ...GET, ':authority': 'me@a.test' }],
  ['a dot segment', { ...GET, ':path': '/a/%2e%2e/b' }],
  ['a fragment', { ...GET, ':path': '/a#b' }],
  ['another scheme', { ...GET, ':scheme': 'ftp' }],
  ['another expectation', { ...GET, expect: 'miracles' }],
  ['a lookalike', { ...GET, content_length: '3' }],
  ['CONNECT', { ':method': 'CONNECT', ':authority': 'a.test' }],
  ['another protocol', { ...GET, ':method': 'CONNECT', ':protocol': 'connect-udp' }],
])('%s is refused with 400, and the connection stays', async (_what, headers) => {
  const { session, target } = await stage((_request, response) => response.end('passed'))
  const answer = await fetchHttp2(session, headers)
  // What nghttp2 itself knows to be malformed is reset without an answer.
  const isReset = answer.status === 0 && answer.code === constants.NGHTTP2_PROTOCOL_ERROR
  const isAnswered = answer.status === 400 && answer.body.includes('BAD_REQUEST')
  expect(isReset || isAnswered).toBe(true)
  expect(target.requests).toHaveLength(0)
  expect((await fetchHttp2(session, GET)).body).toBe('passed')
})

test('a head that is too large is answered with 431, a target that is too long with 414', async () => {
  const { session, target } = await stage((_request, response) => response.end())
  expect((await fetchHttp2(session, { ...GET, 'x-a': 'a'.repeat(40_000) })).status).toBe(431)
  const many = Array.from({ length: 140 }, (_, i) => [`x-${i}`, '1'])
  expect((await fetchHttp2(session, { ...GET, ...Object.fromEntries(many) })).status).toBe(431)
  expect((await fetchHttp2(session, { ...GET, ':path': `/${'a'.repeat(9_000)}` })).status).toBe(414)
  expect(target.requests).toHaveLength(0)
})

test('the preface may come byte by byte, and a request line that only begins like it is HTTP/1.1', async () => {
  const { gateway } = await stage((request, response) => response.end(request.method))
  const socket = await openRaw(gateway.port)
  socket.setNoDelay(true)
  closing.push(() => void socket.destroy())
  const settings = readUntil(socket, (text) => text.length >= 9 && text.charCodeAt(3) === 4)
  for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) socket.write(Buffer.of(byte))
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
  await settings
  const other = await openRaw(gateway.port)
  closing.push(() => void other.destroy())
  const answer = readUntil(other, (text) => text.endsWith('PROPFIND'))
  other.write('PR')
  other.write('OPFIND / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await answer).toContain('200 OK')
})

test('a stopping gateway says so, and finishes what is under way', async () => {
  const held: ServerResponse[] = []
  const { gateway, session } = await stage((_request, response) => held.push(response))
  const answer = fetchHttp2(session, GET)
  await until('the request', () => held.length === 1)
  const goneAway = new Promise((resolve) => session.once('goaway', resolve))
  const stopped = gateway.stop()
  await goneAway
  held[0]?.end('finished')
  expect(await answer).toMatchObject({ status: 200, body: 'finished', code: 0 })
  await stopped
})

test('a record says HTTP/2', async () => {
  const target = await startTarget((_request, response) => response.end())
  closing.push(() => target.close())
  const gateway = await startImpatientWorker(
    { records: { format: 'common', query: 'none', sample: 1, gateway: 'gw' } },
    api('a', '/', targets(target.url)),
  )
  closing.push(() => gateway.stop())
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  await fetchHttp2(session, GET)
  expect(await until('a record', () => gateway.records[0])).toContain('"GET / HTTP/2" 200')
})
