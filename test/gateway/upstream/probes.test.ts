import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { HealthSpec } from '../../../shared/definitions/health.ts'
import type { UpstreamTls } from '../../../shared/definitions/upstream-tls.ts'
import { compileUpstream } from '../../../shared/routing/compile-upstream.ts'
import { frameOf, verdictOf } from '../../../gateway/upstream/grpc-probe.ts'
import { probeTarget } from '../../../gateway/upstream/probes.ts'
import { startSecureTarget } from '../support/secure-target.ts'
import { deadUrl, startRawTarget, startTarget } from '../support/target.ts'
import { TestAuthority } from '../support/test-authority.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** What a check of a url comes to. */
async function probe(
  url: string,
  active: NonNullable<HealthSpec['active']>,
  tls: UpstreamTls = {},
): Promise<string | null> {
  const compiled = compileUpstream('Upstream/x', { targets: [{ url }], health: { active }, tls })
  const [target] = compiled.targets
  const check = compiled.health.active
  if (target === undefined || check === null) throw new Error('nothing to check')
  return probeTarget(target, check, AbortSignal.timeout(check.timeoutMs))
}

describe('http', () => {
  test('asks for the path under the host, on the port, and takes 2xx and 3xx for well', async () => {
    let status = 200
    const target = await startTarget((_request, response) => {
      response.statusCode = status
      response.end('x'.repeat(100_000))
    })
    closing.push(() => target.close())
    const check = { path: '/healthz?deep=1', host: 'inner.example.com' }
    expect(await probe(target.url, check)).toBeNull()
    expect(target.requests[0]?.url).toBe('/healthz?deep=1')
    expect(target.requests[0]?.headers.host).toBe('inner.example.com')
    const port = Number(new URL(target.url).port)
    expect(await probe(await deadUrl(), { port })).toBeNull()
    status = 302
    expect(await probe(target.url, {})).toBeNull()
    status = 503
    expect(await probe(target.url, {})).toBe('status 503')
    expect(await probe(target.url, { statuses: [503] })).toBeNull()
    status = 200
    expect(await probe(target.url, { statuses: [204] })).toBe('status 200')
  })

  test('says why there was no answer', async () => {
    expect(await probe(await deadUrl(), {})).toBe('ECONNREFUSED')
    const silent = await startRawTarget(() => {})
    closing.push(() => silent.close())
    expect(await probe(silent.url, { timeoutMs: 50 })).toBe('no answer in time')
  })
})

test('a tcp check is content with a connection', async () => {
  const silent = await startRawTarget(() => {})
  closing.push(() => silent.close())
  expect(await probe(silent.url, { type: 'tcp' })).toBeNull()
  expect(await probe(await deadUrl(), { type: 'tcp' })).toBe('ECONNREFUSED')
})

function answerWith(stream: ServerHttp2Stream, message: readonly number[]): void {
  const type = { ':status': 200, 'content-type': 'application/grpc' }
  stream.respond(type, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(Buffer.from([0, 0, 0, 0, message.length, ...message]))
}

test.each(['http', 'grpc'] as const)(
  'with %s a target behind TLS must prove who it is, as for requests',
  async (type) => {
    const authority = await TestAuthority.make('targets')
    const { certificate, key } = await authority.issue(['pets.internal'])
    const target = await startSecureTarget({ cert: certificate, key }, (request, response) => {
      if (request.httpVersion === '2.0') response.addTrailers({ 'grpc-status': '0' })
      response.end(Buffer.from([0, 0, 0, 0, 2, 0x08, 1]))
    })
    closing.push(() => target.close())
    const believed = { ca: authority.pem, serverName: 'pets.internal' }
    expect(await probe(target.url, { type }, believed)).toBeNull()
    expect(target.handshakes[0]?.servername).toBe('pets.internal')
    const another = { ...believed, serverName: 'cats.internal' }
    expect(await probe(target.url, { type }, another)).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await probe(target.url, { type }, { ...another, verify: false })).toBeNull()
    expect(await probe(target.url, { type }, { serverName: 'pets.internal' })).not.toBeNull()
  },
)

describe('grpc', () => {
  async function grpcServer(
    answer: (stream: ServerHttp2Stream, asked: { path: string; body: Buffer }) => void,
  ): Promise<string> {
    const server = createHttp2Server()
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', () => {})
      stream.on('end', () => {
        answer(stream, { path: String(headers[':path']), body: Buffer.concat(chunks) })
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    closing.push(() => new Promise((resolve) => server.close(() => resolve())))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test('asks about the service and takes only SERVING for well', async () => {
    let serving = 1
    const asked: { path: string; body: Buffer }[] = []
    const url = await grpcServer((stream, request) => {
      asked.push(request)
      answerWith(stream, [0x08, serving])
    })
    expect(await probe(url, { type: 'grpc', service: 'pets.v1.Pets' })).toBeNull()
    expect(asked[0]?.path).toBe('/grpc.health.v1.Health/Check')
    expect(asked[0]?.body).toEqual(
      Buffer.from([0, 0, 0, 0, 14, 0x0a, 12, ...Buffer.from('pets.v1.Pets')]),
    )
    serving = 2
    expect(await probe(url, { type: 'grpc' })).toBe('NOT_SERVING')
    expect(asked[1]?.body).toEqual(Buffer.from([0, 0, 0, 0, 0]))
  })

  test('takes a status of gRPC or HTTP for what it is, and silence for silence', async () => {
    const refusing = await grpcServer((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true })
    })
    expect(await probe(refusing, { type: 'grpc' })).toBe('grpc-status 12')
    const broken = await grpcServer((stream) => {
      stream.respond({ ':status': 503 }, { endStream: true })
    })
    expect(await probe(broken, { type: 'grpc' })).toBe('status 503')
    const silent = await grpcServer(() => {})
    expect(await probe(silent, { type: 'grpc', timeoutMs: 100 })).toBe('no answer in time')
    expect(await probe(await deadUrl(), { type: 'grpc' })).toBe('ECONNREFUSED')
  })

  test('reads and writes frames as protocol buffers have them', () => {
    expect(frameOf('x'.repeat(200)).subarray(0, 8)).toEqual(
      Buffer.from([0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]),
    )
    expect(verdictOf(Buffer.from([0, 0, 0, 0, 2, 8, 1]))).toBeNull()
    expect(verdictOf(Buffer.from([0, 0, 0, 0, 0]))).toBe('UNKNOWN')
    expect(verdictOf(Buffer.from([0, 0, 0, 0, 2, 8, 3]))).toBe('SERVICE_UNKNOWN')
    for (const bad of [[], [1, 0, 0, 0, 2, 8, 1], [0, 0, 0, 0, 3, 8, 1], [0, 0, 0, 0, 2, 9, 1]]) {
      expect(verdictOf(Buffer.from(bad))).toBe('malformed answer')
    }
  })
})
