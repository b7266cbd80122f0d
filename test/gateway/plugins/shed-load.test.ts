/** Goal: a worker that is late refuses requests, those of important callers last. */
import { expect, test } from 'vitest'
import { watchLateness } from '../../../gateway/lateness.ts'
import { Shedding } from '../../../gateway/limits/shedding.ts'
import { api, targets } from '../support/definitions.ts'
import { startImpatientWorker } from '../support/one-worker.ts'
import { sendRaw } from '../support/raw-client.ts'
import { startRawTarget } from '../support/target.ts'
import { until } from '../support/until.ts'
import { consumer, plan, withKey } from './support.ts'

/** Statuses of requests by path, while a worker sheds so many steps of load. */
async function statuses(looksTooLate: number): Promise<Record<string, string>> {
  const shedding = new Shedding(50)
  for (let i = 0; i < looksTooLate; i++) shedding.looked(51)
  const target = await startRawTarget((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const upstream = targets(target.url)
  const worker = await startImpatientWorker(
    { shedding },
    api('open', '/open/', upstream),
    api('keyed', '/keyed/', upstream, { plugins: { 'key-auth': {} } }),
    plan('gold', { priority: 1 }),
    plan('low', { priority: -1 }),
    consumer('gold', { ...withKey('gold'), plans: ['gold'] }),
    consumer('low', { ...withKey('low'), plans: ['low'] }),
  )
  const ask = async (path: string, key: string): Promise<string> => {
    const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${key}\r\nConnection: close\r\n\r\n`
    return sendRaw(worker.port, head)
  }
  try {
    return {
      nobody: await ask('/open/', ''),
      gold: await ask('/keyed/', 'gold'),
      low: await ask('/keyed/', 'low'),
    }
  } finally {
    await worker.stop()
    await target.close()
  }
}

test('in time everybody passes', async () => {
  for (const answer of Object.values(await statuses(0))) expect(answer).toMatch(/^HTTP\/1.1 200 /)
})

test('half of the load is shed: nobody of low priority passes, everybody of high priority', async () => {
  const { gold, low } = await statuses(5)
  expect(gold).toMatch(/^HTTP\/1.1 200 /)
  expect(low).toMatch(/^HTTP\/1.1 503 /)
  expect(low).toContain('Retry-After: 1\r\n')
  expect(low).toContain('"code":"OVERLOADED"')
})

test('all of it is shed: nobody passes, on routes without plugins either', async () => {
  for (const answer of Object.values(await statuses(10))) expect(answer).toMatch(/^HTTP\/1.1 503 /)
})

test('an event loop that is held up is seen to be late', async () => {
  const looks: number[] = []
  const stop = watchLateness(
    () => performance.now(),
    (lateMs) => looks.push(lateMs),
  )
  await until('a first look', () => looks.length > 0)
  const untilMs = performance.now() + 150
  while (performance.now() < untilMs);
  await until('a late look', () => looks.some((lateMs) => lateMs > 100))
  stop()
  expect(Math.max(...looks)).toBeLessThan(10_000)
})
