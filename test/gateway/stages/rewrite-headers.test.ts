import { expect, test } from 'vitest'
import type { Exchange } from '../../../gateway/exchange.ts'
import { RequestIds } from '../../../gateway/request-id.ts'
import { rewriteRequestHeaders } from '../../../gateway/stages/rewrite-request.ts'
import { rewriteResponseHeaders } from '../../../gateway/stages/rewrite-response.ts'

function rewritten(headers: readonly string[]): Record<string, string[]> {
  const exchange = {
    headers,
    clientAddress: '192.0.2.7',
    authority: 'api.example.com:8080',
    localPort: 8080,
    isTls: false,
  } as unknown as Exchange
  return grouped(rewriteRequestHeaders(exchange, new RequestIds()).headers)
}

function grouped(list: readonly string[]): Record<string, string[]> {
  const fields: Record<string, string[]> = {}
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at]!.toLowerCase()
    fields[name] = [...(fields[name] ?? []), list[at + 1]!]
  }
  return fields
}

test('a target sees where a request came from, and who passed it on', () => {
  const fields = rewritten(['Host', 'api.example.com:8080', 'Accept', '*/*'])
  expect(fields).toEqual({
    accept: ['*/*'],
    'x-forwarded-for': ['192.0.2.7'],
    'x-forwarded-proto': ['http'],
    'x-forwarded-host': ['api.example.com:8080'],
    'x-forwarded-port': ['8080'],
    'x-request-id': [expect.stringMatching(/^[0-9a-f]{18}-1$/)],
    via: ['1.1 raftway'],
  })
})

test('X-Forwarded-For and Via are continued, the others are told anew', () => {
  const fields = rewritten([
    'X-Forwarded-For',
    '198.51.100.1',
    'x-forwarded-for',
    '198.51.100.2',
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Host',
    'evil',
    'X-Forwarded-Port',
    '1',
    'Via',
    '1.0 a',
    'via',
    '1.1 b',
  ])
  expect(fields['x-forwarded-for']).toEqual(['198.51.100.1, 198.51.100.2, 192.0.2.7'])
  expect(fields['via']).toEqual(['1.0 a, 1.1 b, 1.1 raftway'])
  expect(fields['x-forwarded-proto']).toEqual(['http'])
  expect(fields['x-forwarded-host']).toEqual(['api.example.com:8080'])
  expect(fields['x-forwarded-port']).toEqual(['8080'])
})

test.each([
  ['a valid id', ['X-Request-Id', 'abc-123'], 'abc-123'],
  ['128 characters', ['x-request-id', 'a'.repeat(128)], 'a'.repeat(128)],
])('%s of a client is kept', (_what, headers, expected) => {
  expect(rewritten(headers)['x-request-id']).toEqual([expected])
})

test.each([
  ['129 characters', ['X-Request-Id', 'a'.repeat(129)]],
  ['a space', ['X-Request-Id', 'a b']],
  ['nothing', ['X-Request-Id', '']],
  ['two of them', ['X-Request-Id', 'a', 'X-Request-Id', 'b']],
])('an id with %s is replaced', (_what, headers) => {
  expect(rewritten(headers)['x-request-id']).toEqual([expect.stringMatching(/^[0-9a-f]{18}-1$/)])
})

test('what belongs to the connection never reaches a target', () => {
  const fields = rewritten([
    'Connection',
    'keep-alive, X-Secret',
    'connection',
    'X-Other',
    'Keep-Alive',
    'timeout=5',
    'Proxy-Connection',
    'keep-alive',
    'Proxy-Authorization',
    'Basic x',
    'Proxy-Authenticate',
    'Basic',
    'TE',
    'trailers',
    'Trailer',
    'Expires',
    'Transfer-Encoding',
    'chunked',
    'Upgrade',
    'h2c',
    'X-Secret',
    '1',
    'x-other',
    '2',
    'X-Kept',
    '3',
    'Expect',
    '100-continue',
    'Content-Length',
    '5',
  ])
  expect(Object.keys(fields).toSorted()).toEqual([
    'via',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-port',
    'x-forwarded-proto',
    'x-kept',
    'x-request-id',
  ])
})

test('a client cannot name away what the gateway adds', () => {
  const fields = rewritten([
    'Connection',
    'X-Forwarded-For, Via, X-Request-Id',
    'X-Request-Id',
    'mine',
  ])
  expect(fields['x-forwarded-for']).toEqual(['192.0.2.7'])
  expect(fields['via']).toEqual(['1.1 raftway'])
  expect(fields['x-request-id']).toHaveLength(1)
})

test('fields keep their order, their case and their repetitions on both ways', () => {
  const exchange = { headers: ['B', '1', 'a', '2', 'B', '3'], clientAddress: '', authority: '' }
  const { headers } = rewriteRequestHeaders(exchange as unknown as Exchange, new RequestIds())
  expect(headers.slice(0, 6)).toEqual(['B', '1', 'a', '2', 'B', '3'])
  const answer = rewriteResponseHeaders(['Set-Cookie', 'a', 'X', '1', 'Set-Cookie', 'b'])
  expect(answer).toEqual(['Set-Cookie', 'a', 'X', '1', 'Set-Cookie', 'b', 'Via', '1.1 raftway'])
})

test('a client sees nothing of the connection to a target', () => {
  const fields = grouped(
    rewriteResponseHeaders([
      'Connection',
      'close, X-Internal',
      'X-Internal',
      '1',
      'Keep-Alive',
      'timeout=5',
      'Upgrade',
      'h2c',
      'Proxy-Authenticate',
      'Basic',
      'Trailer',
      'X',
      'Via',
      '1.1 inner',
      'Content-Type',
      'text/plain',
    ]),
  )
  expect(fields).toEqual({ 'content-type': ['text/plain'], via: ['1.1 inner, 1.1 raftway'] })
})

test('a length beside a transfer coding is dropped, one that Connection names is not', () => {
  const both = rewriteResponseHeaders(['Content-Length', '5', 'Transfer-Encoding', 'chunked'])
  expect(both).toEqual(['Via', '1.1 raftway'])
  const named = rewriteResponseHeaders(['Connection', 'Content-Length', 'Content-Length', '5'])
  expect(named).toEqual(['Content-Length', '5', 'Via', '1.1 raftway'])
})
