// Goal: what one gateway counts all others hear, once. Method: real APIs of nodes without consensus.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call } from '../../conformance/api-client.ts'
import type { Counted, CountsAnswer } from '../../../shared/count-protocol.ts'
import { startCluster, type Running } from './start.ts'

let running: Running

beforeEach(async () => {
  running = await startCluster(2)
})

afterEach(() => running.close())

async function tell(
  node: number,
  gateway: string,
  ...counts: readonly Counted[]
): Promise<CountsAnswer> {
  const { status, body } = await call(running.url(node), `POST /v1/gateways/${gateway}/counters`, {
    json: { counts },
  })
  expect(status).toBe(200)
  return body as CountsAnswer
}

function counted(key: number, count: number): Counted {
  return [key, -key, 0, 100, 60_000, 100, count]
}

/** Asks until something is there. */
async function heard(node: number, gateway: string): Promise<readonly Counted[]> {
  for (;;) {
    const { counts } = await tell(node, gateway)
    if (counts.length > 0) return counts
  }
}

test('gateways of one node hear of each other, and not of themselves', async () => {
  await tell(0, 'one')
  await tell(0, 'two')
  expect((await tell(0, 'one', counted(1, 3))).counts).toEqual([])
  await tell(0, 'one', counted(1, 2))
  expect((await tell(0, 'two')).counts).toEqual([counted(1, 5)])
  expect((await tell(0, 'two')).counts).toEqual([])
  expect((await tell(0, 'one')).counts).toEqual([])
})

test('gateways of another node hear of it with the next note', async () => {
  await tell(1, 'far')
  await tell(0, 'near', counted(7, 4))
  expect(await heard(1, 'far')).toEqual([counted(7, 4)])
})

test('all of them begin their keys in the same way', async () => {
  const [one, far] = [await tell(0, 'one'), await tell(1, 'far')]
  expect(one.seed).toEqual(far.seed)
})

test.each([
  [{ counts: [[1, 2, 3]] }, 'counts.0'],
  [{ counts: [], more: 1 }, 'more'],
])('%j is refused with the place', async (json, path) => {
  const answer = await call(running.url(0), 'POST /v1/gateways/one/counters', { json })
  expect(answer.status).toBe(400)
  expect(answer.body.issues[0].path).toContain(path)
})
