import { describe, expect, test } from 'vitest'
import type { BreakerOptions } from '../../../shared/routing/types.ts'
import { Breaker, REFUSED, type BreakerOutcome } from '../../../gateway/upstream/breaker.ts'

const OPTIONS: BreakerOptions = {
  failurePercent: 50,
  requestsMin: 4,
  windowMs: 1_000,
  openMs: 500,
  openMsMax: 1_500,
  probes: 2,
}

/** One request after another: `+` good, `-` bad, `0` without an outcome; those that are refused are left out. */
function run(breaker: Breaker, outcomes: string, nowMs: number): number {
  const names: Readonly<Record<string, BreakerOutcome>> = { '+': 'good', '-': 'bad', '0': 'none' }
  let refused = 0
  for (let i = 0; i < outcomes.length; i++) {
    const permit = breaker.admit(nowMs)
    if (permit === REFUSED) refused += 1
    else breaker.settle(permit, names[outcomes[i] ?? ''] ?? 'none', nowMs)
  }
  return refused
}

test.for([
  ['---', 'closed'],
  ['----', 'open'],
  ['+-+-', 'open'],
  ['++-+-+', 'closed'],
  ['++-+--', 'open'],
  ['000000', 'closed'],
  ['0-0-0-', 'closed'],
  ['0-0-0-0-', 'open'],
] as const)('outcomes %s leave it %s', ([outcomes, state]) => {
  const breaker = new Breaker(OPTIONS)
  run(breaker, outcomes, 10_000)
  expect(breaker.stateAt(10_000)).toBe(state)
})

test('what is older than the window does not count', () => {
  const breaker = new Breaker(OPTIONS)
  for (let i = 0; i < 30; i++) {
    // Three bad ones within any second, never four.
    run(breaker, '-', i * 350)
    expect(breaker.stateAt(i * 350)).toBe('closed')
  }
  run(breaker, '--', 29 * 350)
  expect(breaker.stateAt(29 * 350)).toBe('open')
})

test('a gap of any length forgets everything', () => {
  for (const gap of [1_000, 1_050, 5_430, 1e9]) {
    const breaker = new Breaker(OPTIONS)
    run(breaker, '---', 0)
    run(breaker, '---', gap)
    expect(breaker.stateAt(gap)).toBe('closed')
  }
})

describe('open', () => {
  test('refuses everything and says for how long', () => {
    const breaker = new Breaker(OPTIONS)
    run(breaker, '----', 0)
    expect(run(breaker, '+++', 100)).toBe(3)
    expect(breaker.retryAfterMs(100)).toBe(400)
    expect(breaker.stateAt(499)).toBe('open')
    expect(breaker.stateAt(500)).toBe('half-open')
  })

  test('lets probes through after its time, no more than asked for, and closes when all are good', () => {
    const breaker = new Breaker(OPTIONS)
    run(breaker, '----', 0)
    const [one, two, three] = [breaker.admit(500), breaker.admit(500), breaker.admit(500)]
    expect([one, two].includes(REFUSED)).toBe(false)
    expect(three).toBe(REFUSED)
    breaker.settle(one, 'good', 510)
    expect(breaker.admit(510)).toBe(REFUSED)
    breaker.settle(two, 'good', 520)
    expect(breaker.stateAt(520)).toBe('closed')
    // Nothing of the time before counts.
    run(breaker, '---', 530)
    expect(breaker.stateAt(530)).toBe('closed')
  })

  test('opens again for twice as long after a bad probe, up to a bound, and from the start after it was closed', () => {
    const breaker = new Breaker(OPTIONS)
    run(breaker, '----', 0)
    let nowMs = 0
    for (const lastsMs of [500, 1_000, 1_500, 1_500]) {
      expect(breaker.stateAt(nowMs + lastsMs - 1)).toBe('open')
      nowMs += lastsMs
      run(breaker, '-', nowMs)
    }
    nowMs += 1_500
    run(breaker, '++', nowMs)
    expect(breaker.stateAt(nowMs)).toBe('closed')
    run(breaker, '----', nowMs)
    expect(breaker.retryAfterMs(nowMs)).toBe(500)
  })

  test('gives the place of a probe whose client went away to another', () => {
    const breaker = new Breaker(OPTIONS)
    run(breaker, '----', 0)
    expect(run(breaker, '0000', 500)).toBe(0)
    expect(run(breaker, '++', 500)).toBe(0)
    expect(breaker.stateAt(500)).toBe('closed')
  })

  test('does not hear of requests from before', () => {
    const breaker = new Breaker(OPTIONS)
    const early = breaker.admit(0)
    run(breaker, '----', 0)
    const probe = breaker.admit(500)
    breaker.settle(early, 'bad', 501)
    expect(breaker.stateAt(501)).toBe('half-open')
    breaker.settle(probe, 'good', 502)
    expect(breaker.stateAt(502)).toBe('half-open')
  })
})
