/**
 * Goal: key-auth knows callers by their keys, wherever these may stand, and no key reaches a target.
 * Method: a worker with a real socket, a target that keeps the bytes that reach it, a clock that the test moves.
 */
import { describe, expect, test } from 'vitest'
import { consumer, golden, pluginBench, T0, withKey } from './support.ts'

const KEY = 'rwk_0123456789'

test('a key that is known lets pass; what reaches the target', async () => {
  const bench = await pluginBench(
    { 'key-auth': {} },
    consumer('ada', { ...withKey(KEY), roles: ['reader', 'writer'] }),
  )
  const answer = await bench.ask(
    `GET /a?b=1 HTTP/1.1\r\nX-Api-Key: ${KEY}\r\nX-Consumer-Name: root\r\nX-CONSUMER-ROLES: admin\r\nX-Other: 1\r\n`,
  )
  expect(answer.status).toBe(200)
  expect(golden(bench.reached[0])).toBe(
    [
      'GET /a?b=1 HTTP/1.1',
      'Host: shop.example',
      'X-Other: 1',
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Port: *',
      'X-Request-Id: *',
      'Via: 1.1 raftway',
      'X-Consumer-Name: ada',
      'X-Consumer-Credential: main',
      'X-Consumer-Roles: reader,writer',
      '',
      '',
    ].join('\n'),
  )
})

test.each([
  ['no key', [], 401, 'API_KEY_MISSING'],
  ['an empty key', ['X-Api-Key:'], 401, 'API_KEY_MISSING'],
  ['an unknown key', ['X-Api-Key: nobody'], 401, 'API_KEY_INVALID'],
  ['the hash of a key', [`X-Api-Key: ${'0'.repeat(64)}`], 401, 'API_KEY_INVALID'],
  ['a key that is too long', [`X-Api-Key: ${KEY.repeat(100)}`], 401, 'API_KEY_INVALID'],
  ['two keys', [`X-Api-Key: ${KEY}`, `X-Api-Key: ${KEY}`], 401, 'API_KEY_INVALID'],
])('%s is refused', async (_what, fields, status, code) => {
  const bench = await pluginBench({ 'key-auth': {} }, consumer('ada', withKey(KEY)))
  const answer = await bench.get(...fields)
  expect([answer.status, answer.code]).toEqual([status, code])
  expect(answer.head).toContain('WWW-Authenticate: ApiKey')
  expect(bench.reached).toEqual([])
})

describe('the places of a key', () => {
  const everywhere = {
    header: 'X-Key',
    query: 'key',
    cookie: 'key',
    basic: true,
  }

  test.each([
    ['the header', 'GET /a HTTP/1.1', `X-Key: ${KEY}`],
    ['the header as a bearer token', 'GET /a HTTP/1.1', `x-key: Bearer  ${KEY}`],
    ['the query', `GET /a?key=${KEY} HTTP/1.1`, 'X-A: 1'],
    ['the query, escaped', `GET /a?k%65y=${KEY.replace('_', '%5f')} HTTP/1.1`, 'X-A: 1'],
    ['a cookie', 'GET /a HTTP/1.1', `Cookie: a=1; key=${KEY}; b=2`],
    ['the user name', 'GET /a HTTP/1.1', `Authorization: bAsIc  ${basic(`${KEY}:x`)}`],
  ])('%s', async (_place, line, field) => {
    const bench = await pluginBench({ 'key-auth': everywhere }, consumer('ada', withKey(KEY)))
    const answer = await bench.ask(`${line}\r\n${field}\r\n`)
    expect(answer.status).toBe(200)
    const reached = bench.reached[0] ?? ''
    expect(reached).toContain('X-Consumer-Name: ada')
    expect(reached).not.toContain(KEY)
    expect(reached).not.toContain(KEY.replace('_', '%5f'))
    expect(reached.toLowerCase()).not.toContain('authorization')
  })

  test('header before query before cookie before user name', async () => {
    const bench = await pluginBench(
      { 'key-auth': everywhere },
      ...['header', 'query', 'cookie', 'basic'].map((name) => consumer(name, withKey(`k-${name}`))),
    )
    const rest = [`Cookie: key=k-cookie`, `Authorization: Basic ${basic('k-basic:')}`]
    await bench.ask(`GET /?key=k-query HTTP/1.1\r\nX-Key: k-header\r\n${rest.join('\r\n')}\r\n`)
    await bench.ask(`GET /?key=k-query HTTP/1.1\r\n${rest.join('\r\n')}\r\n`)
    await bench.ask(`GET / HTTP/1.1\r\n${rest.join('\r\n')}\r\n`)
    await bench.ask(`GET / HTTP/1.1\r\n${rest[1]}\r\n`)
    const names = bench.reached.map((each) => /X-Consumer-Name: (.*)\r/.exec(each)?.[1])
    expect(names).toEqual(['header', 'query', 'cookie', 'basic'])
  })

  test('what is no key stays, in its order', async () => {
    const bench = await pluginBench({ 'key-auth': everywhere }, consumer('ada', withKey(KEY)))
    await bench.ask(
      `GET /a?z=1&key=${KEY}&b=%20&key=other&a= HTTP/1.1\r\nCookie: one=1; key=${KEY}; two=2\r\n`,
    )
    expect(bench.reached[0]).toContain('GET /a?z=1&b=%20&a= HTTP/1.1')
    expect(bench.reached[0]).toContain('Cookie: one=1; two=2\r\n')
  })

  test('keep leaves the key where it is', async () => {
    const bench = await pluginBench(
      { 'key-auth': { ...everywhere, keep: true } },
      consumer('ada', withKey(KEY)),
    )
    await bench.get(`X-Key: ${KEY}`)
    expect(bench.reached[0]).toContain(`X-Key: ${KEY}`)
  })

  test.each([
    ['no colon', basic(KEY)],
    ['no base64', '%%%'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x3a]).toString('base64')],
    ['nothing', ''],
  ])('basic authentication with %s is no key', async (_what, value) => {
    const bench = await pluginBench({ 'key-auth': everywhere }, consumer('ada', withKey(KEY)))
    expect((await bench.get(`Authorization: Basic ${value}`)).code).toBe('API_KEY_MISSING')
  })
})

test('a key is good up to the moment at which it expires', async () => {
  const bench = await pluginBench(
    { 'key-auth': {} },
    consumer('ada', withKey(KEY, { expiresAt: '2026-01-01T00:00:01Z' })),
  )
  bench.nowMs = T0 + 999
  expect((await bench.get(`X-Api-Key: ${KEY}`)).status).toBe(200)
  bench.nowMs = T0 + 1_000
  expect((await bench.get(`X-Api-Key: ${KEY}`)).code).toBe('API_KEY_EXPIRED')
})

test('a key that is disabled, and one that is revoked, are refused from the change on', async () => {
  const bench = await pluginBench({ 'key-auth': {} }, consumer('ada', withKey(KEY)))
  expect((await bench.get(`X-Api-Key: ${KEY}`)).status).toBe(200)
  bench.worker.adopt(consumer('ada', withKey(KEY, { enabled: false })))
  expect((await bench.get(`X-Api-Key: ${KEY}`)).code).toBe('API_KEY_DISABLED')
  bench.worker.adopt(consumer('ada', withKey(KEY)))
  expect((await bench.get(`X-Api-Key: ${KEY}`)).status).toBe(200)
  bench.worker.adopt(consumer('ada'))
  expect((await bench.get(`X-Api-Key: ${KEY}`)).code).toBe('API_KEY_INVALID')
})

test('a consumer has several keys, and its removal takes all of them', async () => {
  const [first, second] = [withKey('one'), withKey('two')]
  const keys = [first, second].flatMap(({ credentials }) => credentials?.keys ?? [])
  const bench = await pluginBench({ 'key-auth': {} }, consumer('ada', { credentials: { keys } }))
  for (const key of ['one', 'two']) expect((await bench.get(`X-Api-Key: ${key}`)).status).toBe(200)
  bench.worker.remove('Consumer', 'ada')
  for (const key of ['one', 'two']) expect((await bench.get(`X-Api-Key: ${key}`)).status).toBe(401)
})

function basic(text: string): string {
  return Buffer.from(text).toString('base64')
}
