import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { api, targets } from '../support/definitions.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { startTarget, type TestTarget } from '../support/target.ts'
import { until } from '../support/until.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function named(name: string): Promise<TestTarget> {
  const started = await startTarget((_request, response) => response.end(name))
  closing.push(() => started.close())
  return started
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

async function ask(gateway: OneWorker, path = '/'): Promise<string> {
  return (await fetch(gateway.url + path)).text()
}

test('turns go on over a change that keeps the targets', async () => {
  const [a, b] = [await named('a'), await named('b')]
  const gateway = await worker(api('x', '/', targets(a.url, b.url)))
  const seen = [await ask(gateway)]
  for (let i = 0; i < 5; i++) {
    gateway.adopt(api('x', '/', { ...targets(a.url, b.url), timeouts: { idleMs: 1_000 + i } }))
    seen.push(await ask(gateway))
  }
  expect(seen).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
})

test('an upstream has no connections before its first request', async () => {
  const a = await named('a')
  const gateway = await worker(api('x', '/x', targets(a.url)), api('y', '/y', targets(a.url)))
  expect(gateway.connections.count).toBe(0)
  await ask(gateway, '/x')
  expect(gateway.connections.count).toBe(1)
  expect(gateway.upstreams.count).toBe(1)
})

test('connections are shared by upstreams and closed when the last one lets go', async () => {
  const [a, b] = [await named('a'), await named('b')]
  const gateway = await worker(api('x', '/x', targets(a.url)), api('y', '/y', targets(a.url)))
  await ask(gateway, '/x')
  await ask(gateway, '/y')
  expect(gateway.connections.count).toBe(1)
  gateway.adopt(api('x', '/x', targets(b.url)))
  expect(await ask(gateway, '/x')).toBe('b')
  expect(gateway.connections.count).toBe(2)
  gateway.remove('Api', 'y')
  expect(gateway.connections.count).toBe(1)
  gateway.remove('Api', 'x')
  expect(gateway.connections.count).toBe(0)
  expect(gateway.upstreams.count).toBe(0)
})

test('a request under way keeps the route and the target that it started with', async () => {
  let answer: () => void = () => {}
  const slow = await startTarget((_request, response) => {
    answer = () => response.end('slow')
  })
  closing.push(() => slow.close())
  const other = await named('other')
  const gateway = await worker(api('x', '/', targets(slow.url)))
  const underWay = ask(gateway)
  await until('the request', () => slow.requests.length === 1)
  gateway.adopt(api('x', '/', targets(other.url)))
  expect(await ask(gateway)).toBe('other')
  expect(gateway.connections.count).toBe(2)
  gateway.remove('Api', 'x')
  answer()
  expect(await underWay).toBe('slow')
  await until('the old connections to close', () => gateway.connections.count === 0)
})

test('least connections counts calls under way across a change', async () => {
  const held: (() => void)[] = []
  const slow = await startTarget((_request, response) => void held.push(() => response.end('slow')))
  closing.push(() => slow.close())
  const fast = await named('fast')
  const upstream = {
    balance: 'least-connections' as const,
    targets: [{ url: slow.url, weight: 2 }, { url: fast.url }],
  }
  const gateway = await worker(api('x', '/', upstream))
  const underWay = ask(gateway)
  await until('the first', () => held.length === 1)
  gateway.adopt(api('x', '/', { ...upstream, timeouts: { idleMs: 5_000 } }))
  // 1 of weight 2 under way against 0 of weight 1: the idle one, again and again.
  for (let i = 0; i < 4; i++) expect(await ask(gateway)).toBe('fast')
  held[0]?.()
  expect(await underWay).toBe('slow')
  // Both are idle again: within a round of their weights the slow one has its turn.
  const round = [ask(gateway), ask(gateway), ask(gateway)]
  await until('the slow one in turn again', () => held.length > 1)
  const release = setInterval(() => {
    for (const end of held.splice(1)) end()
  }, 1)
  expect(await Promise.all(round)).toContain('slow')
  clearInterval(release)
})

test('the same address twice is one target with both weights', async () => {
  const [a, b] = [await named('a'), await named('b')]
  const upstream = { targets: [{ url: a.url }, { url: b.url }, { url: a.url, weight: 2 }] }
  const gateway = await worker(api('x', '/', upstream))
  const seen: string[] = []
  for (let i = 0; i < 8; i++) seen.push(await ask(gateway))
  expect(seen.filter((name) => name === 'a')).toHaveLength(6)
})

test('calls beyond the connections and the queue are refused with 503 UPSTREAM_BUSY', async () => {
  const held: (() => void)[] = []
  let isHeld = true
  const slow = await startTarget((_request, response) => {
    if (isHeld) held.push(() => response.end('ok'))
    else response.end('ok')
  })
  closing.push(() => slow.close())
  const upstream = {
    ...targets(slow.url),
    keepAlive: { connectionsMax: 1 },
    retries: { attempts: 0 },
  }
  const gateway = await worker(api('x', '/', upstream))
  const limit = 1 + 1_024
  const calls = Array.from({ length: limit + 5 }, () => fetch(gateway.url))
  const busy = await until('the refusals', () => gateway.slots[SLOT.upstreamErrors + 3] === 5)
  expect(busy).toBe(true)
  isHeld = false
  for (const end of held) end()
  const statuses = (await Promise.all(calls)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 503)).toHaveLength(5)
  expect(statuses.filter((status) => status === 200)).toHaveLength(limit)
})
