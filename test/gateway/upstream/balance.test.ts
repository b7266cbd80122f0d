import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Random } from '../../../shared/random.ts'
import type { Balance } from '../../../shared/definitions/upstream.ts'
import { LONG_AGO, newTargetState } from '../../../gateway/upstream/target-state.ts'
import { hashText, selectTarget, type Candidate } from '../../../gateway/upstream/balance.ts'

type Named = Candidate & { readonly name: string }

function candidate(name: string, weight = 1): Named {
  return { name, weight, seed: hashText(name), state: newTargetState(LONG_AGO) }
}

function pick(balance: Balance, targets: readonly Named[], client = '10.0.0.1', seed = 1): string {
  const random = new Random(seed)
  return selectTarget(balance, targets, { key: client, tried: [], random })?.name ?? '-'
}

const BALANCES: readonly Balance[] = [
  'round-robin',
  'least-connections',
  'ip-hash',
  'random-two-choices',
]

test('round robin is smooth: weights 5, 1, 1 never send a burst to one target', () => {
  const targets = [candidate('a', 5), candidate('b', 1), candidate('c', 1)]
  const order = Array.from({ length: 14 }, () => pick('round-robin', targets)).join('')
  expect(order).toBe('aabacaaaabacaa')
})

test('round robin gives exactly its share to every weight', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(weights, (given) => {
      const targets = given.map((weight, i) => candidate(`t${i}`, weight))
      const total = given.reduce((sum, weight) => sum + weight, 0)
      const counts = new Map<string, number>()
      for (let i = 0; i < total; i++) {
        const name = pick('round-robin', targets)
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      expect(targets.map(({ name }) => counts.get(name) ?? 0)).toEqual(given)
    }),
  )
})

test('a target of weight 0 is never chosen, whatever the balance', () => {
  for (const balance of BALANCES) {
    const targets = [candidate('a'), candidate('out', 0), candidate('b')]
    for (let i = 0; i < 500; i++) expect(pick(balance, targets, `10.0.0.${i}`, i)).not.toBe('out')
    expect(pick(balance, [candidate('out', 0)])).toBe('-')
    expect(pick(balance, [candidate('out', 0), candidate('off', 0)])).toBe('-')
  }
})

test('least connections goes where the fewest calls are under way for the weight', () => {
  const [a, b, c] = [candidate('a', 1), candidate('b', 4), candidate('c', 1)]
  a.state.inFlight = 2
  b.state.inFlight = 4 // One a weight: the least.
  c.state.inFlight = 3
  expect(pick('least-connections', [a, b, c])).toBe('b')
  b.state.inFlight = 12
  expect(pick('least-connections', [a, b, c])).toBe('a')
})

test('least connections takes turns among equals', () => {
  const targets = [candidate('a'), candidate('b'), candidate('c')]
  const names = Array.from({ length: 6 }, () => pick('least-connections', targets))
  expect(new Set(names.slice(0, 3)).size).toBe(3)
  expect(new Set(names.slice(3)).size).toBe(3)
})

test('ip-hash keeps a client on its target and spreads clients by weight', () => {
  const targets = [candidate('a', 1), candidate('b', 3)]
  const counts = { a: 0, b: 0 }
  for (let i = 0; i < 8_000; i++) {
    const client = `10.${i >> 8}.${i & 255}.7`
    const name = pick('ip-hash', targets, client)
    expect(pick('ip-hash', targets, client)).toBe(name)
    counts[name as 'a' | 'b'] += 1
  }
  expect(counts.b / 8_000).toBeGreaterThan(0.72)
  expect(counts.b / 8_000).toBeLessThan(0.78)
})

test('ip-hash moves only the clients of the target that goes, or those that a new one wins', () => {
  const four = ['a', 'b', 'c', 'd'].map((name) => candidate(name))
  const three = four.slice(0, 3)
  let moved = 0
  for (let i = 0; i < 4_000; i++) {
    const client = `192.168.${i >> 8}.${i & 255}`
    const before = pick('ip-hash', four, client)
    const after = pick('ip-hash', three, client)
    if (before === 'd') moved += 1
    expect([before, 'd']).toContain(before === 'd' ? 'd' : after)
  }
  expect(moved / 4_000).toBeGreaterThan(0.2)
  expect(moved / 4_000).toBeLessThan(0.3)
})

test('random-two-choices takes the less loaded of two, and never the most loaded of all', () => {
  const targets = [candidate('busy'), candidate('a'), candidate('b')]
  targets[0]!.state.inFlight = 9
  const counts = new Map<string, number>()
  const random = new Random(7)
  for (let i = 0; i < 3_000; i++) {
    const selection = { key: 'x', tried: [], random }
    const name = selectTarget('random-two-choices', targets, selection)?.name ?? '-'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  expect(counts.get('busy')).toBeUndefined()
  expect(Math.abs((counts.get('a') ?? 0) - 1_500)).toBeLessThan(150)
})

test('random-two-choices spreads by weight when nobody is busy', () => {
  const targets = [candidate('a', 1), candidate('b', 2), candidate('c', 1)]
  const counts = new Map<string, number>()
  const random = new Random(11)
  for (let i = 0; i < 4_000; i++) {
    const selection = { key: 'x', tried: [], random }
    const name = selectTarget('random-two-choices', targets, selection)?.name ?? '-'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  expect((counts.get('b') ?? 0) / 4_000).toBeGreaterThan(0.45)
  expect((counts.get('a') ?? 0) / 4_000).toBeGreaterThan(0.2)
})

test('what failed this request is chosen again only when nothing else is left', () => {
  for (const balance of BALANCES) {
    const [a, b, out] = [candidate('a'), candidate('b'), candidate('out', 0)]
    const targets = [a, b, out]
    const select = (tried: readonly Named[]): string =>
      selectTarget(balance, targets, { key: 'x', tried, random: new Random(3) })?.name ?? '-'
    for (let i = 0; i < 20; i++) expect(select([a])).toBe('b')
    expect(['a', 'b']).toContain(select([a, b]))
  }
})
