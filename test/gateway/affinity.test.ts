/**
 * Goal: which requests go together, and where copies go. Method: one worker and targets that say their names; mirrors
 * that are slow, broken or silent.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { reportUpstreams } from '../../gateway/upstream/report.ts'
import { api, targets } from './support/definitions.ts'
import { startOneWorker, type OneWorker } from './support/one-worker.ts'
import { deadUrl, startRawTarget, startTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function named(name: string): Promise<TestTarget> {
  const started = await startTarget((request, response) => {
    request.resume()
    request.on('end', () => response.end(name))
  })
  closing.push(() => started.close())
  return started
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

async function several(
  gateway: OneWorker,
  count: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const names: string[] = []
  for (let i = 0; i < count; i++) names.push(await (await fetch(gateway.url, { headers })).text())
  return names
}

describe('sticky sessions', () => {
  test('a cookie keeps a client with its target, and moves it only when that takes no requests', async () => {
    const [a, b] = [await named('a'), await named('b')]
    const sticky = { cookie: { name: 'route', seconds: 3_600 } }
    const upstream = { ...targets(a.url, b.url), sticky }
    const gateway = await worker(api('x', '/', upstream))
    const first = await fetch(gateway.url)
    const name = await first.text()
    const set = first.headers.get('set-cookie') ?? ''
    expect(set).toMatch(/^route=[0-9a-z]+; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
    const cookie = `theme=dark; ${set.split(';')[0]}`
    expect(new Set(await several(gateway, 6, { cookie }))).toEqual(new Set([name]))
    expect((await fetch(gateway.url, { headers: { cookie } })).headers.get('set-cookie')).toBeNull()
    // Others still take turns.
    expect(new Set(await several(gateway, 4))).toEqual(new Set(['a', 'b']))
    const away = name === 'a' ? a.url : b.url
    const weights = [a.url, b.url].map((url) => ({ url, weight: url === away ? 0 : 1 }))
    gateway.adopt(api('x', '/', { ...upstream, targets: weights }))
    const moved = await fetch(gateway.url, { headers: { cookie } })
    expect(await moved.text()).not.toBe(name)
    expect(moved.headers.get('set-cookie')).toContain('route=')
  })

  test('a header does for clients without cookies, and nonsense in it for nobody', async () => {
    const [a, b] = [await named('a'), await named('b')]
    const upstream = { ...targets(a.url, b.url), sticky: { header: 'X-Target' } }
    const gateway = await worker(api('x', '/', upstream))
    const first = await fetch(gateway.url)
    const token = first.headers.get('x-target') ?? ''
    const name = await first.text()
    expect(new Set(await several(gateway, 4, { 'X-Target': token }))).toEqual(new Set([name]))
    expect(new Set(await several(gateway, 4, { 'X-Target': 'nobody' }))).toEqual(
      new Set(['a', 'b']),
    )
  })
})

test('balance by hash sends equal keys to the same target', async () => {
  const all = [await named('a'), await named('b'), await named('c')]
  const upstream = {
    ...targets(...all.map(({ url }) => url)),
    balance: 'hash' as const,
    hashOn: { header: 'x-tenant' },
  }
  const gateway = await worker(api('x', '/', upstream))
  const met = new Set<string>()
  for (let tenant = 0; tenant < 12; tenant++) {
    const names = new Set(await several(gateway, 2, { 'x-tenant': `t${tenant}` }))
    expect(names.size).toBe(1)
    for (const name of names) met.add(name)
  }
  expect(met.size).toBe(3)
  // Without the header, by the address of the client: always the same one here.
  expect(new Set(await several(gateway, 4)).size).toBe(1)
})

describe('a split', () => {
  function canary(
    stable: TestTarget,
    next: TestTarget,
    on?: { readonly cookie: string },
  ): DefinitionInput {
    const branches = [
      {
        upstream: targets(next.url),
        weight: 1,
        when: { headers: { 'x-canary': 'yes' }, cookies: { canary: 'on' } },
      },
      { upstream: targets(stable.url), weight: 3 },
    ]
    const split = { branches, ...(on === undefined ? {} : { on }) }
    return { kind: 'Api', name: 'x', spec: { routes: [{ path: '/', split }] } }
  }

  test('goes by header and cookie, and by weight', async () => {
    const [stable, next] = [await named('stable'), await named('next')]
    const gateway = await worker(canary(stable, next))
    const asked = { 'x-canary': 'yes', cookie: 'a=b; canary=on' }
    expect(new Set(await several(gateway, 5, asked))).toEqual(new Set(['next']))
    const names = await several(gateway, 200)
    const share = names.filter((name) => name === 'next').length / 200
    expect(share).toBeGreaterThan(0.12)
    expect(share).toBeLessThan(0.4)
  })

  test('keeps who belongs together on one branch', async () => {
    const [stable, next] = [await named('stable'), await named('next')]
    const gateway = await worker(canary(stable, next, { cookie: 'user' }))
    const met = new Set<string>()
    for (let user = 0; user < 30; user++) {
      const names = new Set(await several(gateway, 3, { cookie: `user=u${user}` }))
      expect(names.size).toBe(1)
      for (const name of names) met.add(name)
    }
    expect(met.size).toBe(2)
  })
})

describe('a mirror', () => {
  function mirrored(main: TestTarget, copy: string, percent = 100): DefinitionInput {
    const mirror = { upstream: { ...targets(copy), retries: { attempts: 0 } }, percent }
    const spec = { routes: [{ path: '/', mirror }], upstream: targets(main.url) }
    return { kind: 'Api', name: 'x', spec }
  }

  function dropped(gateway: OneWorker): number {
    const all = reportUpstreams(gateway.upstreams.all(), performance.now())
    return all.find(({ upstream }) => upstream === 'Api/x/0/mirror')?.mirrorsDropped ?? 0
  }

  test('gets the same request with the same body, and its answer goes nowhere', async () => {
    const main = await named('main')
    const bodies: Buffer[] = []
    const copy = await startTarget((request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk))
      request.on('end', () => {
        response.statusCode = 500
        response.end('copy')
      })
    })
    closing.push(() => copy.close())
    const gateway = await worker(mirrored(main, copy.url))
    const body = Buffer.alloc(200_000, 'ab')
    const answer = await fetch(`${gateway.url}/p?q=1`, { method: 'POST', body })
    expect([answer.status, await answer.text()]).toEqual([200, 'main'])
    await until('the copy', () => Buffer.concat(bodies).length === body.length)
    expect(Buffer.concat(bodies).equals(body)).toBe(true)
    const [one, other] = [main.requests[0], copy.requests[0]]
    expect(other?.method).toBe('POST')
    expect(other?.url).toBe('/p?q=1')
    expect(other?.headers['x-request-id']).toBe(one?.headers['x-request-id'])
    expect(other?.headers['content-length']).toBe('200000')
  })

  test('of a share gets that share', async () => {
    const [main, copy] = [await named('main'), await named('copy')]
    const gateway = await worker(mirrored(main, copy.url, 25))
    await several(gateway, 200)
    expect(main.requests).toHaveLength(200)
    await until('the copies', () => copy.requests.length > 24)
    expect(copy.requests.length).toBeLessThan(80)
  })

  test('that is dead, silent or slow changes nothing for clients', async () => {
    const main = await named('main')
    const gateway = await worker(mirrored(main, await deadUrl()))
    expect(await several(gateway, 5)).toEqual(Array(5).fill('main'))
    await until('the failures', () => dropped(gateway) === 5)
    // Takes a connection and never a byte: the copy of a large body is given up, the body itself arrives.
    const silent = await startRawTarget((socket) => socket.pause())
    closing.push(() => silent.close())
    gateway.adopt(mirrored(main, silent.url))
    const answer = await fetch(gateway.url, { method: 'PUT', body: Buffer.alloc(20_000_000) })
    expect(await answer.text()).toBe('main')
    await until('the copy to be given up', () => dropped(gateway) === 6)
    expect(await several(gateway, 3)).toEqual(Array(3).fill('main'))
  })
})
