/**
 * Goal: who may come in without credentials, what a Consumer and its Plans permit, and what a target is told.
 * Method: a worker with a real socket, a target that keeps the bytes that reach it, a clock that the test moves.
 */
import { describe, expect, test } from 'vitest'
import { consumer, plan, pluginBench, T0, withKey } from './support.ts'

const KEY = 'k'
const GIVEN = `X-Api-Key: ${KEY}`

describe('without credentials', () => {
  test('nobody passes, unless none are required', async () => {
    const bench = await pluginBench({ 'key-auth': {}, authentication: { require: 'none' } })
    expect((await bench.get('X-Consumer-Name: root')).status).toBe(200)
    expect(bench.reached[0]).not.toContain('X-Consumer-Name')
  })

  test('wrong credentials are refused even where none are required', async () => {
    const bench = await pluginBench({ 'key-auth': {}, authentication: { require: 'none' } })
    expect((await bench.get('X-Api-Key: wrong')).code).toBe('API_KEY_INVALID')
  })

  test('a caller is the anonymous consumer, with all that it may and may not', async () => {
    const bench = await pluginBench(
      { 'key-auth': {}, authentication: { anonymous: 'guest' } },
      consumer('guest', { plans: ['reading'] }),
      plan('reading', { access: [{ api: 'shop', methods: ['GET'] }] }),
    )
    expect((await bench.get()).status).toBe(200)
    expect(bench.reached[0]).toContain('X-Consumer-Name: guest\r\n')
    const posted = await bench.ask('POST / HTTP/1.1\r\nContent-Length: 0\r\n')
    expect([posted.status, posted.code]).toEqual([403, 'ACCESS_DENIED'])
  })

  test('an anonymous consumer that is not there lets nobody in', async () => {
    const bench = await pluginBench({ 'key-auth': {}, authentication: { anonymous: 'guest' } })
    expect((await bench.get()).code).toBe('INTERNAL')
  })
})

describe('a consumer', () => {
  test('that is disabled is refused', async () => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), enabled: false }),
    )
    const answer = await bench.get(GIVEN)
    expect([answer.status, answer.code]).toEqual([403, 'CONSUMER_DISABLED'])
  })

  test('is good up to the moment at which it expires', async () => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), expiresAt: '2026-01-01T00:00:01Z' }),
    )
    bench.nowMs = T0 + 999
    expect((await bench.get(GIVEN)).status).toBe(200)
    bench.nowMs = T0 + 1_000
    expect((await bench.get(GIVEN)).code).toBe('CONSUMER_EXPIRED')
  })

  test.each([
    [['10.0.0.0/8'], 403],
    [['10.0.0.0/8', '127.0.0.0/8'], 200],
    [['127.0.0.1'], 200],
  ])('may call from %j only: %i', async (ips, status) => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), allow: { ips } }),
    )
    expect((await bench.get(GIVEN)).status).toBe(status)
  })

  test.each([
    ['Referer: https://app.example.com/a/b', 200],
    ['Referer: HTTPS://APP.example.com/a', 200],
    ['Referer: https://app.example.com', 403],
    ['Referer: https://evil.example/?https://app.example.com/', 403],
    ['Origin: https://app.example.com', 200],
    ['Origin: https://app.example.com.evil', 403],
    ['X-None: 1', 403],
  ])('may call from its pages only: %s %i', async (field, status) => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), allow: { referers: ['https://*.example.com/*'] } }),
    )
    expect((await bench.get(GIVEN, field)).status).toBe(status)
  })
})

describe('plans', () => {
  test('permit together what each of them permits', async () => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), plans: ['read', 'other', 'missing'] }),
      plan('read', { access: [{ api: 'shop', routes: ['/'], methods: ['GET'] }] }),
      plan('other', { access: [{ api: 'elsewhere' }] }),
    )
    expect((await bench.get(GIVEN)).status).toBe(200)
    const posted = await bench.ask(`POST / HTTP/1.1\r\n${GIVEN}\r\nContent-Length: 0\r\n`)
    expect(posted.code).toBe('ACCESS_DENIED')
    bench.worker.adopt(plan('other', { access: [{ api: 'shop', methods: ['POST'] }] }))
    const again = await bench.ask(`POST / HTTP/1.1\r\n${GIVEN}\r\nContent-Length: 0\r\n`)
    expect(again.status).toBe(200)
    bench.worker.remove('Plan', 'other')
    expect((await bench.get(GIVEN)).status).toBe(200)
    bench.worker.remove('Plan', 'read')
    expect((await bench.get(GIVEN)).code).toBe('ACCESS_DENIED')
  })

  test('a plan without rules permits everything, and gives its roles', async () => {
    const bench = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey(KEY), roles: ['own'], plans: ['all'] }),
      plan('all', { roles: ['given', 'own'] }),
    )
    expect((await bench.get(GIVEN)).status).toBe(200)
    expect(bench.reached[0]).toContain('X-Consumer-Roles: own,given\r\n')
  })
})

test('the target is told in the fields that the options name, in text that cannot break out', async () => {
  const headers = {
    consumer: 'X-Who',
    labels: { team: 'X-Team' },
    metadata: { note: 'X-Note', none: 'X-None' },
  }
  const bench = await pluginBench(
    { 'key-auth': {}, authentication: { headers } },
    {
      ...consumer('ada', { ...withKey(KEY), metadata: { note: 'é\r\nX-Evil: 1' } }),
      labels: { team: 'pets' },
    },
  )
  await bench.get(GIVEN, 'X-Who: root', 'x-none: forged')
  const reached = bench.reached[0] ?? ''
  expect(reached).toContain('X-Who: ada\r\n')
  expect(reached).toContain('X-Team: pets\r\n')
  expect(reached).toContain(`X-Note: ${Buffer.from('é').toString('latin1')}  X-Evil: 1\r\n`)
  expect(reached).not.toContain('root')
  expect(reached).not.toContain('forged')
})

test('a route switches off, and replaces, what its Api has', async () => {
  const bench = await pluginBench({ 'key-auth': {} }, consumer('ada', withKey(KEY)))
  const upstream = { targets: [{ url: 'http://127.0.0.1:1' }] }
  bench.worker.adopt({
    kind: 'Api',
    name: 'other',
    spec: {
      upstream,
      plugins: { 'key-auth': {} },
      routes: [
        { path: '/open', plugins: { 'key-auth': false } },
        { path: '/own', plugins: { 'key-auth': { header: 'X-Own' } } },
        { path: '/same' },
      ],
    },
  })
  const status = async (path: string, field: string): Promise<number> =>
    (await bench.ask(`GET ${path} HTTP/1.1\r\n${field}\r\n`)).status
  // 502: it was let through, to a target that is not there.
  expect(await status('/open', 'X-A: 1')).toBe(502)
  expect(await status('/own', GIVEN)).toBe(401)
  expect(await status('/own', `X-Own: ${KEY}`)).toBe(502)
  expect(await status('/same', GIVEN)).toBe(502)
  expect(await status('/same', 'X-A: 1')).toBe(401)
})
