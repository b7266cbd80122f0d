// Goal: connections to targets are reused, retried and given up as RFC 9110 and 9112 allow, and only to the right target.
import type { Socket } from 'node:net'
import { createServer } from 'node:https'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { randomBytes } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import type { UpstreamTls } from '../../../shared/definitions/upstream-tls.ts'
import { anAuthority, aPair } from '../../control-plane/tls/certificates.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import { api, targets } from '../support/definitions.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { startRawTarget, type TestTarget } from '../support/target.ts'

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

function answer(text: string, fields = ''): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${text.length}\r\n\r\n${text}`
}

/** A target that answers and numbers its connections; what it says depends on the connection and the request on it. */
async function numbered(
  say: (connection: number, request: number, socket: Socket) => void,
): Promise<TestTarget> {
  const known = new Map<Socket, { number: number; requests: number }>()
  return rawTarget((socket) => {
    const seen = known.get(socket) ?? { number: known.size + 1, requests: 0 }
    known.set(socket, seen)
    seen.requests += 1
    say(seen.number, seen.requests, socket)
  })
}

async function ask(gateway: OneWorker, init: RequestInit = {}): Promise<string> {
  const response = await fetch(gateway.url, init)
  return `${response.status} ${await response.text()}`
}

test('one connection after another request is enough, as long as the target keeps it', async () => {
  const behind = await numbered((connection, request, socket) => {
    const isLast = request === 3
    socket.write(answer(`${connection}`, isLast ? 'Connection: close\r\n' : ''))
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  const seen: string[] = []
  for (let i = 0; i < 7; i++) seen.push(await ask(gateway))
  expect(seen).toEqual(['1', '1', '1', '2', '2', '2', '3'].map((text) => `200 ${text}`))
})

test('a request on a connection that the target had closed is sent again on a fresh one', async () => {
  let requests = 0
  const behind = await numbered((connection, request, socket) => {
    requests += 1
    // The second request finds it closed, without an answer.
    if (connection === 1 && request === 2) socket.destroy()
    else socket.write(answer(`${connection}`))
  })
  const gateway = await worker(api('a', '/', { ...targets(behind.url), retries: { attempts: 0 } }))
  expect(await ask(gateway)).toBe('200 1')
  expect(await ask(gateway)).toBe('200 2')
  expect(requests).toBe(3)
  expect(gateway.slots[SLOT.upstreamErrors]).toBe(0)
})

test('not where the target may have acted on it, nor where its body is gone', async () => {
  const behind = await numbered((_connection, request, socket) => {
    if (request === 2) socket.destroy()
    else socket.write(answer('ok'))
  })
  const gateway = await worker(api('a', '/', { ...targets(behind.url), retries: { attempts: 0 } }))
  for (const init of [{ method: 'POST' }, { method: 'PUT', body: 'x' }, { method: 'PATCH' }]) {
    expect(await ask(gateway)).toBe('200 ok')
    expect(await ask(gateway, init)).toMatch(/^502 /)
  }
})

test('nor on a first connection, nor once a part of an answer is there', async () => {
  let requests = 0
  const behind = await numbered((connection, request, socket) => {
    requests += 1
    if (request === 1 && connection === 1) socket.write(answer('ok'))
    else socket.end('HTTP/1.1 200 OK\r\nContent-')
  })
  const gateway = await worker(api('a', '/', { ...targets(behind.url), retries: { attempts: 0 } }))
  expect(await ask(gateway)).toBe('200 ok')
  expect(await ask(gateway)).toMatch(/^502 /)
  expect(await ask(gateway)).toMatch(/^502 /)
  expect(requests).toBe(3)
})

test('what a target says without being asked is nobody’s answer', async () => {
  const behind = await numbered((connection, _request, socket) => {
    socket.write(answer(`${connection}`))
    if (connection === 1) setImmediate(() => socket.write(answer('poison')))
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect(await ask(gateway)).toBe('200 1')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await ask(gateway)).toBe('200 2')
})

test('nor is what it says behind an answer', async () => {
  const behind = await numbered((connection, _request, socket) => {
    socket.write(answer(`${connection}`) + (connection === 1 ? answer('poison') : ''))
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect(await ask(gateway)).toBe('200 1')
  expect(await ask(gateway)).toBe('200 2')
})

test.each([
  ['a length and a coding', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
  ['a space before a colon', 'Content-Length : 2\r\n\r\nok'],
  ['a folded line', 'X: a\r\n b\r\nContent-Length: 2\r\n\r\nok'],
  ['another coding', 'Transfer-Encoding: gzip\r\n\r\nok'],
])('an answer with %s gets 502', async (_what, rest) => {
  const behind = await rawTarget((socket) => void socket.end(`HTTP/1.1 200 OK\r\n${rest}`))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect(await ask(gateway)).toMatch(/^502 .*UPSTREAM_BAD_RESPONSE/)
})

test('interim answers without end are none', async () => {
  const behind = await rawTarget((socket) => void socket.write('HTTP/1.1 102 x\r\n\r\n'.repeat(40)))
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect(await ask(gateway)).toMatch(/^502 /)
})

test('a change of protocol that nobody asked for is a bad answer', async () => {
  const behind = await rawTarget((socket) => {
    socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const gateway = await worker(api('a', '/', targets(behind.url)))
  expect(await ask(gateway)).toMatch(/^502 .*UPSTREAM_BAD_RESPONSE/)
})

test('a TLS target must prove who it is', async () => {
  const { cert, key } = await aPair(await anAuthority(randomBytes(32)))
  const requests: string[] = []
  const server = createServer({ cert, key }, (request, response) => {
    requests.push(request.url ?? '')
    response.end('secret')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => new Promise((resolve) => void server.close(() => resolve())))
  const { port } = server.address() as AddressInfo
  const gateway = await worker(api('a', '/', targets(`https://localhost:${port}`)))
  expect(await ask(gateway)).toMatch(/^502 .*UPSTREAM_UNREACHABLE/)
  expect(requests).toEqual([])
})

test('what a TLS target is believed for, and what the gateway shows it, is the upstream’s to say', async () => {
  const authority = await anAuthority(randomBytes(32))
  const ca = authority.certificate.toString()
  const { cert, key } = await aPair(authority, { hosts: ['pets.internal'] })
  const own = await aPair(authority, { role: 'gateway', name: 'gw1' })
  const server = createServer(
    { cert, key, ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { authorized } = request.socket as TLSSocket
      response.end(String(authorized))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => new Promise((resolve) => void server.close(() => resolve())))
  const { port } = server.address() as AddressInfo
  const dir = await mkdtemp(join(tmpdir(), 'raftway-tls-'))
  closing.push(() => rm(dir, { recursive: true, force: true }))
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
  const upstream = (tls: UpstreamTls) => ({ ...targets(`https://127.0.0.1:${port}`), tls })
  const named = { ca, serverName: 'pets.internal' }
  const shown = { ...named, clientCertificate: { certFile, keyFile } }
  const gateway = await worker(api('a', '/', upstream({ ca })))
  expect(await ask(gateway)).toMatch(/^502 /)
  gateway.adopt(api('a', '/', upstream(named)))
  expect(await ask(gateway)).toBe('200 false')
  gateway.adopt(api('a', '/', upstream({ verify: false })))
  expect(await ask(gateway)).toBe('200 false')
  // Without the files it would be somebody else.
  gateway.adopt(api('a', '/', upstream(shown)))
  expect(await ask(gateway)).toMatch(/^502 /)
  await writeFile(certFile, own.cert)
  await writeFile(keyFile, own.key)
  expect(await ask(gateway)).toBe('200 true')
})
