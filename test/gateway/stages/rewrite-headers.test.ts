import { expect, test } from 'vitest'
import type { Exchange } from '../../../gateway/exchange.ts'
import type { Fields } from '../../../gateway/http1/fields.ts'
import { HeadReader } from '../../../gateway/http1/head-reader.ts'
import { ResponseHead } from '../../../gateway/http1/response-head.ts'
import { RequestIds } from '../../../gateway/request-id.ts'
import { rewriteRequest } from '../../../gateway/stages/rewrite-request.ts'
import { rewriteResponse, rewriteUpgrade } from '../../../gateway/stages/rewrite-response.ts'

const MOMENT = 'Tue, 15 Nov 1994 08:12:31 GMT'
const httpDate = (): string => MOMENT

/** Fields of name, value, name, value …, as they come out of a parsed head. */
function fieldsOf(list: readonly string[]): Fields {
  const head = new ResponseHead()
  let text = 'HTTP/1.1 200 OK\r\n'
  for (let at = 0; at < list.length; at += 2) text += `${list[at]}: ${list[at + 1]}\r\n`
  const bytes = Buffer.from(`${text}\r\n`, 'latin1')
  expect(new HeadReader(head).read(bytes, 0, bytes.length)).toBe(bytes.length)
  return head.fields
}

/** name, value, name, value … of field lines. */
function listOf(lines: string): string[] {
  return lines
    .split('\r\n')
    .slice(0, -1)
    .flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
}

function exchangeOf(headers: readonly string[]): Exchange {
  return {
    fields: fieldsOf(headers),
    clientAddress: '192.0.2.7',
    peerAddress: '192.0.2.7',
    authority: 'api.example.com:8080',
    localPort: 8080,
    isTls: false,
  } as unknown as Exchange
}

function rewritten(headers: readonly string[]): Record<string, string[]> {
  return grouped(listOf(rewriteRequest(exchangeOf(headers), new RequestIds()).lines))
}

function answered(headers: readonly string[]): string[] {
  return listOf(rewriteResponse(fieldsOf(headers), httpDate))
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

test('nor does the coding of the connection', () => {
  const fields = rewritten(['Transfer-Encoding', 'chunked', 'X-Kept', '3'])
  expect(Object.keys(fields)).not.toContain('transfer-encoding')
  expect(fields['x-kept']).toEqual(['3'])
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
  const exchange = exchangeOf(['B', '1', 'a', '2', 'B', '3'])
  const { lines } = rewriteRequest(exchange, new RequestIds())
  expect(listOf(lines).slice(0, 6)).toEqual(['B', '1', 'a', '2', 'B', '3'])
  const answer = answered(['Set-Cookie', 'a', 'Date', 'x', 'X', '1', 'Set-Cookie', 'b'])
  expect(answer).toEqual([
    'Set-Cookie',
    'a',
    'Date',
    'x',
    'X',
    '1',
    'Set-Cookie',
    'b',
    'Via',
    '1.1 raftway',
  ])
})

test('a client sees nothing of the connection to a target', () => {
  const fields = grouped(
    answered([
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
  expect(fields).toEqual({
    'content-type': ['text/plain'],
    date: [MOMENT],
    via: ['1.1 inner, 1.1 raftway'],
  })
})

test('what frames a message is told anew, and nothing that Connection names brings it back or takes it away', () => {
  const own = ['Date', MOMENT, 'Via', '1.1 raftway']
  expect(answered(['Transfer-Encoding', 'chunked'])).toEqual(own)
  expect(answered(['Content-Length', '5'])).toEqual(own)
  expect(answered(['Connection', 'Content-Length, Via, Date', 'Content-Length', '5'])).toEqual(own)
})

test('a target that says its Date is left with it', () => {
  expect(answered(['dAtE', 'today'])).toEqual(['dAtE', 'today', 'Via', '1.1 raftway'])
})

test('the answer that changes the protocol names it', () => {
  const fields = fieldsOf(['Upgrade', 'websocket', 'Connection', 'Upgrade', 'X', '1'])
  expect(listOf(rewriteUpgrade(fields, 'echo', httpDate))).toEqual([
    'X',
    '1',
    'Date',
    MOMENT,
    'Via',
    '1.1 raftway',
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
  ])
})

test('an answer that names no protocol is for the one that was asked for', () => {
  const lines = rewriteUpgrade(fieldsOf(['X', '1']), 'websocket', httpDate)
  expect(lines.endsWith('Connection: Upgrade\r\nUpgrade: websocket\r\n')).toBe(true)
})
