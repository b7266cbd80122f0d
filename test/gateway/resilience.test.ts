/**
 * Goal: retries, time limits, second attempts and breakers, to the letter. Method: one worker and real targets that
 * fail as they are told, with every request that reached them counted.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { SLOT } from '../../gateway/metrics/slots.ts'
import { reportUpstreams } from '../../gateway/upstream/report.ts'
import { api, targets } from './support/definitions.ts'
import { startOneWorker, type OneWorker } from './support/one-worker.ts'
import { startTarget, type TestTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function target(answer: Answer): Promise<TestTarget> {
  const started = await startTarget(answer)
  closing.push(() => started.close())
  return started
}

const says =
  (status: number, text = ''): Answer =>
  (_request, response) => {
    response.statusCode = status
    response.end(text)
  }

const never: Answer = (request) => void request.resume()

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

async function codeOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as { error: { code: string } }
  return body.error.code
}

describe('retries', () => {
  test('an answer with a status that is named is asked for again elsewhere', async () => {
    const [ill, well] = [await target(says(503, 'ill')), await target(says(200, 'well'))]
    const retries = { attempts: 1, statuses: [502, 503] }
    const gateway = await worker(api('x', '/', { ...targets(ill.url, well.url), retries }))
    for (let i = 0; i < 4; i++) expect(await (await fetch(gateway.url)).text()).toBe('well')
    expect(gateway.slots[SLOT.retries]).toBe(2)
    // Not for a method that has an effect each time.
    const posts = [1, 2].map(() => fetch(gateway.url, { method: 'POST' }))
    const statuses = (await Promise.all(posts)).map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 503])
  })

  test('the last answer goes to the client when no attempt is left', async () => {
    const [a, b] = [await target(says(503, 'a')), await target(says(503, 'b'))]
    const retries = { attempts: 1, statuses: [503] }
    const gateway = await worker(api('x', '/', { ...targets(a.url, b.url), retries }))
    const answer = await fetch(gateway.url)
    expect(answer.status).toBe(503)
    expect(['a', 'b']).toContain(await answer.text())
    expect(a.requests.length + b.requests.length).toBe(2)
  })

  test('an attempt that takes too long makes room for another, within the time of the request', async () => {
    const [slow, well] = [await target(never), await target(says(200, 'well'))]
    const retries = { attempts: 1, perTryMs: 50 }
    const gateway = await worker(api('x', '/', { ...targets(slow.url, well.url), retries }))
    for (let i = 0; i < 2; i++) expect(await (await fetch(gateway.url)).text()).toBe('well')
    expect(slow.requests).toHaveLength(1)
    const alone = { ...targets(slow.url), retries: { attempts: 10, perTryMs: 50 } }
    gateway.adopt(api('x', '/', { ...alone, timeouts: { requestMs: 180 } }))
    const began = performance.now()
    const answer = await fetch(gateway.url)
    expect(answer.status).toBe(504)
    expect(await codeOf(answer)).toBe('UPSTREAM_TIMEOUT')
    expect(performance.now() - began).toBeGreaterThanOrEqual(170)
    expect(slow.requests.length).toBeGreaterThan(2)
    expect(slow.requests.length).toBeLessThan(6)
  })

  test('the time of an attempt is none for a body that was begun to be sent: nothing could follow', async () => {
    const slow = await target((request, response) => {
      request.resume()
      request.on('end', () => setTimeout(() => response.end('took it'), 150))
    })
    const retries = { attempts: 2, perTryMs: 50 }
    const gateway = await worker(api('x', '/', { ...targets(slow.url), retries }))
    const answer = await fetch(gateway.url, { method: 'PUT', body: 'x' })
    expect(await answer.text()).toBe('took it')
    expect(slow.requests).toHaveLength(1)
  })

  test('a body that was begun to be sent is never sent again', async () => {
    const bodies: string[] = []
    const broken = await target((request) => {
      request.once('data', (chunk: Buffer) => {
        bodies.push(chunk.toString())
        request.socket.destroy()
      })
    })
    const well = await target((request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()))
      request.on('end', () => response.end('well'))
    })
    const retries = { attempts: 3, statuses: [500, 502, 503, 504], perTryMs: 5_000 }
    const upstream = { targets: [{ url: broken.url, weight: 1_000 }, { url: well.url }], retries }
    const gateway = await worker(api('x', '/', upstream))
    const answer = await fetch(gateway.url, { method: 'PUT', body: 'once' })
    expect(answer.status).toBe(502)
    expect(bodies).toEqual(['once'])
    expect(gateway.slots[SLOT.retries]).toBe(0)
  })

  test('a wait comes before each further attempt', async () => {
    const ill = await target(says(503))
    const retries = { attempts: 3, statuses: [503], backoff: { baseMs: 40, maxMs: 40 } }
    const gateway = await worker(api('x', '/', { ...targets(ill.url), retries }))
    const began = performance.now()
    for (let i = 0; i < 5; i++) expect((await fetch(gateway.url)).status).toBe(503)
    // Fifteen waits of 20 ms each on average: far more than without.
    expect(performance.now() - began).toBeGreaterThan(100)
    expect(ill.requests).toHaveLength(20)
  })

  test('a client that goes away ends the wait, and nothing is sent after it', async () => {
    const ill = await target(says(503))
    const retries = { attempts: 1, statuses: [503], backoff: { baseMs: 60_000, maxMs: 60_000 } }
    const gateway = await worker(api('x', '/', { ...targets(ill.url), retries }))
    const gone = new AbortController()
    const asked = fetch(gateway.url, { signal: gone.signal }).catch(() => 'gone')
    await until('the first attempt', () => gateway.slots[SLOT.retries] === 1)
    gone.abort()
    expect(await asked).toBe('gone')
    await until('the request to end', () => gateway.slots[SLOT.statusClass] === 1)
    expect(ill.requests).toHaveLength(1)
  })

  test('a budget bounds them', async () => {
    const ill = await target(says(503))
    const retries = { attempts: 3, statuses: [503], budget: { percent: 20, perSecond: 0 } }
    const gateway = await worker(api('x', '/', { ...targets(ill.url), retries }))
    for (let i = 0; i < 50; i++) await fetch(gateway.url)
    expect(ill.requests.length).toBeGreaterThanOrEqual(59)
    expect(ill.requests.length).toBeLessThanOrEqual(60)
  })
})

describe('time limits of a route', () => {
  test('stand in place of those of its upstream', async () => {
    const slow = await target(never)
    const upstream = { ...targets(slow.url), timeouts: { firstByteMs: 60_000 } }
    const gateway = await worker(
      api('x', '/', upstream, {
        routes: [
          { path: '/first', timeouts: { firstByteMs: 50 } },
          { path: '/whole', timeouts: { requestMs: 50 } },
        ],
      }),
    )
    for (const path of ['/first', '/whole']) {
      const answer = await fetch(gateway.url + path)
      expect(answer.status).toBe(504)
      expect(await codeOf(answer)).toBe('UPSTREAM_TIMEOUT')
    }
  })

  test('a limit for the request is none for the body of its answer', async () => {
    const slow = await target((_request, response) => {
      response.write('begun ')
      setTimeout(() => response.end('and done'), 150)
    })
    const gateway = await worker(
      api('x', '/', { ...targets(slow.url), timeouts: { requestMs: 100 } }),
    )
    expect(await (await fetch(gateway.url)).text()).toBe('begun and done')
  })
})

describe('a second attempt beside a slow one', () => {
  test('is made only where it is asked for, and the first answer counts', async () => {
    const [slow, fast] = [await target(never), await target(says(200, 'fast'))]
    const both = { targets: [{ url: slow.url, weight: 1_000 }, { url: fast.url }] }
    const gateway = await worker(api('x', '/', { ...both, hedge: { afterMs: 30 } }))
    expect(await (await fetch(gateway.url)).text()).toBe('fast')
    expect(slow.requests).toHaveLength(1)
    await until('the first to be given up', () => slow.requests[0]?.destroyed)
    // What was given up counts neither for nor against its target.
    const report = () => reportUpstreams(gateway.upstreams.all(), 0)[0]?.targets
    expect(report()?.map(({ inFlight, failures }) => [inFlight, failures])).toEqual([
      [0, 0],
      [0, 0],
    ])
    // Not for a request that may have an effect, nor for one with a body.
    const timeouts = { requestMs: 120 }
    gateway.adopt(api('x', '/', { ...both, hedge: { afterMs: 30 }, timeouts }))
    expect((await fetch(gateway.url, { method: 'POST' })).status).toBe(504)
    expect((await fetch(gateway.url, { method: 'PUT', body: 'x' })).status).toBe(504)
    expect(fast.requests).toHaveLength(1)
  })

  test('leaves the first one alone when it fails, and is waited for when the first one does', async () => {
    let answer: (status: number) => void = () => {}
    const first = await target((_request, response) => {
      answer = (status) => {
        response.statusCode = status
        response.end('first')
      }
    })
    const ill = await target(says(500))
    const both = { targets: [{ url: first.url, weight: 1_000 }, { url: ill.url }] }
    const gateway = await worker(api('x', '/', { ...both, hedge: { afterMs: 20 } }))
    const asked = fetch(gateway.url)
    await until('the second attempt', () => gateway.slots[SLOT.upstreamErrors + 2] === 1)
    answer(200)
    expect(await (await asked).text()).toBe('first')
  })
})

describe('a breaker', () => {
  const OPENS = { requestsMin: 3, openMs: 300 }

  test('refuses with 503 and Retry-After, lets a probe through, and closes', async () => {
    let status = 500
    const behind = await target((request, response) => says(status)(request, response))
    const gateway = await worker(api('x', '/', { ...targets(behind.url), breaker: OPENS }))
    for (let i = 0; i < 3; i++) expect((await fetch(gateway.url)).status).toBe(500)
    const refused = await fetch(gateway.url)
    expect(refused.status).toBe(503)
    expect(await codeOf(refused)).toBe('UPSTREAM_OPEN')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(behind.requests).toHaveLength(3)
    const report = () => reportUpstreams(gateway.upstreams.all(), performance.now())[0]
    expect(report()?.breaker).toBe('open')
    // A change that leaves it alone does not close it.
    const changed = { ...targets(behind.url), breaker: OPENS, timeouts: { idleMs: 5_000 } }
    gateway.adopt(api('x', '/', changed))
    expect((await fetch(gateway.url)).status).toBe(503)
    await until('it to be half open', () => report()?.breaker === 'half-open')
    status = 200
    expect((await fetch(gateway.url)).status).toBe(200)
    expect(report()?.breaker).toBe('closed')
    expect((await fetch(gateway.url)).status).toBe(200)
  })

  test('hears of a probe when its answer begins, however long that then goes on', async () => {
    let isEndless = false
    const behind = await target((_request, response) => {
      response.statusCode = isEndless ? 200 : 500
      if (isEndless) response.write('begun')
      else response.end()
    })
    const gateway = await worker(api('x', '/', { ...targets(behind.url), breaker: OPENS }))
    for (let i = 0; i < 3; i++) expect((await fetch(gateway.url)).status).toBe(500)
    const report = () => reportUpstreams(gateway.upstreams.all(), performance.now())[0]
    await until('it to be half open', () => report()?.breaker === 'half-open')
    isEndless = true
    const gone = new AbortController()
    const probe = await fetch(gateway.url, { signal: gone.signal })
    expect(probe.status).toBe(200)
    expect(report()?.breaker).toBe('closed')
    gone.abort()
  })

  test('counts requests, not attempts: one that ends well is well', async () => {
    const [ill, well] = [await target(says(503)), await target(says(200))]
    const retries = { attempts: 1, statuses: [503] }
    const upstream = { ...targets(ill.url, well.url), retries, breaker: OPENS }
    const gateway = await worker(api('x', '/', upstream))
    for (let i = 0; i < 20; i++) expect((await fetch(gateway.url)).status).toBe(200)
  })

  test('says for how long in whole seconds', async () => {
    const behind = await target(says(500))
    const breaker = { requestsMin: 1, openMs: 30_000 }
    const gateway = await worker(api('x', '/', { ...targets(behind.url), breaker }))
    await fetch(gateway.url)
    expect((await fetch(gateway.url)).headers.get('retry-after')).toBe('30')
  })
})
