/**
 * Goal: no more requests are under way than may be; others wait in their order, and not for ever.
 * Method: a worker with a real socket, a target that answers when the test says.
 */
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { ConcurrencyLimitOptions } from '../../../shared/plugins/concurrency-limit.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import { api, targets } from '../support/definitions.ts'
import { startOneWorker, type OneWorker } from '../support/one-worker.ts'
import { openRaw, readToEnd } from '../support/raw-client.ts'
import { startRawTarget } from '../support/target.ts'
import { until } from '../support/until.ts'
import { golden } from './support.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Bench = {
  readonly worker: OneWorker
  /** Requests that have reached the target and have no answer yet, by their paths. */
  readonly held: { readonly path: string; readonly head: string; readonly answer: () => void }[]
}

async function bench(options: ConcurrencyLimitOptions): Promise<Bench> {
  const held: Bench['held'] = []
  const target = await startRawTarget((socket, data) => {
    const head = data.toString('latin1')
    held.push({
      path: head.split(' ', 2)[1] ?? '',
      head,
      answer: () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    })
  })
  closing.push(() => target.close())
  const plugins = { 'concurrency-limit': options }
  const worker = await startOneWorker(
    { kind: 'Upstream', name: 'slow', spec: targets(target.url) },
    api('one', '/one', 'slow', { plugins }),
    api('two', '/two', 'slow', { plugins }),
  )
  closing.push(() => worker.stop())
  return { worker, held }
}

/** Sends a request over a connection of its own; what comes until it ends. */
async function ask(
  { worker }: Bench,
  path: string,
): Promise<{ readonly socket: Socket; readonly status: Promise<number> }> {
  const socket = await openRaw(worker.port)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const status = readToEnd(socket).then((text) => Number(text.split(' ', 2)[1]))
  return { socket, status }
}

async function reached({ held }: Bench, count: number): Promise<void> {
  await until(`${count} requests at the target`, () => (held.length === count ? true : null))
}

test('as many as may be are under way, whatever route leads there; the next is refused', async () => {
  const one = await bench({ limit: 2 })
  const [first, second] = [await ask(one, '/one/a'), await ask(one, '/two/b')]
  await reached(one, 2)
  expect(await (await ask(one, '/one/c')).status).toBe(503)
  expect(golden(one.held[0]?.head)).not.toMatch(/concurrency/i)
  for (const { answer } of one.held) answer()
  expect([await first.status, await second.status]).toEqual([200, 200])
  const again = await ask(one, '/one/d')
  await reached(one, 3)
  one.held[2]?.answer()
  expect(await again.status).toBe(200)
})

test('by api each has its own', async () => {
  const one = await bench({ limit: 1, by: 'api' })
  const asked = [await ask(one, '/one'), await ask(one, '/two')]
  await reached(one, 2)
  for (const { answer } of one.held) answer()
  expect(await Promise.all(asked.map(({ status }) => status))).toEqual([200, 200])
})

test('those that wait go in their order, and one beyond the queue is refused', async () => {
  const one = await bench({ limit: 1, queue: 2, waitMs: 20_000 })
  const first = await ask(one, '/one/1')
  await reached(one, 1)
  const second = await ask(one, '/one/2')
  await under(one, 2)
  const third = await ask(one, '/one/3')
  await under(one, 3)
  expect(await (await ask(one, '/one/x')).status).toBe(503)
  one.held[0]?.answer()
  await reached(one, 2)
  one.held[1]?.answer()
  await reached(one, 3)
  one.held[2]?.answer()
  expect(one.held.map(({ path }) => path)).toEqual(['/one/1', '/one/2', '/one/3'])
  expect(await Promise.all([first, second, third].map(({ status }) => status))).toEqual([
    200, 200, 200,
  ])
})

test('who waits too long is refused, and who goes away makes room', async () => {
  const one = await bench({ limit: 1, queue: 1, waitMs: 100 })
  await ask(one, '/one/1')
  await reached(one, 1)
  expect(await (await ask(one, '/one/2')).status).toBe(503)
})

test('who goes away makes room for another', async () => {
  const one = await bench({ limit: 1, queue: 1, waitMs: 20_000 })
  const first = await ask(one, '/one/1')
  await reached(one, 1)
  const leaving = await ask(one, '/one/2')
  await under(one, 2)
  expect(await (await ask(one, '/one/x')).status).toBe(503)
  leaving.socket.destroy()
  await under(one, 1)
  const next = await ask(one, '/one/3')
  await under(one, 2)
  one.held[0]?.answer()
  expect(await first.status).toBe(200)
  await reached(one, 2)
  expect(one.held[1]?.path).toBe('/one/3')
  one.held[1]?.answer()
  expect(await next.status).toBe(200)
})

/** Waits until so many requests are in the worker: at the target, or waiting. */
async function under({ worker }: Bench, count: number): Promise<void> {
  await until(`${count} requests under way`, () =>
    worker.slots[SLOT.active] === count ? true : null,
  )
}
