/**
 * Goal: who may ask how often, what they are told of it, and that the instants and headers of API Umbrella hold.
 * Method: a worker with a real socket, a target that keeps the bytes that reach it, a clock that the test moves.
 */
import { describe, expect, test } from 'vitest'
import type { ConsumerSpec } from '../../../shared/definitions/consumer.ts'
import type { RateLimitOptions } from '../../../shared/plugins/rate-limit.ts'
import { api, targets } from '../support/definitions.ts'
import { startOneWorker } from '../support/one-worker.ts'
import { sendRaw } from '../support/raw-client.ts'
import { startRawTarget } from '../support/target.ts'
import { until } from '../support/until.ts'
import { consumer, golden, plan, pluginBench, withKey, type PluginBench } from './support.ts'

const HOUR = 3_600_000
const KEY = 'X-Api-Key: k'
const TEN_AN_HOUR = { name: 'hour', limit: 10, windowMs: HOUR }

type Limit = NonNullable<RateLimitOptions['limits']>[number]

/** Callers with and without a key, and these limits. */
async function limited(
  limits: readonly Limit[],
  headers: RateLimitOptions['headers'] = 'both',
  ada = withKey('k'),
): Promise<PluginBench> {
  return pluginBench(
    {
      'key-auth': {},
      authentication: { require: 'none' },
      'rate-limit': { limits: [...limits], headers },
    },
    consumer('ada', ada),
    consumer('bob', withKey('other')),
  )
}

async function times(
  n: number,
  ask: () => Promise<{ readonly status: number }>,
): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < n; i++) statuses.push((await ask()).status)
  return statuses
}

function fieldOf(head: string, name: string): string | null {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? null
}

/** The n-th of several requests, and those before it. */
async function nth(bench: PluginBench, n: number): ReturnType<PluginBench['get']> {
  await times(n - 1, () => bench.get(KEY))
  return bench.get(KEY)
}

describe('ten an hour, as API Umbrella counts them', () => {
  const at = (time: string): number => Date.parse(`2013-01-01T${time}Z`)

  test.each([
    [{ '01:27:00': 429 }],
    [{ '01:59:59': 429 }],
    [{ '02:00:00': 429 }],
    [{ '02:00:01': 200 }],
    [{ '02:05:59': 200, '02:06:00': 429 }],
    [{ '02:27:00': 200 }],
  ])('ten at 01:27, then %j', async (after) => {
    const bench = await limited([TEN_AN_HOUR])
    bench.nowMs = at('01:27:00')
    expect(await times(10, () => bench.get(KEY))).toEqual(Array.from({ length: 10 }, () => 200))
    for (const [time, status] of Object.entries(after)) {
      bench.nowMs = at(time)
      const answer = await bench.get(KEY)
      const code = status === 429 ? 'OVER_RATE_LIMIT' : null
      expect([time, answer.status, answer.code]).toEqual([time, status, code])
    }
  })

  test('a wait that was told is long enough, and no longer than it must be', async () => {
    const bench = await limited([TEN_AN_HOUR])
    bench.nowMs = at('01:27:00')
    const { head } = await nth(bench, 11)
    const seconds = Number(fieldOf(head, 'Retry-After'))
    expect(seconds).toBe(33 * 60 + 1)
    bench.nowMs = at('01:27:00') + seconds * 1_000 - 1_000
    expect((await bench.get(KEY)).status).toBe(429)
    bench.nowMs += 1_000
    expect((await bench.get(KEY)).status).toBe(200)
  })
})

describe('several limits', () => {
  const LIMITS = [{ name: 'seconds', limit: 3, windowMs: 10_000 }, TEN_AN_HOUR]

  test('are counted down, never below 0, and refused requests are not counted', async () => {
    const bench = await limited(LIMITS, 'x-ratelimit')
    const remaining: (string | number | null)[][] = []
    for (let i = 0; i < 5; i++) {
      const { status, head } = await bench.get(KEY)
      remaining.push([status, fieldOf(head, 'X-RateLimit-Remaining')])
      expect(fieldOf(head, 'X-RateLimit-Limit')).toBe('3')
    }
    expect(remaining).toEqual([
      [200, '2'],
      [200, '1'],
      [200, '0'],
      [429, '0'],
      [429, '0'],
    ])
    // Seven refusals, and ten seconds later it goes on.
    expect(await times(5, () => bench.get(KEY))).toEqual([429, 429, 429, 429, 429])
    bench.nowMs += 20_000
    expect((await bench.get(KEY)).status).toBe(200)
  })

  test('are all told of, each with what is left and until when', async () => {
    const bench = await limited(LIMITS, 'both')
    const { head } = await bench.get(KEY)
    expect(fieldOf(head, 'RateLimit-Policy')).toBe('"seconds";q=3;w=10, "hour";q=10;w=3600')
    expect(fieldOf(head, 'RateLimit')).toBe('"seconds";r=2;t=10, "hour";r=9;t=3600')
    expect(fieldOf(head, 'X-RateLimit-Reset')).toBe('10')
    bench.nowMs += 4_000
    expect(fieldOf((await bench.get(KEY)).head, 'RateLimit')).toBe(
      '"seconds";r=1;t=6, "hour";r=8;t=3596',
    )
  })

  test('X-RateLimit tells of the one that is to be shown', async () => {
    const bench = await limited([LIMITS[0] ?? TEN_AN_HOUR, { ...TEN_AN_HOUR, shown: true }])
    const { head } = await bench.get(KEY)
    expect(fieldOf(head, 'X-RateLimit-Limit')).toBe('10')
    expect(fieldOf(head, 'X-RateLimit-Remaining')).toBe('9')
    expect(fieldOf((await nth(bench, 3)).head, 'X-RateLimit-Remaining')).toBe('0')
  })

  test.each([
    ['none', false, false],
    ['ratelimit', true, false],
    ['x-ratelimit', false, true],
  ] as const)('headers %s', async (headers, hasNew, hasOld) => {
    const { head } = await (await limited(LIMITS, headers)).get(KEY)
    expect([head.includes('RateLimit-Policy'), head.includes('X-RateLimit-Limit')]).toEqual([
      hasNew,
      hasOld,
    ])
  })
})

describe('whose requests count together', () => {
  const one = { name: 'a', limit: 1, windowMs: HOUR }

  test.each<[readonly Limit[], readonly number[]]>([
    // What API Umbrella calls ip_fallback, and all: a key apart, everybody without one by address.
    [[one], [200, 429, 200, 429, 200]],
    // ip_only: a limit by key is not for those without one.
    [[{ ...one, absent: 'skip' }], [200, 429, 200, 200, 200]],
    // A limit by address is for everybody from there,
    [[{ ...one, by: 'ip' }], [200, 429, 429, 429, 429]],
    // or, with api_key_only, not for those with a key.
    [[{ ...one, by: 'ip', authenticated: 'skip' }], [200, 200, 200, 429, 200]],
    [[{ ...one, by: 'api' }], [200, 429, 429, 429, 429]],
    [[{ ...one, by: ['key', 'route'] }], [200, 429, 200, 429, 200]],
  ])('%j: two of ada, two of nobody, one of bob: %j', async (limits, statuses) => {
    const bench = await limited(limits)
    const got = [
      ...(await times(2, () => bench.get(KEY))),
      ...(await times(2, () => bench.get())),
      ...(await times(1, () => bench.get('X-Api-Key: other'))),
    ]
    expect(got).toEqual(statuses)
  })

  test('a header, whatever the case of its name; an address where it is not given', async () => {
    const bench = await limited([{ ...one, by: { header: 'X-Tenant' } }])
    const got = ['x-tenant: a', 'X-Tenant: a', 'X-Tenant: b', 'X-None: 1', 'X-None: 1']
    const statuses: number[] = []
    for (const field of got) statuses.push((await bench.get(field)).status)
    expect(statuses).toEqual([200, 429, 200, 200, 429])
  })

  test('a header that reads like the address of others is not their address', async () => {
    const bench = await limited([{ ...one, by: { header: 'X-Tenant' } }])
    expect((await bench.get('X-Tenant: 127.0.0.1')).status).toBe(200)
    expect((await bench.get()).status).toBe(200)
  })
})

describe('who is exempt', () => {
  const none = { name: 'a', limit: 0, windowMs: HOUR }

  test.each([
    [{ consumers: ['ada'] }, 200],
    [{ consumers: ['bob'] }, 429],
    [{ networks: ['127.0.0.0/8'] }, 200],
    [{ networks: ['10.0.0.0/8'] }, 429],
    [{ roles: ['staff'] }, 200],
    [{ roles: ['guest'] }, 429],
  ])('%j: %i', async (exempt, status) => {
    const bench = await limited([{ ...none, exempt }], 'both', {
      ...withKey('k'),
      roles: ['staff'],
    })
    expect((await bench.get(KEY)).status).toBe(status)
  })

  test('is whoever has one of the labels', async () => {
    const limits = [{ ...none, exempt: { labels: { tier: 'internal', team: 'x' } } }]
    const bench = await pluginBench(
      { 'key-auth': {}, 'rate-limit': { limits } },
      { ...consumer('ada', withKey('k')), labels: { tier: 'internal' } },
      { ...consumer('bob', withKey('other')), labels: { tier: 'public' } },
    )
    expect((await bench.get(KEY)).status).toBe(200)
    expect((await bench.get('X-Api-Key: other')).status).toBe(429)
  })
})

describe('limits of callers', () => {
  const limits = [{ name: 'a', limit: 1, windowMs: HOUR }]
  const gold = plan('gold', { limits: [{ name: 'a', limit: 3, windowMs: HOUR }] })

  async function bench(spec: ConsumerSpec): Promise<PluginBench> {
    return pluginBench(
      { 'key-auth': {}, 'rate-limit': { limits } },
      consumer('ada', { ...withKey('k'), ...spec }),
      gold,
      plan('more', { limits: [{ name: 'b', limit: 2, windowMs: HOUR }] }),
      plan('free', { priority: 1, limits: [{ name: 'a', unlimited: true }] }),
    )
  }

  test.each<[string, ConsumerSpec, number]>([
    ['none: the route’s', {}, 1],
    ['of a Plan in place of the route’s', { plans: ['gold'] }, 3],
    [
      'its own in place of its Plan’s',
      { plans: ['gold'], limits: [{ name: 'a', limit: 2, windowMs: HOUR }] },
      2,
    ],
    ['a further one of a Plan applies, too', { plans: ['gold', 'more'] }, 2],
    ['of the Plan with priority', { plans: ['gold', 'free'] }, 5],
  ])('%s', async (_, spec, admitted) => {
    const asked = await bench(spec)
    const got = await times(5, () => asked.get(KEY))
    expect(got.filter((status) => status === 200)).toHaveLength(admitted)
  })

  test('unlimited has no headers', async () => {
    const { head, status } = await (await bench({ plans: ['free'] })).get(KEY)
    expect(status).toBe(200)
    expect(head).not.toMatch(/ratelimit/i)
  })

  test('that are of no route hold on all routes that know their callers, together', async () => {
    const ask = await pluginBench(
      { 'key-auth': {} },
      consumer('ada', { ...withKey('k'), plans: ['more'] }),
      plan('more', { limits: [{ name: 'b', limit: 2, windowMs: HOUR }] }),
    )
    ask.worker.adopt(
      api('cart', '/cart/', targets('http://127.0.0.1:1'), { plugins: { 'key-auth': {} } }),
    )
    expect((await ask.get(KEY)).status).toBe(200)
    expect((await ask.ask(`GET /cart/ HTTP/1.1\r\n${KEY}\r\n`)).status).toBe(502)
    expect((await ask.get(KEY)).status).toBe(429)
  })
})

describe('where limits count', () => {
  const limit = { name: 'a', limit: 2, windowMs: HOUR, by: 'ip' as const }

  /** Two routes of one Api, and another Api, with limits of one name. */
  async function statuses(own: Partial<Limit>): Promise<Record<string, number>> {
    const bench = await pluginBench({ 'rate-limit': { limits: [{ ...limit, ...own }] } })
    const upstream = targets('http://127.0.0.1:1')
    const search = { 'rate-limit': { limits: [{ ...limit, ...own }] } }
    bench.worker.adopt(api('other', '/other/', upstream, { plugins: search }), {
      kind: 'Api',
      name: 'two',
      spec: {
        routes: [{ path: '/one/' }, { path: '/search/', plugins: search }, { path: '/three/' }],
        upstream,
        plugins: { 'rate-limit': { limits: [limit] } },
      },
    })
    await bench.ask('GET /one/ HTTP/1.1\r\n')
    await bench.ask('GET /search/ HTTP/1.1\r\n')
    await bench.ask('GET /three/ HTTP/1.1\r\n')
    const got: Record<string, number> = {}
    for (const path of ['/one/', '/search/', '/other/']) {
      got[path] = (await bench.ask(`GET ${path} HTTP/1.1\r\n`)).status
    }
    return got
  }

  test('is the Api for its routes, and the route for its own ones', async () => {
    expect(await statuses({})).toEqual({ '/one/': 429, '/search/': 502, '/other/': 502 })
  })

  test('is a bucket that several name', async () => {
    // One of /search/ before, one more, and then the other Api.
    expect(await statuses({ bucket: 'shared' })).toEqual({
      '/one/': 429,
      '/search/': 502,
      '/other/': 429,
    })
  })
})

describe('what a request costs', () => {
  const limit = { name: 'a', limit: 10, windowMs: HOUR }

  test.each([
    [{ ...limit, cost: 4 }, 'X-None: 1', '6'],
    [{ ...limit, cost: { header: 'X-Cost', max: 5 } }, 'X-Cost: 3', '7'],
    [{ ...limit, cost: { header: 'X-Cost', max: 5 } }, 'X-Cost: 500', '5'],
    [{ ...limit, cost: { header: 'X-Cost', max: 5 } }, 'X-Cost: 0', '9'],
    [{ ...limit, cost: { header: 'X-Cost', max: 5 } }, 'X-Cost: -3', '9'],
    [{ ...limit, cost: { header: 'X-Cost', max: 5, default: 2 } }, 'X-None: 1', '8'],
  ])('%j with %s leaves %s', async (given, field, left) => {
    const { head } = await (await limited([given])).get(KEY, field)
    expect(fieldOf(head, 'X-RateLimit-Remaining')).toBe(left)
  })

  test('more than the limit never passes', async () => {
    const bench = await limited([{ ...limit, cost: 11 }])
    const { status, head } = await bench.get(KEY)
    expect([status, fieldOf(head, 'Retry-After')]).toEqual([429, '3600'])
  })
})

test('a token bucket gives its burst, and what comes back', async () => {
  const bucket = {
    name: 'a',
    limit: 1,
    windowMs: 1_000,
    algorithm: 'token-bucket',
    burst: 3,
  } as const
  const bench = await limited([bucket])
  expect(await times(4, () => bench.get(KEY))).toEqual([200, 200, 200, 429])
  bench.nowMs += 1_000
  const { head } = await bench.get(KEY)
  expect(fieldOf(head, 'RateLimit-Policy')).toBe('"a";q=3;w=1')
  expect(fieldOf(head, 'RateLimit')).toBe('"a";r=0;t=3')
  expect((await bench.get(KEY)).status).toBe(429)
})

test('a fixed window forgets at its end', async () => {
  const bench = await limited([
    { name: 'a', limit: 1, windowMs: 1_000, algorithm: 'fixed-window', scope: 'worker' },
  ])
  bench.nowMs += 999
  expect(await times(2, () => bench.get(KEY))).toEqual([200, 429])
  bench.nowMs += 1
  expect(await times(2, () => bench.get(KEY))).toEqual([200, 429])
})

test('concurrency is over with the request: answered, or given up by its client', async () => {
  const answers: (() => void)[] = []
  const target = await startRawTarget((socket) => {
    answers.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  const limits = [{ name: 'a', limit: 1, algorithm: 'concurrency' } as const]
  const worker = await startOneWorker(
    api('shop', '/', targets(target.url), { plugins: { 'rate-limit': { limits } } }),
  )
  const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  try {
    const first = sendRaw(worker.port, request)
    await until('the first to be under way', () => answers.length === 1)
    const refused = await sendRaw(worker.port, request)
    expect(refused).toMatch(/^HTTP\/1.1 429 /)
    expect(refused).toContain('RateLimit-Policy: "a";q=1;qu="concurrent-requests"\r\n')
    expect(refused).toContain('Retry-After: 1\r\n')
    answers[0]?.()
    expect(await first).toMatch(/^HTTP\/1.1 200 /)
    const leaving = new AbortController()
    const left = fetch(worker.url, { signal: leaving.signal }).catch(() => null)
    await until('the second to be under way', () => answers.length === 2)
    leaving.abort()
    await left
    const third = await until('the second to be over', async () => {
      const answer = sendRaw(worker.port, request)
      const refusal = answer.then((text) => text.startsWith('HTTP/1.1 429 '))
      const isIn = until('it to be under way', () => answers.length === 3).then(() => false)
      return (await Promise.race([refusal, isIn])) ? null : { answer }
    })
    answers[2]?.()
    expect(await third.answer).toMatch(/^HTTP\/1.1 200 /)
  } finally {
    await worker.stop()
    await target.close()
  }
})

test('the target sees nothing of it', async () => {
  const bench = await pluginBench({ 'rate-limit': { limits: [TEN_AN_HOUR], headers: 'both' } })
  await bench.get('X-Other: 1')
  expect(golden(bench.reached[0])).toBe(
    'GET / HTTP/1.1\nHost: shop.example\nX-Other: 1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\n' +
      'X-Forwarded-Host: shop.example\nX-Forwarded-Port: *\nX-Request-Id: *\nVia: 1.1 raftway\n\n',
  )
})

test('counters outlive a change of their limit', async () => {
  const bench = await limited([{ ...TEN_AN_HOUR, limit: 2 }])
  expect(await times(3, () => bench.get(KEY))).toEqual([200, 200, 429])
  const limits = [{ ...TEN_AN_HOUR, limit: 3 }]
  bench.worker.adopt(
    api('shop', '/', targets('http://127.0.0.1:1'), {
      plugins: { 'key-auth': {}, 'rate-limit': { limits } },
    }),
  )
  expect(await times(2, () => bench.get(KEY))).toEqual([502, 429])
})

test('answers that no target gave tell of limits, too', async () => {
  const bench = await pluginBench({ 'rate-limit': { limits: [TEN_AN_HOUR] } })
  const plugins = { 'rate-limit': { limits: [TEN_AN_HOUR] } }
  bench.worker.adopt(api('gone', '/gone/', targets('http://127.0.0.1:1'), { plugins }))
  const { status, head } = await bench.ask('GET /gone/ HTTP/1.1\r\n')
  expect([status, fieldOf(head, 'RateLimit')]).toEqual([502, '"hour";r=9;t=3600'])
})
