import { describe, expect, test } from 'vitest'
import { KnownEndpoints, type Finding } from '../../../gateway/discovery/known-endpoints.ts'

const MOMENT = { nowMs: 1_000, ttlMsMin: 100 }

function found(...hosts: readonly string[]): Finding {
  const endpoints = hosts.map((host) => ({ host, port: 80, weight: 1, name: null }))
  return { type: 'found', endpoints, ttlMs: 5_000 }
}

const NOTHING: Finding = { type: 'nothing', ttlMs: 2_000 }
const FAILED: Finding = { type: 'failed', reason: 'SERVFAIL' }

function hosts(known: KnownEndpoints): string[] | null {
  return known.endpoints?.map(({ host }) => host) ?? null
}

test('an answer counts until its time is over, and the same in another order is no change', () => {
  const known = new KnownEndpoints()
  expect(known.take(found('b', 'a'), MOMENT)).toEqual({ isChanged: true, askAfterMs: 5_000 })
  expect(known.take(found('a', 'b'), MOMENT)).toEqual({ isChanged: false, askAfterMs: 5_000 })
  expect(known.take(found('a', 'c'), MOMENT).isChanged).toBe(true)
  expect(hosts(known)).toEqual(['a', 'c'])
  const short = { ...MOMENT, ttlMsMin: 9_000 }
  expect(known.take(found('a', 'c'), short).askAfterMs).toBe(9_000)
})

test('a source that fails changes nothing, for as long as it takes, and is asked less and less often', () => {
  const known = new KnownEndpoints()
  known.take(found('a'), MOMENT)
  const waits = Array.from({ length: 12 }, () => known.take(FAILED, { ...MOMENT, nowMs: 2_000 }))
  expect(waits.every(({ isChanged }) => !isChanged)).toBe(true)
  expect(waits.slice(0, 4).map(({ askAfterMs }) => askAfterMs)).toEqual([250, 500, 1_000, 2_000])
  expect(waits.at(-1)?.askAfterMs).toBe(30_000)
  expect(hosts(known)).toEqual(['a'])
  expect([known.foundAtMs, known.failure]).toEqual([1_000, 'SERVFAIL'])
  known.take(found('a'), MOMENT)
  expect(known.failure).toBeNull()
  expect(known.take(FAILED, MOMENT).askAfterMs).toBe(250)
})

describe('nothing', () => {
  test('is believed when it was said three times in a row', () => {
    const known = new KnownEndpoints()
    known.take(found('a'), MOMENT)
    expect(known.take(NOTHING, MOMENT)).toEqual({ isChanged: false, askAfterMs: 2_000 })
    known.take(NOTHING, MOMENT)
    known.take(found('a'), MOMENT)
    known.take(NOTHING, MOMENT)
    // A failure says neither one nor the other.
    known.take(FAILED, MOMENT)
    known.take(NOTHING, MOMENT)
    expect(hosts(known)).toEqual(['a'])
    expect(known.take(NOTHING, MOMENT).isChanged).toBe(true)
    expect(hosts(known)).toEqual([])
  })

  test('is believed at once when nothing else was known', () => {
    const known = new KnownEndpoints()
    expect(known.take(FAILED, MOMENT).isChanged).toBe(false)
    expect(hosts(known)).toBeNull()
    expect(known.take(NOTHING, MOMENT).isChanged).toBe(true)
    expect(hosts(known)).toEqual([])
  })
})
