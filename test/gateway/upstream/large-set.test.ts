// Goal: large sets are balanced as small ones are. Method: the same sets through both, shares and loads compared.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Balance } from '../../../shared/definitions/upstream.ts'
import { Random } from '../../../shared/random.ts'
import { load, type Selection } from '../../../gateway/upstream/balance.ts'
import { largeSet } from '../../../gateway/upstream/large-set.ts'
import { callBegan, callEnded } from '../../../gateway/upstream/target-state.ts'
import { candidates, type Named } from './candidates.ts'

function selection(key = 'client', seed = 1): Selection<Named> {
  return { key, tried: [], random: new Random(seed) }
}

function counted(balance: Balance, targets: readonly Named[], choices: number): number[] {
  const picker = largeSet(balance, targets, new Random(7))
  const asked = selection()
  const counts = new Map<Named, number>()
  for (let i = 0; i < choices; i++) {
    asked.key = `10.1.${i >> 8}.${i & 255}`
    const target = picker.pick(asked)
    counts.set(target, (counts.get(target) ?? 0) + 1)
  }
  return targets.map((target) => counts.get(target) ?? 0)
}

test('round robin of equal weights takes exact turns', () => {
  expect(counted('round-robin', candidates(40), 400)).toEqual(Array(40).fill(10))
})

test('round robin gives every weight its share in every stretch, not in bursts', () => {
  const targets = candidates(20, (i) => i + 1)
  const picker = largeSet('round-robin', targets, new Random(3))
  const asked = selection()
  const counts = new Map<Named, number>()
  for (let i = 1; i <= 2_100; i++) {
    const target = picker.pick(asked)
    counts.set(target, (counts.get(target) ?? 0) + 1)
    for (const each of targets) {
      const share = (i * each.weight) / 210
      expect(Math.abs((counts.get(each) ?? 0) - share)).toBeLessThan(2.5)
    }
  }
})

test('least connections always takes one of the least loaded, whatever begins and ends', () => {
  const step = fc.record({ begins: fc.boolean(), which: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const targets = candidates(18, (i) => (i % 3) + 1)
      const picker = largeSet('least-connections', targets, new Random(1))
      const underWay: Named[] = []
      for (const { begins, which } of steps) {
        const [ended] = begins ? [] : underWay.splice(which % Math.max(1, underWay.length), 1)
        if (ended !== undefined) callEnded(ended.state)
        const least = Math.min(...targets.map(load))
        const target = picker.pick(selection())
        expect(load(target)).toBe(least)
        callBegan(target.state)
        underWay.push(target)
      }
    }),
  )
})

test('least connections takes turns among idle targets', () => {
  expect(counted('least-connections', candidates(25), 100)).toEqual(Array(25).fill(4))
})

test('two choices follow the weights and avoid the loaded one', () => {
  const targets = candidates(20, (i) => (i === 0 ? 19 : 1))
  const [heavy = 0] = counted('random-two-choices', targets, 10_000)
  // Drawn first with 1/2, and second in nearly every other case; of two that are idle the first stays.
  expect(heavy / 10_000).toBeGreaterThan(0.45)
  expect(heavy / 10_000).toBeLessThan(0.55)
  for (let i = 0; i < 40; i++) callBegan((targets[0] as Named).state)
  expect(counted('random-two-choices', targets, 1_000)[0]).toBe(0)
})

describe('hashing', () => {
  test('spreads clients by weight', () => {
    const targets = candidates(30, (i) => (i < 15 ? 1 : 3))
    const counts = counted('ip-hash', targets, 60_000)
    const light = counts.slice(0, 15).reduce((sum, count) => sum + count, 0)
    expect(light / 60_000).toBeGreaterThan(0.22)
    expect(light / 60_000).toBeLessThan(0.28)
    expect(Math.min(...counts)).toBeGreaterThan(500)
  })

  test('moves few clients but those of the target that goes', () => {
    const targets = candidates(50)
    const without = targets.filter((_, i) => i !== 17)
    const before = largeSet('ip-hash', targets, new Random(1))
    const after = largeSet('ip-hash', without, new Random(1))
    let moved = 0
    for (let i = 0; i < 10_000; i++) {
      const asked = selection(`client-${i}`)
      const old = before.pick(asked)
      if (old !== targets[17] && after.pick(asked) !== old) moved += 1
    }
    expect(moved / 10_000).toBeLessThan(0.05)
  })
})
