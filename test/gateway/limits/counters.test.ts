/**
 * Goal: workers share counters to the exact number; nothing is counted of what is refused; what a dead worker held is free.
 * Method: several tables over one memory in this thread, and real threads that hammer one limit.
 */
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  COUNTERS_PER_PAGE,
  makeCounterMemory,
  type CounterMemory,
} from '../../../gateway/limits/counter-memory.ts'
import { Counters, releaseWorker } from '../../../gateway/limits/counters.ts'
import { KeyHash } from '../../../gateway/limits/key-hash.ts'
import type { Rule } from '../../../gateway/limits/rules.ts'

const NOW = 1_000_000_000

function rule(limit: number, more: Partial<Rule> = {}): Rule {
  return { algorithm: 'sliding-window', limit, windowMs: 60_000, burst: limit, ...more }
}

const CONCURRENT_TWO = { slow: rule(2, { algorithm: 'concurrency', windowMs: 1 }) }

function keyOf(text: string): KeyHash {
  const hash = new KeyHash()
  hash.start(1, 2)
  hash.text(text)
  return hash
}

function counters(room = 1_024): Counters {
  return new Counters(makeCounterMemory(room, 1, [1, 2]), 0)
}

/** Asks with these limits; -1 when all were counted. */
function ask(table: Counters, wants: Readonly<Record<string, Rule>>, nowMs = NOW): number {
  table.clear()
  for (const [key, each] of Object.entries(wants)) table.want(each, 1, keyOf(key), true)
  return table.decide(nowMs)
}

function times(n: number, run: () => number): readonly number[] {
  return Array.from({ length: n }, run)
}

describe('a decision', () => {
  test('counts all of its limits, or none', () => {
    const table = counters()
    const both = { few: rule(3), many: rule(10) }
    expect(times(5, () => ask(table, both))).toEqual([-1, -1, -1, 0, 0])
    expect(ask(table, { many: rule(10) })).toBe(-1)
    expect(table.at(0).remaining).toBe(6)
  })

  test('tells the longest of the waits', () => {
    const table = counters()
    const both = { a: rule(1, { windowMs: 1_000 }), b: rule(1, { windowMs: 50_000 }) }
    ask(table, both)
    expect(ask(table, both)).toBe(0)
    expect(table.waitMs).toBeGreaterThan(49_000)
  })
})

test('workers share counters', () => {
  const memory = makeCounterMemory(1_024, 3, [1, 2])
  const workers = [0, 1, 2].map((worker) => new Counters(memory, worker))
  const answers = times(10, () => 0).flatMap(() =>
    workers.map((each) => ask(each, { a: rule(10) })),
  )
  expect(answers.filter((answer) => answer < 0)).toHaveLength(10)
})

describe('room', () => {
  /** A page without room. */
  function full(): Counters {
    const table = counters(COUNTERS_PER_PAGE)
    for (let i = 0; i < COUNTERS_PER_PAGE; i++) ask(table, { [`key ${i}`]: rule(5) })
    return table
  }

  test('that is used up lets open limits pass uncounted, and refuses those that are closed', () => {
    const table = full()
    expect(times(9, () => ask(table, { another: rule(5) }))).toEqual(times(9, () => -1))
    expect(table.uncounted).toBe(1)
    table.clear()
    table.want(rule(5), 1, keyOf('another'), false)
    expect([table.decide(NOW), table.uncounted]).toEqual([0, 1])
  })

  test('that is used up is kept for those who have it', () => {
    const table = full()
    expect(times(5, () => ask(table, { 'key 7': rule(5) }))).toEqual([-1, -1, -1, -1, 0])
  })

  test('is there again as soon as a counter says nothing any more', () => {
    const table = full()
    const later = (Math.floor(NOW / 60_000) + 2) * 60_000
    expect([ask(table, { another: rule(1) }, later - 1), table.uncounted]).toEqual([-1, 1])
    expect(times(2, () => ask(table, { another: rule(1) }, later))).toEqual([-1, 0])
    expect(table.uncounted).toBe(0)
  })

  test('is not taken by what is refused', () => {
    const table = counters(COUNTERS_PER_PAGE)
    for (let i = 0; i < 500; i++) ask(table, { none: rule(0), [`key ${i}`]: rule(5) }, NOW + i)
    expect([ask(table, { fresh: rule(5) }, NOW + 501), table.uncounted]).toEqual([-1, 0])
  })
})

test('two keys in one page are told apart', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 40 }), (keys) => {
      const table = counters(COUNTERS_PER_PAGE)
      for (const key of keys) expect(ask(table, { [`k${key}`]: rule(1) })).toBe(-1)
      for (const key of keys) expect(ask(table, { [`k${key}`]: rule(1) })).toBe(0)
    }),
  )
})

test('keys are spread evenly, and texts one after another are not one text', () => {
  const hashes = new Set<string>()
  const pages = new Uint32Array(64)
  for (let i = 0; i < 20_000; i++) {
    const hash = keyOf(`consumer-${i}`)
    hashes.add(`${hash.a} ${hash.b}`)
    const page = (hash.b >>> 6) & 63
    pages[page] = (pages[page] ?? 0) + 1
  }
  expect(hashes.size).toBe(20_000)
  // 312.5 on average, with a deviation of 17.6.
  expect(Math.min(...pages)).toBeGreaterThan(312 - 5 * 18)
  expect(Math.max(...pages)).toBeLessThan(312 + 5 * 18)
  const [one, other] = [keyOf('ab'), keyOf('a')]
  one.text('c')
  other.text('bc')
  expect([one.a, one.b]).not.toEqual([other.a, other.b])
})

describe('a worker that died', () => {
  test('gives back what it held', () => {
    const memory = makeCounterMemory(1_024, 2, [1, 2])
    const [dead, alive] = [new Counters(memory, 0), new Counters(memory, 1)]
    const asked = [dead, alive, alive].map((each) => ask(each, CONCURRENT_TWO))
    expect(asked).toEqual([-1, -1, 0])
    releaseWorker(memory, 0, 2)
    expect(times(2, () => ask(alive, CONCURRENT_TWO))).toEqual([-1, 0])
  })

  test('leaves no lock behind', () => {
    const memory = makeCounterMemory(COUNTERS_PER_PAGE, 2, [1, 2])
    const alive = new Counters(memory, 1)
    Atomics.store(new Int32Array(memory.buffer), 0, 1)
    // While it is locked nothing can be counted, and nobody waits for ever.
    expect([ask(alive, { a: rule(1) }), alive.uncounted]).toEqual([-1, 1])
    releaseWorker(memory, 0, 2)
    expect(times(2, () => ask(alive, { a: rule(1) }))).toEqual([-1, 0])
  })
})

test('what is held is given back once', () => {
  const table = counters()
  ask(table, CONCURRENT_TWO)
  const { hold } = table.at(0)
  ask(table, CONCURRENT_TWO)
  table.giveBack(hold)
  table.giveBack(hold)
  expect(times(2, () => ask(table, CONCURRENT_TWO))).toEqual([-1, 0])
})

test('threads that hammer one limit admit exactly as many as it says', async () => {
  const memory = makeCounterMemory(1_024, 4, [1, 2])
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const admitted = await Promise.all([0, 1, 2, 3].map((worker) => hammer(memory, worker, gate)))
  expect(admitted.reduce((sum, each) => sum + each, 0)).toBe(5_000)
})

/** How many of 10,000 requests of a thread were admitted. */
async function hammer(memory: CounterMemory, worker: number, gate: Int32Array): Promise<number> {
  const file = new URL('./hammer.ts', import.meta.url)
  const thread = new Worker(file, {
    workerData: { memory, worker, gate, requests: 10_000, nowMs: NOW },
  })
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  thread.on('message', resolve)
  thread.on('error', reject)
  const admitted = await promise
  await thread.terminate()
  return admitted
}

test('what was counted elsewhere counts here, beyond the limit too', () => {
  const table = counters()
  const { a, b } = keyOf('shared')
  table.countElsewhere(rule(3), 2, { a, b }, NOW)
  expect(ask(table, { shared: rule(3) })).toBe(-1)
  expect(ask(table, { shared: rule(3) })).toBe(0)
  table.countElsewhere(rule(3), 5, { a, b }, NOW)
  expect(ask(table, { shared: rule(3) })).toBe(0)
  expect(ask(table, { other: rule(3) })).toBe(-1)
})
