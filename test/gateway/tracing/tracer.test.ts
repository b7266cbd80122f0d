/**
 * Goal: traces that hang together, and a collector that is never in the way. Method: a worker with real sockets and
 * targets, and a real HTTP server that takes spans.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import type { OtlpSpan } from '../../../gateway/tracing/otlp.ts'
import { readTraceParent } from '../../../gateway/tracing/trace-parent.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker, startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { deadUrl, startTarget, type TestTarget } from '../support/target.ts'
import { until } from '../support/until.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Export = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly unknown[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

type Collector = {
  readonly url: string
  readonly exports: Export[]
  readonly spans: () => OtlpSpan[]
}

async function collector(answer: (response: ServerResponse) => void): Promise<Collector> {
  const exports: Export[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      exports.push(JSON.parse(Buffer.concat(pieces).toString()) as Export)
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const { port } = server.address() as AddressInfo
  const spans = (): OtlpSpan[] =>
    exports.flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    )
  return { url: `http://127.0.0.1:${port}/v1/traces`, exports, spans }
}

async function target(): Promise<TestTarget> {
  const started = await startTarget((_request, response) => response.end('ok'))
  closing.push(() => started.close())
  return started
}

async function traced(
  url: string,
  sample: number,
  ...definitions: readonly DefinitionInput[]
): Promise<OneWorker> {
  const started = await startImpatientWorker(
    { traces: { gateway: 'gw1', url, sample } },
    ...definitions,
  )
  closing.push(() => started.stop())
  return started
}

function attribute(span: OtlpSpan | undefined, key: string): unknown {
  const value = span?.attributes.find((one) => one.key === key)?.value
  return value === undefined ? undefined : Object.values(value)[0]
}

test('without spans, the place in a trace passes as it came', async () => {
  const behind = await target()
  const gateway = await startOneWorker(api('a', '/', targets(behind.url)))
  closing.push(() => gateway.stop())
  await fetch(gateway.url, { headers: { traceparent: PARENT, tracestate: 'x=1' } })
  expect(behind.requests[0]?.headers).toMatchObject({ traceparent: PARENT, tracestate: 'x=1' })
})

test('spans of a request hang together: client, gateway, target', async () => {
  const taker = await collector((response) => response.end('{}'))
  const behind = await target()
  const gateway = await traced(taker.url, 0, api('shop', '/pets', targets(behind.url)))
  const answer = await fetch(`${gateway.url}/pets/7?key=s3cret`, {
    headers: { traceparent: PARENT, tracestate: 'x=1', 'x-request-id': 'r1' },
  })
  expect(answer.status).toBe(200)
  await until('two spans', () => taker.spans().length === 2)
  const [server, client] = taker.spans()
  expect(server).toMatchObject({
    traceId: TRACE,
    parentSpanId: '00f067aa0ba902b7',
    traceState: 'x=1',
    name: 'GET /pets',
    kind: 2,
    status: {},
  })
  expect(client).toMatchObject({ traceId: TRACE, parentSpanId: server?.spanId, kind: 3 })
  const seen = behind.requests[0]?.headers
  expect(readTraceParent(String(seen?.['traceparent']))).toEqual({
    traceId: TRACE,
    spanId: client?.spanId,
    isSampled: true,
  })
  expect(seen?.['tracestate']).toBe('x=1')
  expect(attribute(server, 'http.response.status_code')).toBe('200')
  expect(attribute(server, 'raftway.request_id')).toBe('r1')
  expect(attribute(client, 'url.full')).toBe(`${behind.url}/pets/7`)
  const [from = 0n, asked = 0n, to = 0n] = [
    server?.startTimeUnixNano,
    client?.startTimeUnixNano,
    server?.endTimeUnixNano,
  ].map((text) => BigInt(text ?? 0))
  expect(from <= asked && asked <= to).toBe(true)
  expect(Number(to / 1_000_000n) - Date.now()).toBeLessThan(60_000)
  expect(JSON.stringify(taker.exports)).toContain(
    '"service.instance.id","value":{"stringValue":"gw1"}',
  )
  expect(JSON.stringify(taker.exports)).not.toContain('s3cret')
})

test('a trace begins here where the client has none, and what it noted of another is dropped', async () => {
  const taker = await collector((response) => response.end('{}'))
  const behind = await target()
  const gateway = await traced(
    taker.url,
    1,
    api('shop', '/', targets(behind.url)),
    api('dead', '/dead', targets(await deadUrl())),
  )
  await fetch(gateway.url, { headers: { traceparent: 'nonsense', tracestate: 'x=1' } })
  await fetch(`${gateway.url}/dead`)
  await until('four spans', () => taker.spans().length === 4)
  const [first, , failed] = taker.spans()
  expect(first?.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(first).not.toHaveProperty('parentSpanId')
  expect(behind.requests[0]?.headers['tracestate']).toBe(undefined)
  expect(readTraceParent(String(behind.requests[0]?.headers['traceparent']))?.traceId).toBe(
    first?.traceId,
  )
  expect(failed).toMatchObject({ status: { code: 2, message: 'UPSTREAM_UNREACHABLE' } })
  expect(failed?.traceId).not.toBe(first?.traceId)
})

test('what is not sampled is passed on and not exported', async () => {
  const taker = await collector((response) => response.end('{}'))
  const behind = await target()
  const gateway = await traced(taker.url, 0, api('shop', '/', targets(behind.url)))
  await fetch(gateway.url)
  await fetch(gateway.url, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-00` } })
  await fetch(gateway.url, { headers: { traceparent: PARENT } })
  await until('the spans of one', () => taker.spans().length === 2)
  expect(gateway.slots[SLOT.spans]).toBe(2)
  const flags = behind.requests.map(
    ({ headers }) => readTraceParent(String(headers['traceparent']))?.isSampled,
  )
  expect(flags).toEqual([false, false, true])
})

test('a collector that fails costs its spans, and no request', async () => {
  const taker = await collector((response) => {
    response.statusCode = 503
    response.end()
  })
  const behind = await target()
  const gateway = await traced(taker.url, 1, api('shop', '/', targets(behind.url)))
  expect((await fetch(gateway.url)).status).toBe(200)
  await until('the loss', () => gateway.slots[SLOT.spansDropped] === 2)
  const away = await traced(await deadUrl(), 1, api('shop', '/', targets(behind.url)))
  expect((await fetch(away.url)).status).toBe(200)
  await until('the loss', () => away.slots[SLOT.spansDropped] === 2)
})
