import { describe, expect, test } from 'vitest'
import type { Balance } from '../../../shared/definitions/upstream.ts'
import { Random } from '../../../shared/random.ts'
import type { CompiledHealth } from '../../../shared/routing/types.ts'
import { Selector } from '../../../gateway/upstream/selector.ts'
import { callBegan, callEnded } from '../../../gateway/upstream/target-state.ts'
import { candidate, candidates, type Named } from './candidates.ts'

const UNJUDGED: CompiledHealth = { active: null, passive: null, panicPercent: 10, slowStartMs: 0 }
const PASSIVE = { failuresInRow: 3, ejectMs: 1_000, ejectMsMax: 4_000, ejectPercentMax: 50 }

function selector(
  targets: readonly Named[],
  health: Partial<CompiledHealth> = {},
  balance: Balance = 'round-robin',
): Selector<Named> {
  return new Selector({ balance, health: { ...UNJUDGED, ...health } }, targets, new Random(1))
}

function names(it: Selector<Named>, choices: number, nowMs: number): string[] {
  return Array.from({ length: choices }, () => it.choose('client', [], nowMs)?.name ?? '-')
}

function share(it: Selector<Named>, target: Named, nowMs: number): number {
  return names(it, 1_000, nowMs).filter((name) => name === target.name).length / 1_000
}

function failOften(it: Selector<Named>, target: Named, times: number, nowMs: number): void {
  for (let i = 0; i < times; i++) it.failed(target, nowMs)
}

test('a target that is down is not chosen, and is again once it is up', () => {
  const [a, b] = [candidate('a'), candidate('b')]
  const it = selector([a, b])
  expect(new Set(names(it, 10, 0))).toEqual(new Set(['a', 'b']))
  a.state.isUp = false
  it.changed()
  expect(new Set(names(it, 10, 1))).toEqual(new Set(['b']))
  a.state.isUp = true
  it.changed()
  expect(new Set(names(it, 10, 2))).toEqual(new Set(['a', 'b']))
})

describe('panic', () => {
  test('with all targets down, all take requests', () => {
    const targets = candidates(3)
    const it = selector(targets)
    for (const { state } of targets) state.isUp = false
    expect(new Set(names(it, 9, 0)).size).toBe(3)
    expect(it.isPanic).toBe(true)
  })

  test('begins below the share and not at it', () => {
    const targets = candidates(4)
    const it = selector(targets, { panicPercent: 50 })
    for (const { state } of targets.slice(0, 2)) state.isUp = false
    expect(new Set(names(it, 8, 0)).size).toBe(2)
    expect(it.isPanic).toBe(false)
    ;(targets[2] as Named).state.isUp = false
    it.changed()
    expect(new Set(names(it, 8, 0)).size).toBe(4)
    expect(it.isPanic).toBe(true)
  })

  test('never comes at 0: then there is no target', () => {
    const targets = candidates(2)
    for (const { state } of targets) state.isUp = false
    expect(names(selector(targets, { panicPercent: 0 }), 1, 0)).toEqual(['-'])
  })

  test('does not bring back what has weight 0', () => {
    const [a, out] = [candidate('a'), candidate('out', 0)]
    a.state.isUp = false
    expect(new Set(names(selector([a, out]), 5, 0))).toEqual(new Set(['a']))
    expect(names(selector([out]), 1, 0)).toEqual(['-'])
  })
})

describe('ejection', () => {
  test('takes failures in a row; a good answer begins anew', () => {
    const [a, b] = [candidate('a'), candidate('b')]
    const it = selector([a, b], { passive: PASSIVE })
    failOften(it, a, 2, 0)
    it.succeeded(a)
    failOften(it, a, 2, 0)
    expect(names(it, 4, 0)).toContain('a')
    failOften(it, a, 1, 0)
    expect(new Set(names(it, 4, 0))).toEqual(new Set(['b']))
  })

  test('ends by itself, and lasts twice as long each time up to its longest', () => {
    const [a, b] = [candidate('a'), candidate('b')]
    const it = selector([a, b], { passive: PASSIVE })
    let nowMs = 0
    for (const lastsMs of [1_000, 2_000, 4_000, 4_000]) {
      failOften(it, a, 3, nowMs)
      expect(names(it, 4, nowMs + lastsMs - 1)).not.toContain('a')
      expect(names(it, 4, nowMs + lastsMs)).toContain('a')
      nowMs += lastsMs
    }
    // After a quiet time it is as the first one.
    nowMs += 4_001
    failOften(it, a, 3, nowMs)
    expect(names(it, 4, nowMs + 1_000)).toContain('a')
  })

  test('never takes more than its share, and never the only target', () => {
    const targets = candidates(4)
    const it = selector(targets, { passive: PASSIVE })
    for (const target of targets) failOften(it, target, 3, 0)
    expect(targets.filter(({ state }) => state.ejectedUntilMs > 0)).toHaveLength(2)
    const only = candidate('only')
    const single = selector([only, candidate('out', 0)], { passive: PASSIVE })
    failOften(single, only, 9, 0)
    expect(only.state.ejectedUntilMs).toBe(0)
  })

  test('takes one of two, whatever the share', () => {
    const targets = candidates(2)
    const it = selector(targets, { passive: { ...PASSIVE, ejectPercentMax: 10 } })
    for (const target of targets) failOften(it, target, 3, 0)
    expect(targets.filter(({ state }) => state.ejectedUntilMs > 0)).toHaveLength(1)
  })

  test('nobody is ejected where failures are not judged', () => {
    const [a, b] = [candidate('a'), candidate('b')]
    const it = selector([a, b])
    failOften(it, a, 100, 0)
    expect(names(it, 4, 0)).toContain('a')
    expect(a.state.failures).toBe(100)
  })
})

describe('slow start', () => {
  test('a target that is up again comes to its share in steps', () => {
    const [a, b] = [candidate('a', 10), candidate('b', 10)]
    const it = selector([a, b], { slowStartMs: 10_000 })
    expect(share(it, a, 0)).toBeCloseTo(0.5, 1)
    a.state.upSinceMs = 1_000
    it.changed()
    // One tenth of its weight against all of the other's.
    expect(share(it, a, 1_000)).toBeCloseTo(1 / 11, 1)
    expect(share(it, a, 5_999)).toBeCloseTo(5 / 15, 1)
    expect(share(it, a, 10_001)).toBeCloseTo(0.5, 1)
    expect(a.weight).toBe(10)
  })

  test('follows an ejection, and is not for targets that were there from the beginning', () => {
    const [a, b] = [candidate('a'), candidate('b')]
    const it = selector([a, b], { slowStartMs: 1_000, passive: PASSIVE })
    expect(share(it, a, 5)).toBeCloseTo(0.5, 1)
    failOften(it, a, 3, 10)
    expect(share(it, a, 500)).toBe(0)
    expect(share(it, a, 1_010)).toBeCloseTo(1 / 11, 1)
    expect(share(it, a, 2_010)).toBeCloseTo(0.5, 1)
  })
})

describe('many targets', () => {
  test.for<Balance>(['round-robin', 'least-connections', 'ip-hash', 'random-two-choices'])(
    '%s leaves out what is down, and takes nothing twice after a failure',
    (balance) => {
      const targets = candidates(40)
      const it = selector(targets, {}, balance)
      for (const { state } of targets.slice(0, 20)) state.isUp = false
      for (let i = 0; i < 500; i++) {
        const first = it.choose(`client-${i}`, [], 0)
        const second = it.choose(`client-${i}`, first === null ? [] : [first], 0)
        expect(first?.state.isUp).toBe(true)
        expect(second?.state.isUp).toBe(true)
        expect(second).not.toBe(first)
      }
    },
  )

  test('calls that end after others have taken the place keep the order of the new set', () => {
    const targets = candidates(20)
    const old = selector(targets, {}, 'least-connections')
    const held = Array.from({ length: 60 }, () => {
      const target = old.choose('', [], 0) as Named
      callBegan(target.state)
      return target
    })
    const kept = targets.slice(2).map((target) => ({ ...target }))
    old.retire()
    const next = selector(kept, {}, 'least-connections')
    expect(next.choose('', [], 0)).not.toBeNull()
    for (const target of held) callEnded(target.state)
    for (let i = 0; i < 180; i++) callBegan((next.choose('', [], 0) as Named).state)
    expect(kept.map(({ state }) => state.inFlight)).toEqual(Array(18).fill(10))
    // The old one still finds a target for a request that holds it.
    expect(old.choose('', [], 0)).not.toBeNull()
  })
})
