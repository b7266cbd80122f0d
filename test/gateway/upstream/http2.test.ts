// Goal: targets that speak HTTP/2 are used as such, whatever their clients speak, and no request is lost that they never
// looked at. Method: node:http2 servers as targets, which go away at chosen moments; clients of both versions.
import {
  constants,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
  type ServerOptions,
} from 'node:http2'
import { afterEach, expect, test } from 'vitest'
import { api } from '../support/definitions.ts'
import { answerOf, connectHttp2, fetchHttp2 } from '../support/http2-client.ts'
import { startHttp2Target, type Http2Target } from '../support/http2-target.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, sendRaw } from '../support/raw-client.ts'
import { startTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const closing: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function gatewayTo(url: string): Promise<OneWorker> {
  const upstream = { targets: [{ url }], protocol: 'http2' as const, retries: { attempts: 0 } }
  const gateway = await startOneWorker(api('a', '/', upstream))
  closing.push(() => gateway.stop())
  return gateway
}

async function stage(
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  options: ServerOptions = {},
): Promise<{ readonly target: Http2Target; readonly gateway: OneWorker }> {
  const target = await startHttp2Target(answer, options)
  closing.push(() => target.close())
  return { target, gateway: await gatewayTo(target.url) }
}

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
  stream.pipe(stream)
}

test('a client of HTTP/1.1 gets the answer of a target of HTTP/2', async () => {
  const { gateway, target } = await stage(echo)
  const answer = await fetch(`${gateway.url}/a?b=c`, { method: 'POST', body: 'hello' })
  expect(await answer.text()).toBe('hello')
  expect(target.requests[0]).toMatchObject({
    ':method': 'POST',
    ':path': '/a?b=c',
    ':scheme': 'http',
    ':authority': gateway.url.slice('http://'.length),
    'content-length': '5',
    te: 'trailers',
    via: '1.1 raftway',
  })
  expect(target.requests[0]?.['connection']).toBeUndefined()
})

test.each([
  [
    'pass if they are announced',
    { trailer: 'x-sum' },
    /\r\n\r\n4\r\ndata\r\n0\r\nx-sum: 1\r\n\r\n$/i,
    { length: undefined, sum: '1' },
  ],
  [
    'or leave the length to be told',
    {},
    /\r\nContent-Length: 4\r\n[^]*\r\n\r\ndata$/,
    { length: '4', sum: undefined },
  ],
] as const)('trailers behind a known length %s', async (_how, announced, wanted, told) => {
  const { gateway } = await stage((stream) => {
    stream.respond(
      { ':status': 200, 'content-length': '4', ...announced },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
    stream.end('data')
  })
  const text = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  const answer = await fetchHttp2(session, { ':path': '/' })
  expect(answer).toMatchObject({ status: 200, body: 'data', code: 0 })
  expect(text).toMatch(wanted)
  const { headers, trailers } = answer
  expect({ length: headers['content-length'], sum: trailers['x-sum'] }).toEqual(told)
})

test('bodies and trailers pass from HTTP/2 to HTTP/2, both ways', async () => {
  let trailers: IncomingHttpHeaders = {}
  const { gateway } = await stage((stream) => {
    stream.on('trailers', (given) => {
      trailers = given
    })
    echo(stream)
  })
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': '2' }))
  stream.end('data')
  const answer = await answerOf(stream)
  expect(answer).toMatchObject({ status: 200, body: 'data', code: 0 })
  expect(answer.trailers['x-sum']).toBe('1')
  expect(trailers['x-check']).toBe('2')
})

test('many calls share one connection, and one more is made only when the target allows no more', async () => {
  const held: ServerHttp2Stream[] = []
  const { gateway, target } = await stage((stream) => held.push(stream), {
    settings: { maxConcurrentStreams: 10 },
  })
  const answers = Array.from({ length: 25 }, () => fetch(gateway.url).then((one) => one.status))
  await until('all of them', () => held.length === 25)
  expect(target.sessions).toHaveLength(3)
  for (const stream of held) {
    stream.respond({ ':status': 204 }, { endStream: true })
  }
  expect(new Set(await Promise.all(answers))).toEqual(new Set([204]))
})

test.each([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_ENHANCE_YOUR_CALM])(
  'a target that goes away with GOAWAY %i is asked again on another connection for what it never looked at',
  async (code) => {
    let count = 0
    const { gateway, target } = await stage((stream) => {
      count += 1
      if (count !== 2 && count !== 3) {
        echo(stream)
        return
      }
      if (count === 2) return
      // It says that it has seen the first request, and neither of those that are under way.
      const { session } = stream
      session?.goaway(code, 1)
      setImmediate(() => session?.destroy())
    })
    const post = (body: string): Promise<string> =>
      fetch(gateway.url, { method: 'POST', body }).then((one) => one.text())
    expect(await post('a')).toBe('a')
    expect(await Promise.all([post('b'), post('c')])).toEqual(['b', 'c'])
    expect(target.sessions).toHaveLength(2)
  },
)

test('a stream that the target refuses is sent again, with what was sent of its body', async () => {
  let count = 0
  const { gateway } = await stage((stream) => {
    count += 1
    if (count === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM)
    else echo(stream)
  })
  const answer = await fetch(gateway.url, { method: 'POST', body: 'once' })
  expect(await answer.text()).toBe('once')
  expect(count).toBe(2)
})

test('a request that a target may have looked at is not sent twice', async () => {
  let count = 0
  const { gateway } = await stage((stream) => {
    count += 1
    stream.session?.destroy()
  })
  const answer = await fetch(gateway.url, { method: 'POST', body: 'once' })
  expect(answer.status).toBe(502)
  expect(count).toBe(1)
})

test('an answer that is cut off is none', async () => {
  const { gateway } = await stage((stream) => {
    stream.respond({ ':status': 200 })
    stream.write('half')
    setImmediate(() => stream.destroy(new Error('broken')))
  })
  const answer = await fetch(gateway.url)
  await expect(answer.text()).rejects.toThrow('terminated')
})

test.each(['3', null])(
  'an upload of length %s that breaks off is not whole for the target',
  async (length) => {
    const { gateway, target } = await stage((stream) => stream.resume())
    const socket = await openRaw(gateway.port)
    const framing = length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
    const body = length === null ? '1\r\na\r\n' : 'a'
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${body}`)
    await until('the request', () => target.requests.length === 1)
    socket.destroy()
    expect(await until('the end', () => target.ends[0])).not.toBe(constants.NGHTTP2_NO_ERROR)
  },
)

test('a client that goes away cancels its stream and no other', async () => {
  const codes: number[] = []
  const { gateway, target } = await stage((stream, headers) => {
    if (headers[':path'] === '/quick') {
      stream.respond({ ':status': 204 }, { endStream: true })
      return
    }
    stream.on('close', () => codes.push(stream.rstCode ?? 0))
  })
  const controller = new AbortController()
  const slow = fetch(`${gateway.url}/slow`, { signal: controller.signal }).catch(() => null)
  await until('the request', () => target.requests.length === 1)
  controller.abort()
  await slow
  await until('the cancellation', () => codes.length === 1)
  expect(codes[0]).toBe(constants.NGHTTP2_CANCEL)
  expect((await fetch(`${gateway.url}/quick`)).status).toBe(204)
  expect(target.sessions).toHaveLength(1)
})

test('a target that speaks HTTP/1.1 is not understood, and says so', async () => {
  const target = await startTarget((_request, response) => response.end())
  closing.push(() => target.close())
  const gateway = await gatewayTo(target.url)
  expect((await fetch(gateway.url)).status).toBe(502)
})

test('an answer that its client does not read waits at the target, and other calls go on', async () => {
  let written = 0
  const piece = Buffer.alloc(1024 * 1024)
  const { gateway } = await stage((stream, headers) => {
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/quick') {
      stream.end('quick')
      return
    }
    const write = (): void => {
      while (written < 64 && !stream.destroyed) {
        written += 1
        if (stream.write(piece)) continue
        stream.once('drain', write)
        return
      }
      stream.end()
    }
    write()
  })
  const session = await connectHttp2(gateway.url)
  closing.push(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  await new Promise((resolve) => stream.once('response', resolve))
  await until('a standstill', async () => {
    const before = written
    await new Promise((resolve) => setTimeout(resolve, 200))
    return written === before
  })
  expect(written).toBeLessThan(16)
  expect((await fetchHttp2(session, { ':path': '/quick' })).body).toBe('quick')
  let received = 0
  stream.on('data', (bytes: Buffer) => {
    received += bytes.length
  })
  await new Promise((resolve) => stream.once('end', resolve))
  expect(received).toBe(64 * piece.length)
})
