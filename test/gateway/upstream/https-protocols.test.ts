// Goal: with https targets, what is spoken follows from the handshake where that is asked for, and whom to believe is
// checked whatever is spoken. Method: targets of node:http2 behind TLS that offer one protocol or both, and nginx.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { constants } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { UpstreamTls } from '../../../shared/definitions/upstream-tls.ts'
import { startSecureNginx } from '../smuggling/fronts.ts'
import { api } from '../support/definitions.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { programOf } from '../support/programs.ts'
import { startSecureTarget, type SecureTarget } from '../support/secure-target.ts'
import { startTarget } from '../support/target.ts'
import { TestAuthority, type Pair } from '../support/test-authority.ts'
import { until } from '../support/until.ts'

const NAME = 'pets.internal'
const NGINX = programOf('nginx')
const closing: (() => void | Promise<void>)[] = []
let authority: TestAuthority
let pair: Pair

beforeAll(async () => {
  authority = await TestAuthority.make('targets')
  pair = await authority.issue([NAME])
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function target(
  options: Parameters<typeof startSecureTarget>[0] = {},
  answer?: Parameters<typeof startSecureTarget>[1],
): Promise<SecureTarget> {
  const started = await startSecureTarget(
    { cert: pair.certificate, key: pair.key, ...options },
    answer,
  )
  closing.push(() => started.close())
  return started
}

function upstream(url: string, protocol: 'auto' | 'http2', tls: UpstreamTls = {}) {
  const named = { ca: authority.pem, serverName: NAME, ...tls }
  return { targets: [{ url }], protocol, tls: named, retries: { attempts: 0 } }
}

async function gatewayTo(url: string, protocol: 'auto' | 'http2' = 'auto'): Promise<OneWorker> {
  const gateway = await startOneWorker(api('a', '/', upstream(url, protocol)))
  closing.push(() => gateway.stop())
  return gateway
}

async function ask(gateway: OneWorker, init: RequestInit = {}): Promise<string> {
  const answer = await fetch(`${gateway.url}/x`, init)
  return `${answer.status} ${await answer.text()}`
}

test('auto speaks HTTP/2 with a target that chooses it, on one connection', async () => {
  const behind = await target()
  const gateway = await gatewayTo(behind.url)
  for (let i = 0; i < 3; i++) expect(await ask(gateway)).toBe('200 hello')
  expect(behind.versions).toEqual(['2.0', '2.0', '2.0'])
  expect(behind.handshakes).toHaveLength(1)
  const [shown] = behind.handshakes
  expect([shown?.servername, shown?.alpnProtocol]).toEqual([NAME, 'h2'])
})

test('auto speaks HTTP/1.1 with a target that chooses it, and remembers that', async () => {
  const behind = await target({ isOld: true }, (request, response) => {
    let body = ''
    request.on('data', (bytes: Buffer) => {
      body += bytes.toString()
    })
    request.on('end', () => void response.end(`got ${body}`))
  })
  const gateway = await gatewayTo(behind.url)
  const first = Array.from({ length: 3 }, (_, i) => ask(gateway, { method: 'POST', body: `${i}` }))
  expect(await Promise.all(first)).toEqual(['200 got 0', '200 got 1', '200 got 2'])
  const made = behind.handshakes.length
  expect(await ask(gateway)).toBe('200 got ')
  expect(new Set(behind.versions)).toEqual(new Set(['1.1']))
  // The connection that was to tell which it is, and no other one in vain.
  expect(made).toBeLessThanOrEqual(4)
  expect(behind.handshakes).toHaveLength(made)
})

test('auto follows a target that comes back as another program', async () => {
  const first = await target({ isOld: true })
  const gateway = await gatewayTo(first.url)
  expect(await ask(gateway)).toBe('200 hello')
  await first.close()
  await until('nobody to be there', async () => (await ask(gateway)).startsWith('502'))
  const second = await target({ port: first.port })
  expect(await ask(gateway)).toBe('200 hello')
  expect(second.versions).toEqual(['2.0'])
  await second.close()
  const third = await target({ port: first.port, isOld: true })
  // Not one request is lost to what was learnt before: a connection that is gone is no answer.
  expect(await ask(gateway)).toBe('200 hello')
  expect(third.versions).toEqual(['1.1'])
})

test('a target that asks for HTTP/1.1 in the middle of HTTP/2 is followed, where nothing was sent but a head', async () => {
  const behind = await target({}, (request, response) => {
    if ('stream' in request) request.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED)
    else response.end('old')
  })
  const gateway = await gatewayTo(behind.url)
  expect(await ask(gateway)).toBe('200 old')
  expect(await ask(gateway, { method: 'POST', body: 'x' })).toMatch(/^502 .*UPSTREAM_PROTOCOL/)
  expect(behind.versions).toEqual(['2.0', '1.1', '2.0'])
})

test('auto with http targets is HTTP/1.1', async () => {
  const behind = await startTarget((request, response) => response.end(request.httpVersion))
  closing.push(() => behind.close())
  const gateway = await startOneWorker(
    api('a', '/', { targets: [{ url: behind.url }], protocol: 'auto' }),
  )
  closing.push(() => gateway.stop())
  expect(await ask(gateway)).toBe('200 1.1')
})

test('http2 with a target that speaks HTTP/1.1 alone is refused', async () => {
  const behind = await target({ isOld: true })
  const gateway = await gatewayTo(behind.url, 'http2')
  expect(await ask(gateway)).toMatch(/^502 /)
  expect(behind.versions).toEqual([])
})

test.each(['auto', 'http2'] as const)(
  'over %s a target must prove who it is, and may ask the gateway the same',
  async (protocol) => {
    const clients = await TestAuthority.make('gateways')
    const own = await clients.issue(['gateway'])
    const behind = await target(
      { ca: clients.pem, requestCert: true, rejectUnauthorized: false },
      (request, response) => response.end(String((request.socket as TLSSocket).authorized)),
    )
    const dir = await mkdtemp(join(tmpdir(), 'raftway-tls-'))
    closing.push(() => rm(dir, { recursive: true, force: true }))
    const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
    const gateway = await gatewayTo(behind.url, protocol)
    expect(await ask(gateway)).toBe('200 false')
    for (const [tls, answered] of [
      [{ serverName: 'cats.internal' }, /^502 /],
      [{ serverName: 'cats.internal', verify: false }, /^200 false/],
      [{ ca: clients.pem }, /^502 /],
      [{ clientCertificate: { certFile, keyFile } }, /^502 /],
    ] as const) {
      gateway.adopt(api('a', '/', upstream(behind.url, protocol, tls)))
      expect([tls, await ask(gateway)]).toEqual([tls, expect.stringMatching(answered)])
    }
    await writeFile(certFile, own.certificate)
    await writeFile(keyFile, own.key)
    expect(await ask(gateway)).toBe('200 true')
    expect(new Set(behind.versions)).toEqual(new Set(['2.0']))
  },
)

test.skipIf(NGINX === null).each([
  ['auto', true, 'HTTP/2.0'],
  ['auto', false, 'HTTP/1.1'],
  ['http2', true, 'HTTP/2.0'],
] as const)('nginx as a target: %s, with HTTP/2: %s', async (protocol, hasHttp2, spoken) => {
  const nginx = await startSecureNginx(NGINX ?? '', pair, hasHttp2)
  closing.push(() => nginx.close())
  const gateway = await gatewayTo(nginx.url, protocol)
  for (let i = 0; i < 3; i++) expect(await ask(gateway)).toBe(`200 ${spoken} ${NAME}`)
  const large = await fetch(`${gateway.url}/large`)
  expect((await large.arrayBuffer()).byteLength).toBe(1_000_000)
  const posted = await ask(gateway, { method: 'POST', body: 'x'.repeat(100_000) })
  expect(posted).toBe(`200 ${spoken} ${NAME}`)
})
