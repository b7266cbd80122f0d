/** Goal: which targets get requests. Method: one worker, real targets that are ill and get well again. */
import { afterEach, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import type { UpstreamSpec } from '../../shared/definitions/upstream.ts'
import { reportUpstreams, type TargetReport } from '../../gateway/upstream/report.ts'
import { api, targets } from './support/definitions.ts'
import { startOneWorker, type OneWorker } from './support/one-worker.ts'
import { deadUrl, startTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Patient = TestTarget & { status: number }

/** Answers with its name, and with its status, to checks and to clients. */
async function patient(name: string): Promise<Patient> {
  const state = { status: 200 }
  const target = await startTarget((request, response) => {
    response.statusCode = state.status
    response.end(request.url === '/healthz' ? 'checked' : name)
  })
  closing.push(() => target.close())
  return Object.assign(state, target)
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

async function answers(gateway: OneWorker, count: number): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let i = 0; i < count; i++) seen.add(await (await fetch(gateway.url)).text())
  return seen
}

function report(gateway: OneWorker, url: string): TargetReport | undefined {
  const all = reportUpstreams(gateway.upstreams.all(), performance.now())
  return all.flatMap((upstream) => upstream.targets).find((target) => target.url === url)
}

const CHECKED = {
  health: { active: { path: '/healthz', intervalMs: 50, unhealthyAfter: 2, healthyAfter: 2 } },
} satisfies Partial<UpstreamSpec>

test('checks begin with the config, take out a target that is ill, and bring it back', async () => {
  const [a, b] = [await patient('a'), await patient('b')]
  a.status = 503
  const gateway = await worker(api('x', '/', { ...targets(a.url, b.url), ...CHECKED }))
  await until('a to be down', () => report(gateway, a.url)?.state === 'down')
  expect(report(gateway, a.url)?.lastCheck).toMatchObject({ failure: 'status 503' })
  expect(await answers(gateway, 6)).toEqual(new Set(['b']))
  a.status = 200
  await until('a to be up', () => report(gateway, a.url)?.state === 'up')
  expect(await answers(gateway, 6)).toEqual(new Set(['a', 'b']))
})

test('what checks found survives a change, and a change is no reason to check again', async () => {
  const [a, b] = [await patient('a'), await patient('b')]
  a.status = 500
  const health = { active: { ...CHECKED.health.active, intervalMs: 60_000, unhealthyAfter: 1 } }
  const upstream = { ...targets(a.url, b.url), health }
  const gateway = await worker(api('x', '/', upstream))
  await until('a to be down', () => report(gateway, a.url)?.state === 'down')
  await until('b to be checked', () => report(gateway, b.url)?.lastCheck !== null)
  for (let i = 1; i <= 20; i++) {
    gateway.adopt(api('x', '/', { ...upstream, timeouts: { idleMs: 1_000 + i } }))
    expect(report(gateway, a.url)?.state).toBe('down')
  }
  expect(await answers(gateway, 4)).toEqual(new Set(['b']))
  expect(a.requests).toHaveLength(1)
})

test('checks end with the upstream', async () => {
  const a = await patient('a')
  const gateway = await worker(api('x', '/', { ...targets(a.url), ...CHECKED }))
  await until('some checks', () => a.requests.length > 1)
  gateway.remove('Api', 'x')
  expect(gateway.upstreams.count).toBe(0)
  // What was on its way may still come; the check after it may not.
  const seen = a.requests.length
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(a.requests.length).toBeLessThanOrEqual(seen + 1)
})

test('a target that fails clients is ejected for a while, without any check', async () => {
  const [a, b] = [await patient('a'), await patient('b')]
  a.status = 500
  const health = { passive: { failuresInRow: 3, ejectMs: 400 } }
  const gateway = await worker(api('x', '/', { ...targets(a.url, b.url), health }))
  const statuses: number[] = []
  for (let i = 0; i < 12; i++) statuses.push((await fetch(gateway.url)).status)
  expect(statuses.filter((status) => status === 500)).toHaveLength(3)
  expect(report(gateway, a.url)).toMatchObject({ state: 'ejected', failures: 3, requests: 3 })
  a.status = 200
  await until('a to be back', async () => (await answers(gateway, 2)).has('a'))
})

test('a dead target is ejected, and clients notice nothing of it', async () => {
  const b = await patient('b')
  const dead = await deadUrl()
  const health = { passive: { failuresInRow: 2 } }
  const gateway = await worker(api('x', '/', { ...targets(dead, b.url), health }))
  expect(await answers(gateway, 10)).toEqual(new Set(['b']))
  expect(report(gateway, dead)).toMatchObject({ state: 'ejected', requests: 2 })
})

test('with nobody well all are tried, unless that is ruled out: 503 UPSTREAM_UNHEALTHY', async () => {
  const a = await patient('a')
  a.status = 503
  const upstream = { ...targets(a.url), ...CHECKED }
  const gateway = await worker(api('x', '/', upstream))
  await until('a to be down', () => report(gateway, a.url)?.state === 'down')
  expect(await answers(gateway, 1)).toEqual(new Set(['a']))
  gateway.adopt(api('x', '/', { ...upstream, health: { ...CHECKED.health, panicPercent: 0 } }))
  const answer = await fetch(gateway.url)
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('1')
  expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_UNHEALTHY' } })
})
