/**
 * Goal: what an access record says of a request, in every form. Method: a worker with real sockets and real targets;
 * records are read where they are handed over.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import type { RecordSettings } from '../../../gateway/records/settings.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, readUntil, sendRaw } from '../support/raw-client.ts'
import { deadUrl, startTarget, type TestTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function target(answer: Parameters<typeof startTarget>[0]): Promise<TestTarget> {
  const started = await startTarget(answer)
  closing.push(() => started.close())
  return started
}

async function worker(
  settings: Partial<RecordSettings>,
  ...definitions: readonly DefinitionInput[]
): Promise<OneWorker> {
  const records = { gateway: 'gw1', format: 'json', query: 'mask', sample: 1, ...settings } as const
  const started = await startImpatientWorker({ records }, ...definitions)
  closing.push(() => started.stop())
  return started
}

type Json = Readonly<Record<string, unknown>>

async function firstRecord({ records }: OneWorker): Promise<Json> {
  return JSON.parse(await until('a record', () => records[0])) as Json
}

const GET = 'GET /pets/7?api_key=s3cret&page=2&bare HTTP/1.1\r\nHost: Pets.example.com:80\r\n'

test('a record has every field that README lists, and no other', async () => {
  const behind = await target((_request, response) => response.end('hello'))
  const gateway = await worker({}, api('petstore', '/pets/', targets(behind.url)))
  const startedMs = Date.now()
  await sendRaw(
    gateway.port,
    `${GET}X-Request-Id: r-1\r\nUser-Agent: "quoted" \\ é\r\nReferer: https://me:pw@a.test/x?token=t#f\r\n` +
      'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n' +
      'Authorization: Bearer s3cret\r\nConnection: close\r\n\r\n',
  )
  const record = await firstRecord(gateway)
  expect(record).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    gateway: 'gw1',
    requestId: 'r-1',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    client: '127.0.0.1',
    method: 'GET',
    scheme: 'http',
    host: 'pets.example.com',
    path: '/pets/7',
    query: 'api_key=*&page=*&*',
    protocol: 'HTTP/1.1',
    status: 200,
    code: null,
    api: 'petstore',
    route: 'petstore/0',
    upstream: 'Api/petstore',
    target: behind.url,
    attempts: 1,
    requestBytes: 0,
    responseBytes: 5,
    durationMs: expect.any(Number),
    upstreamMs: expect.any(Number),
    referer: 'https://a.test/x?token=*',
    userAgent: '"quoted" \\ Ã©',
  })
  expect(Math.abs(Date.parse(String(record['time'])) - startedMs)).toBeLessThan(5_000)
  expect(record['upstreamMs']).toBeLessThanOrEqual(record['durationMs'] as number)
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8')
  const [, table = ''] = readme.split('| field | meaning |')
  const listed = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| `(\w+)`/gm)].map(
    ([, name]) => name,
  )
  expect(listed).toEqual(Object.keys(record))
  expect(gateway.records[0]).not.toContain('s3cret')
})

test('every kind of end is recorded once: no route, no target, an answer that breaks off, a client that leaves', async () => {
  const broken = await target((_request, response) => {
    response.write('half')
    setImmediate(() => response.destroy())
  })
  const silent = await target(() => {})
  const gateway = await worker(
    {},
    api('dead', '/dead', targets(await deadUrl())),
    api('broken', '/broken', targets(broken.url)),
    api('silent', '/silent', targets(silent.url)),
  )
  const get = (path: string): Promise<string> =>
    sendRaw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  await get('/none')
  await get('/dead')
  await get('/broken')
  const leaving = await openRaw(gateway.port)
  leaving.write('GET /silent HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('the request at its target', () => silent.requests[0])
  leaving.destroy()
  await until('four records', () => gateway.records.length === 4)
  const ends = gateway.records.map((line) => {
    const { path, status, code, route, attempts } = JSON.parse(line) as Json
    return [path, status, code, route, attempts]
  })
  expect(ends).toEqual([
    ['/none', 404, 'NOT_FOUND', null, 0],
    ['/dead', 502, 'UPSTREAM_UNREACHABLE', 'dead/0', 2],
    ['/broken', 200, 'UPSTREAM_UNREACHABLE', 'broken/0', 1],
    ['/silent', 499, null, 'silent/0', 1],
  ])
  expect(gateway.slots[SLOT.recorded]).toBe(4)
  const withId = gateway.records.filter((line) => (JSON.parse(line) as Json)['requestId'] !== null)
  expect(withId.length).toBe(4)
})

test('common, combined and templates: one line, whatever a client sends', async () => {
  const behind = await target((_request, response) => response.end('hello'))
  const routes = api('petstore', '/', targets(behind.url))
  const common = await worker({ format: 'common' }, routes)
  const combined = await worker({ format: 'combined', query: 'none' }, routes)
  const own = await worker(
    { format: '{method}|{header.x-tenant}|{route}|{code}|{query}', query: 'all' },
    routes,
  )
  const tail = 'User-Agent: a"b\\\r\nX-Tenant: t\t\u00e9\r\nConnection: close\r\n\r\n'
  for (const { port } of [common, combined, own]) {
    const socket = await openRaw(port)
    socket.write(Buffer.from(GET + tail, 'latin1'))
    await readUntil(socket, (text) => text.includes('hello'))
  }
  const date = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]`
  const [first] = await until('a line', () => common.records.length > 0 && common.records)
  expect(first).toMatch(
    new RegExp(
      String.raw`^127\.0\.0\.1 - - ${date} "GET /pets/7\?api_key=\*&page=\*&\* HTTP/1\.1" 200 5$`,
    ),
  )
  const [second] = await until('a line', () => combined.records.length > 0 && combined.records)
  expect(second).toMatch(
    new RegExp(
      String.raw`^127\.0\.0\.1 - - ${date} "GET /pets/7 HTTP/1\.1" 200 5 "-" "a\\x22b\\x5C"$`,
    ),
  )
  const [third] = await until('a line', () => own.records.length > 0 && own.records)
  expect(third).toMatch(/^GET\|t\\x09\\xE9\|petstore\/0\|-\|api_key=s3cret&page=2&bare$/)
})

test('a route says how many of its requests are recorded', async () => {
  const behind = await target((_request, response) => response.end())
  const gateway = await worker(
    { sample: 0 },
    {
      kind: 'Api',
      name: 'a',
      spec: {
        routes: [
          { path: '/all' },
          { path: '/some', records: { sample: 0.25 } },
          { path: '/none', records: { sample: 0 } },
        ],
        records: { sample: 1 },
        upstream: targets(behind.url),
      },
    },
    api('b', '/default', targets(behind.url)),
  )
  const one = 'Host: a\r\n\r\n'
  const socket = await openRaw(gateway.port)
  let wanted = 0
  for (let at = 0; at < 200; at++) {
    for (const path of ['/all', '/some', '/none', '/default']) {
      socket.write(`GET ${path} HTTP/1.1\r\n${one}`)
      wanted += 1
    }
  }
  await until('all answers', () => behind.requests.length === wanted)
  await until(
    'the records',
    () => gateway.records.filter((line) => line.includes('"/all"')).length === 200,
  )
  socket.destroy()
  const some = gateway.records.filter((line) => line.includes('"path":"/some"')).length
  expect(some).toBeGreaterThan(20)
  expect(some).toBeLessThan(90)
  expect(gateway.records.some((line) => /"\/(none|default)"/.test(line))).toBe(false)
})
