/**
 * Goal: the traffic contract, to the letter. Method: one worker in this process behind a real socket, real targets behind
 * it, and clients that write the bytes themselves where the bytes matter.
 */
import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { api, targets } from './support/definitions.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from './support/one-worker.ts'
import { openRaw, readUntil, sendRaw } from './support/raw-client.ts'
import { deadUrl, startRawTarget, startTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'
import { HEAD_BYTES_MAX, TARGET_LINE_BYTES_MAX } from '../../shared/limits.ts'
import { SLOT } from '../../gateway/metrics/slots.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function target(answer: Parameters<typeof startTarget>[0]): Promise<TestTarget> {
  const started = await startTarget(answer)
  closing.push(() => started.close())
  return started
}

async function rawTarget(onData: Parameters<typeof startRawTarget>[0]): Promise<TestTarget> {
  const started = await startRawTarget(onData)
  closing.push(() => started.close())
  return started
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

/** Status line and body of a raw answer. */
function taken(answer: string): { status: number; head: string; body: string } {
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
  return { status: Number(head.split(' ', 2)[1]), head, body }
}

function close(request: string): string {
  return `${request}Connection: close\r\n\r\n`
}

test('a request and its answer pass from end to end', async () => {
  const behind = await target((request, response) => {
    response.setHeader('X-Answer', 'yes')
    request.pipe(response)
  })
  const gateway = await worker(api('a', '/echo', targets(behind.url)))
  const answer = await fetch(`${gateway.url}/echo/x?y=z`, { method: 'POST', body: 'ping' })
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe('ping')
  expect(answer.headers.get('x-answer')).toBe('yes')
  expect(answer.headers.get('via')).toBe('1.1 raftway')
  const [seen] = behind.requests
  expect(seen?.url).toBe('/echo/x?y=z')
  expect(seen?.headers['content-length']).toBe('4')
  expect(seen?.headers.host).toBe(`127.0.0.1:${gateway.port}`)
  expect(seen?.headers['x-forwarded-for']).toBe('127.0.0.1')
  expect(seen?.headers['x-forwarded-port']).toBe(String(gateway.port))
})

test('a target sees exactly these bytes', async () => {
  let seen = ''
  const behind = await rawTarget((socket, data) => {
    seen += data.toString('latin1')
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const gateway = await worker(
    api('a', '/', targets(behind.url), {
      routes: [{ path: '/in/', rewrite: { prefix: '/out/' } }],
    }),
  )
  const request =
    `GET /in/b?c HTTP/1.1\r\nHost: API.example.com:81\r\nX-Request-Id: r1\r\nConnection: close, x-drop\r\n` +
    `X-Drop: 1\r\nUpgrade: h2c\r\nTE: trailers\r\nProxy-Authorization: secret\r\nCookie: a=1\r\nCookie: b=2\r\n` +
    `X-Forwarded-For: 192.0.2.1\r\nVia: 1.0 front\r\n\r\n`
  const answer = taken(await sendRaw(gateway.port, request))
  expect(answer.body).toBe('ok')
  expect(answer.head.split('\r\n').filter((line) => !line.startsWith('Date:'))).toEqual([
    'HTTP/1.1 200 OK',
    'Content-Length: 2',
    'Via: 1.1 raftway',
    'Connection: close',
  ])
  expect(seen).toBe(
    `GET /out/b?c HTTP/1.1\r\nHost: API.example.com:81\r\nCookie: a=1\r\nCookie: b=2\r\n` +
      `X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: API.example.com:81\r\n` +
      `X-Forwarded-Port: ${gateway.port}\r\nX-Request-Id: r1\r\nVia: 1.0 front, 1.1 raftway\r\n\r\n`,
  )
})

test('what a definition rewrites a path to cannot end the line, nor become another character', async () => {
  let seen = ''
  const behind = await rawTarget((socket, data) => {
    seen += data.toString('latin1')
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const rewrite = { prefix: '/a b\r\nX: y/\u010d\u010a/' }
  const gateway = await worker(
    api('a', '/', targets(behind.url), { routes: [{ path: '/in/', rewrite }] }),
  )
  expect((await fetch(`${gateway.url}/in/x`)).status).toBe(200)
  expect(seen.split('\r\n', 1)[0]).toBe('GET /a%20b%0D%0AX:%20y/%C4%8D%C4%8A/x HTTP/1.1')
})

test('the Host of a target is its own address where the upstream says so', async () => {
  const behind = await target((_request, response) => response.end())
  const upstream = { ...targets(behind.url), hostHeader: 'target' as const }
  const gateway = await worker(api('a', '/', upstream))
  await fetch(gateway.url)
  expect(behind.requests[0]?.headers.host).toBe(behind.authority)
  expect(behind.requests[0]?.headers['x-forwarded-host']).toBe(`127.0.0.1:${gateway.port}`)
})

test('a gateway without a config answers 503 NO_CONFIG', async () => {
  const gateway = await worker()
  const answer = await fetch(gateway.url, { headers: { 'X-Request-Id': 'mine' } })
  expect(answer.status).toBe(503)
  expect(answer.headers.get('x-request-id')).toBe('mine')
  expect(await answer.json()).toEqual({ error: { code: 'NO_CONFIG', message: expect.any(String) } })
})

test('a request that no route matches gets 404 NOT_FOUND', async () => {
  const gateway = await worker(api('a', '/a', targets(await deadUrl())))
  const answer = await fetch(`${gateway.url}/b`)
  expect(answer.status).toBe(404)
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{18}-/)
  expect(await answer.json()).toEqual({ error: { code: 'NOT_FOUND', message: expect.any(String) } })
})

test('a target that refuses gets 502 UPSTREAM_UNREACHABLE', async () => {
  const gateway = await worker(api('a', '/', targets(await deadUrl())))
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_UNREACHABLE' } })
  expect(gateway.slots[SLOT.upstreamErrors]).toBe(2) // The first attempt and the retry.
})

test('a target that closes without an answer gets 502', async () => {
  const behind = await rawTarget((socket) => socket.destroy())
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect((await fetch(gateway.url)).status).toBe(502)
})

test('a target that does not speak HTTP gets 502 UPSTREAM_BAD_RESPONSE', async () => {
  const behind = await rawTarget((socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_BAD_RESPONSE' } })
})

test('a target that does not answer in time gets 504 UPSTREAM_TIMEOUT', async () => {
  const behind = await target(() => {})
  const upstream = { ...targets(behind.url), timeouts: { firstByteMs: 80 } }
  const gateway = await worker(api('a', '/', upstream))
  const startedAt = performance.now()
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(504)
  expect(performance.now() - startedAt).toBeLessThan(1_500)
  expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_TIMEOUT' } })
  expect(behind.requests).toHaveLength(1) // Not asked for twice: the time is used up.
})

test('a body that stalls longer than the idle timeout cuts the client off', async () => {
  const behind = await target((_request, response) => {
    response.writeHead(200, { 'Content-Length': 10 })
    response.write('half')
  })
  const upstream = { ...targets(behind.url), timeouts: { idleMs: 80 } }
  const gateway = await worker(api('a', '/', upstream))
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(200)
  await expect(answer.text()).rejects.toThrow('terminated')
})

test('an answer that breaks off is never a whole one', async () => {
  const behind = await rawTarget((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    setImmediate(() => socket.destroy())
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = await sendRaw(gateway.port, close('GET / HTTP/1.1\r\nHost: x\r\n'))
  expect(answer).not.toContain('0\r\n\r\n')
})

test('a refused connection is tried on another target, body and all', async () => {
  const behind = await target((request, response) => request.pipe(response))
  const upstream = { targets: [{ url: await deadUrl() }, { url: behind.url }] }
  const gateway = await worker(api('a', '/', upstream))
  for (let i = 0; i < 6; i++) {
    const answer = await fetch(gateway.url, { method: 'POST', body: `body ${i}` })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe(`body ${i}`)
  }
  expect(gateway.slots[SLOT.retries]).toBe(3)
})

test('a lost answer is asked for again only where the method may be repeated', async () => {
  let dropped = 0
  const bad = await target((request, response) => {
    dropped += 1
    request.resume()
    response.destroy()
  })
  const good = await target((_request, response) => response.end('ok'))
  const upstream = { targets: [{ url: bad.url }, { url: good.url }] }
  const gateway = await worker(api('a', '/', upstream))
  for (let i = 0; i < 4; i++) expect((await fetch(gateway.url)).status).toBe(200)
  expect(dropped).toBe(2)
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) {
    statuses.push((await fetch(gateway.url, { method: 'POST', body: 'x' })).status)
  }
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 502, 502])
})

test('no retries means none', async () => {
  const behind = await target((_request, response) => response.end('ok'))
  const upstream = {
    targets: [{ url: await deadUrl() }, { url: behind.url }],
    retries: { attempts: 0 },
  }
  const gateway = await worker(api('a', '/', upstream))
  const statuses = [await fetch(gateway.url), await fetch(gateway.url)].map(({ status }) => status)
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 502])
})

test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
  const behind = await target((request, response) => {
    if (request.url === '/204') response.writeHead(204).end()
    else if (request.url === '/304') response.writeHead(304, { ETag: '"x"' }).end()
    else response.writeHead(200, { 'Content-Length': 5 }).end('hello')
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.includes('\r\n\r\n'))).toContain(
    'Content-Length: 5',
  )
  socket.write('GET /204 HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.endsWith('\r\n\r\n'))).toMatch(/^HTTP\/1.1 204/)
  socket.write('GET /304 HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.endsWith('\r\n\r\n'))).toMatch(/^HTTP\/1.1 304/)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.endsWith('hello'))).toMatch(/^HTTP\/1.1 200/)
  socket.destroy()
})

test('a client that expects 100 gets it when a target is there for its body, and not before', async () => {
  const behind = await target((request, response) => request.pipe(response))
  const gateway = await worker(api('a', '/a', targets(behind.url)))
  const head = 'HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
  const socket = await openRaw(gateway.port)
  socket.write(`POST /a ${head}`)
  expect(await readUntil(socket, (text) => text.endsWith('\r\n\r\n'))).toMatch(/^HTTP\/1.1 100/)
  socket.write('ping')
  expect(await readUntil(socket, (text) => text.includes('ping'))).toMatch(/^HTTP\/1.1 200/)
  expect(behind.requests[0]?.headers.expect).toBe('100-continue')
  socket.destroy()
  const refused = taken(await sendRaw(gateway.port, `POST /b ${head}`))
  expect(refused.status).toBe(404)
  expect(refused.head).toContain('Connection: close')
})

test('HTTP/1.0 clients are served, and hear the end by the close', async () => {
  const behind = await target((_request, response) => {
    response.write('a')
    response.end('b')
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = taken(await sendRaw(gateway.port, 'GET / HTTP/1.0\r\n\r\n'))
  expect(answer.status).toBe(200)
  expect(answer.body).toBe('ab')
})

test('an absolute target names the host, once more than the field does', async () => {
  const behind = await target((_request, response) => response.end())
  const gateway = await worker(api('a', '/', targets(behind.url), { hosts: ['real.example'] }))
  const request = close('GET http://real.example/x HTTP/1.1\r\nHost: real.example\r\n')
  expect(taken(await sendRaw(gateway.port, request)).status).toBe(200)
  expect(behind.requests[0]?.headers.host).toBe('real.example')
  expect(behind.requests[0]?.url).toBe('/x')
  const secure = close('GET https://real.example/x HTTP/1.1\r\nHost: real.example\r\n')
  const refused = taken(await sendRaw(gateway.port, secure))
  expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([
    421,
    'MISDIRECTED_REQUEST',
  ])
  expect(behind.requests).toHaveLength(1)
})

test('OPTIONS * is answered by the gateway', async () => {
  const gateway = await worker(api('a', '/', targets(await deadUrl())))
  const answer = await sendRaw(gateway.port, close('OPTIONS * HTTP/1.1\r\nHost: x\r\n'))
  expect(taken(answer).status).toBe(204)
})

test.each([
  ['no request at all', 'hello\r\n\r\n'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  ['a malformed Host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['a dot segment', 'GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an encoded dot segment', 'GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n'],
  [
    'a length and a coding',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
  ],
  ['a length that is none', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3x\r\n\r\nabc'],
  [
    'a coding that is not the last',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n',
  ],
  [
    'a coding in HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a space before a colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n'],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n'],
  ['a bare CR in a field', 'GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n'],
  ['an absolute target beside another Host', 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n'],
  ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
  ['another expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n'],
])('%s gets 400, and the connection closes', async (_what, request) => {
  const behind = await target((_request, response) => response.end())
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = taken(await sendRaw(gateway.port, request))
  expect(answer.status).toBe(400)
  expect(answer.head).toMatch(/\r\nConnection: close/)
  expect(answer.head).toMatch(/\r\nX-Request-Id: \S+/)
  expect(JSON.parse(answer.body)).toEqual({
    error: { code: 'BAD_REQUEST', message: expect.any(String) },
  })
  expect(behind.requests).toHaveLength(0)
  expect(gateway.slots[SLOT.refused]).toBe(1)
})

test.each([
  [
    'a target line over its limit',
    `GET /${'a'.repeat(TARGET_LINE_BYTES_MAX)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    414,
    'TARGET_LINE_TOO_LONG',
  ],
  [
    'a target line over every limit',
    `GET /${'a'.repeat(HEAD_BYTES_MAX * 2)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    414,
    'TARGET_LINE_TOO_LONG',
  ],
  [
    'a field over the limit',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(HEAD_BYTES_MAX)}\r\n\r\n`,
    431,
    'HEAD_TOO_LARGE',
  ],
  [
    'a thousand fields over the limit',
    `GET / HTTP/1.1\r\nHost: a\r\n${'X-Field: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(1_000)}\r\n`,
    431,
    'HEAD_TOO_LARGE',
  ],
])('%s is refused', async (_what, request, status, code) => {
  const gateway = await worker(api('a', '/', targets(await deadUrl())))
  const answer = taken(await sendRaw(gateway.port, request))
  expect(answer.status).toBe(status)
  expect(answer.head).toContain('Connection: close')
  expect(JSON.parse(answer.body)).toEqual({ error: { code, message: expect.any(String) } })
})

test('heads just below the limits pass', async () => {
  const behind = await target((_request, response) => response.end('ok'))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const path = `/${'a'.repeat(TARGET_LINE_BYTES_MAX - 1)}`
  expect((await fetch(gateway.url + path)).status).toBe(200)
  const headers = { 'X-Large': 'a'.repeat(HEAD_BYTES_MAX - 2_048) }
  expect((await fetch(gateway.url, { headers })).status).toBe(200)
})

test('a malformed request behind a good one leaves the good one whole', async () => {
  const behind = await target((_request, response) => response.end('fine'))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.endsWith('fine'))).toMatch(/^HTTP\/1.1 200/)
  socket.write('garbage\r\n\r\n')
  expect(await readUntil(socket, (text) => text.includes('BAD_REQUEST'))).toMatch(/^HTTP\/1.1 400/)
  socket.destroy()
})

test('a client that goes away takes its request to the target with it', async () => {
  let isGone = false
  const behind = await target((request, response) => {
    response.on('close', () => {
      isGone = !response.writableFinished
    })
    request.resume()
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('the request', () => behind.requests.length === 1)
  socket.destroy()
  await until('the abort', () => isGone)
  expect(gateway.slots[SLOT.active]).toBe(0)
  expect(gateway.slots[SLOT.statusClass]).toBe(1)
})

test('a client that goes away in the middle of its upload leaves no whole request behind', async () => {
  let hasEnded = false
  let isAborted = false
  const behind = await target((request) => {
    request.on('data', () => {})
    request.on('end', () => {
      hasEnded = true
    })
    request.on('error', () => {})
    request.on('close', () => {
      isAborted = true
    })
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  await until('the request', () => behind.requests.length === 1)
  socket.destroy()
  await until('the abort', () => isAborted)
  expect(hasEnded).toBe(false)
})

test('a client that goes away while the connection is being made is forgotten', async () => {
  // A handshake that is never answered: the connection does not come to stand.
  const behind = await rawTarget(() => {})
  const gateway = await worker(api('a', '/', targets(behind.url.replace('http:', 'https:'))))
  const socket = await openRaw(gateway.port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('the request', () => gateway.slots[SLOT.active] === 1)
  socket.destroy()
  await until('the abort', () => gateway.slots[SLOT.active] === 0)
  expect(gateway.slots[SLOT.statusClass]).toBe(1)
})

test('an answer before the end of the upload reaches the client, and the connection is still in order', async () => {
  const behind = await rawTarget((socket, data) => {
    if (!data.toString().startsWith('POST')) {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext')
      return
    }
    socket.end(
      'HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig',
    )
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const socket = await openRaw(gateway.port)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello')
  expect(await readUntil(socket, (text) => text.endsWith('big'))).toMatch(/^HTTP\/1.1 413/)
  socket.write('worldGET /next HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await readUntil(socket, (text) => text.endsWith('next'))).toMatch(/^HTTP\/1.1 200/)
  socket.destroy()
})

test('a head without a body yet is not held back', async () => {
  const behind = await target((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = await fetch(gateway.url)
  expect(answer.headers.get('content-type')).toBe('text/event-stream')
  await answer.body?.cancel()
})

test('a head that cannot be passed on is the target’s mistake: 502', async () => {
  const behind = await rawTarget((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok')
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(502)
  expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_BAD_RESPONSE' } })
})

test('a client that stops in the middle of its upload is cut off', async () => {
  const behind = await target((request) => void request.resume())
  const gateway = await startImpatientWorker({ idleMs: 60 }, api('a', '/', targets(behind.url)))
  closing.push(() => gateway.stop())
  const answer = await sendRaw(
    gateway.port,
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello',
  )
  expect(answer).toBe('')
  await until('the end', () => gateway.slots[SLOT.active] === 0)
})

test('a client that does not take its answer is cut off', async () => {
  const behind = await target((_request, response) => {
    response.end(Buffer.alloc(64 * 1024 * 1024))
  })
  const gateway = await startImpatientWorker({ idleMs: 60 }, api('a', '/', targets(behind.url)))
  closing.push(() => gateway.stop())
  const socket = await openRaw(gateway.port)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('the request', () => gateway.slots[SLOT.active] === 1)
  await until('the cut', () => gateway.slots[SLOT.active] === 0)
  expect(gateway.slots[SLOT.statusClass]).toBe(1)
  socket.destroy()
})

test('a client that waits for a slow target is left alone', async () => {
  let answer: () => void = () => {}
  const behind = await target((_request, response) => {
    answer = () => response.end('at last')
  })
  const gateway = await startImpatientWorker({ idleMs: 40 }, api('a', '/', targets(behind.url)))
  closing.push(() => gateway.stop())
  const pending = fetch(gateway.url)
  await until('the request', () => behind.requests.length === 1)
  const startedAt = performance.now()
  await until('a long silence', () => performance.now() - startedAt > 200)
  answer()
  expect(await (await pending).text()).toBe('at last')
})

test('pipelined requests are answered in their order', async () => {
  const behind = await target((request, response) => {
    setTimeout(() => response.end(request.url), request.url === '/1' ? 30 : 0)
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n`
  const request = `${get('/1')}\r\n${get('/2')}\r\n${close(get('/3'))}`
  const answer = await sendRaw(gateway.port, request)
  expect(
    answer
      .match(/\r\n\r\n\/\d/g)
      ?.join('')
      .replaceAll('\r\n', ''),
  ).toBe('/1/2/3')
})

test('a TLS target is asked for by its own name, whatever Host the client sent', async () => {
  let hello = ''
  const behind = await rawTarget((socket, data) => {
    hello += data.toString('latin1')
    socket.destroy()
  })
  const url = behind.url.replace('http://127.0.0.1', 'https://localhost')
  const gateway = await worker(api('a', '/', targets(url)))
  const request = close('GET / HTTP/1.1\r\nHost: client.example\r\n')
  expect(taken(await sendRaw(gateway.port, request)).status).toBe(502)
  expect(hello).toContain('localhost')
  expect(hello).not.toContain('client.example')
})
