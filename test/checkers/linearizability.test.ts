// Goal: the checker says what is true. Method: known good and bad histories by hand, then small random histories
// against a second implementation that tries everything, then long histories of a real register, whole and spoilt.
import { array, assert, constantFrom, integer, option, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Random } from '../../shared/random.ts'
import { isLinearizableByForce } from './brute-force.ts'
import type { Operation } from './history.ts'
import { checkLinearizability } from './linearizability.ts'
import { playRegister } from './random-register.ts'

type Line = [
  process: number,
  type: Operation['type'],
  op: Operation['op'],
  value?: unknown,
  revision?: number | null,
  ifRevision?: number,
]

function historyOf(...lines: readonly Line[]): Operation[] {
  return lines.map(([process, type, op, value = null, revision = null, ifRevision], time) => ({
    process,
    type,
    op,
    key: 'k',
    value,
    revision,
    time,
    ...(ifRevision === undefined ? {} : { ifRevision }),
  }))
}

const GOOD: Readonly<Record<string, readonly Line[]>> = {
  'nothing at all': [],
  'a write and a read of it': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [1, 'invoke', 'get'],
    [1, 'ok', 'get', 'a', 1],
  ],
  'a read beside a write sees the old': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', null, null],
    [1, 'ok', 'put', 'a', 1],
  ],
  'a read beside a write sees the new': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 1],
    [1, 'ok', 'put', 'a', 1],
  ],
  'an unknown write is read much later': [
    [1, 'invoke', 'put', 'a'],
    [1, 'info', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', null, null],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 7],
  ],
  'an unknown write never happens': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', null, null],
  ],
  'a guard sees an unknown write': [
    [1, 'invoke', 'put', 'a'],
    [1, 'info', 'put', 'a'],
    [2, 'invoke', 'cas', 'b', null, 4],
    [2, 'ok', 'cas', 'b', 5, 4],
  ],
  'a guard that does not hold': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 3],
    [2, 'invoke', 'cas', 'b', null, 2],
    [2, 'fail', 'cas', 'b', 3, 2],
  ],
  'an unknown delete between two reads': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 3],
    [2, 'invoke', 'delete'],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', 'a', 3],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', null, null],
  ],
}

const BAD: Readonly<Record<string, readonly Line[]>> = {
  'a stale read': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', null, null],
  ],
  'a read of what nobody wrote': [
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 1],
  ],
  'a read of a write that failed': [
    [1, 'invoke', 'put', 'a'],
    [1, 'fail', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 1],
  ],
  'a lost write': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [1, 'invoke', 'put', 'b'],
    [1, 'ok', 'put', 'b', 2],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 1],
  ],
  'two reads that disagree about the order of unknown writes': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'put', 'b'],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', 'a', 1],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', 'b', 2],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', 'a', 1],
  ],
  'a read that goes back beside a write': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'get'],
    [2, 'ok', 'get', 'a', 1],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', null, null],
    [1, 'ok', 'put', 'a', 1],
  ],
  'two guarded writes on one revision': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [1, 'invoke', 'cas', 'b', null, 1],
    [2, 'invoke', 'cas', 'c', null, 1],
    [1, 'ok', 'cas', 'b', 2, 1],
    [2, 'ok', 'cas', 'c', 3, 1],
  ],
  'a guard that should have held': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [1, 'invoke', 'cas', 'b', null, 1],
    [1, 'fail', 'cas', 'b', 1, 1],
  ],
  'a guard that failed against a write that never was': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [2, 'invoke', 'cas', 'b', null, 1],
    [2, 'fail', 'cas', 'b', 2, 1],
  ],
  'a delete of nothing': [
    [1, 'invoke', 'delete'],
    [1, 'ok', 'delete', null, 1],
  ],
  'revisions against real time': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 2],
    [1, 'invoke', 'put', 'b'],
    [1, 'ok', 'put', 'b', 1],
  ],
  'one revision for two writes': [
    [1, 'invoke', 'put', 'a'],
    [2, 'invoke', 'put', 'b'],
    [1, 'ok', 'put', 'a', 2],
    [2, 'ok', 'put', 'b', 2],
  ],
  'a revision with no room for the unknown write that was read': [
    [1, 'invoke', 'put', 'a'],
    [1, 'ok', 'put', 'a', 1],
    [2, 'invoke', 'put', 'b'],
    [2, 'info', 'put', 'b'],
    [3, 'invoke', 'get'],
    [3, 'ok', 'get', 'b', 1],
  ],
}

describe('by hand', () => {
  test.each(Object.entries(GOOD))('%s is linearizable', (_, lines) => {
    const history = historyOf(...lines)
    expect(checkLinearizability(history)).toEqual({ verdict: 'linearizable' })
    expect(isLinearizableByForce(history)).toBe(true)
  })

  test.each(Object.entries(BAD))('%s is not', (_, lines) => {
    const history = historyOf(...lines)
    expect(checkLinearizability(history)).toMatchObject({ verdict: 'violation', key: 'k' })
    expect(isLinearizableByForce(history)).toBe(false)
  })

  test('keys are independent, and the one that is wrong is named', () => {
    const good = historyOf(...GOOD['a write and a read of it']!)
    const bad = historyOf(...BAD['a stale read']!).map((event) => ({
      ...event,
      process: `other ${event.process}`,
      key: 'bad',
      time: 100,
    }))
    expect(checkLinearizability([...good, ...bad])).toMatchObject({ key: 'bad' })
  })

  test('a search that is given up is no pass', () => {
    // Twelve unknown writes of a value that nobody reads, and a guard that could have seen any of them.
    const lines: Line[] = Array.from({ length: 12 }, (_, i) => [i, 'invoke', 'put', `v${i}`])
    lines.push([50, 'invoke', 'cas', 'x', null, 3], [50, 'ok', 'cas', 'x', 4, 3])
    lines.push([51, 'invoke', 'get'], [51, 'ok', 'get', 'never', 9])
    expect(checkLinearizability(historyOf(...lines), { stepsMax: 5 }).verdict).toBe('unknown')
    expect(checkLinearizability(historyOf(...lines)).verdict).toBe('violation')
  })
})

// Small numbers of values and revisions, so that coincidences are common.
const small = record({
  op: constantFrom('put', 'cas', 'delete', 'get' as const),
  process: integer({ min: 0, max: 2 }),
  outcome: constantFrom('ok', 'ok', 'ok', 'fail', 'info' as const),
  value: constantFrom('a', 'b'),
  revision: integer({ min: 0, max: 4 }),
  ifRevision: option(integer({ min: 0, max: 3 }), { nil: undefined }),
  length: integer({ min: 1, max: 4 }),
})

test('random small histories are judged as by trying everything', () => {
  const seen = { linearizable: 0, violation: 0 }
  assert(
    property(array(small, { minLength: 2, maxLength: 6 }), (calls) => {
      const history = arrange(calls)
      const { verdict } = checkLinearizability(history)
      expect(verdict === 'linearizable').toBe(isLinearizableByForce(history))
      if (verdict !== 'unknown') seen[verdict]++
    }),
    { numRuns: 5_000 },
  )
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(100)
})

test('short histories of a register with a broken answer are judged as by trying everything', () => {
  const seen = { linearizable: 0, violation: 0 }
  for (let seed = 1; seed <= 1_500; seed++) {
    const random = new Random(seed)
    const history = playRegister({ random, keys: 1, processes: 3, calls: 7, unknownIn: 3 })
    const spoilt = random.below(3) === 0 ? history : spoil(history, random)
    if (spoilt === null) continue
    const { verdict } = checkLinearizability(spoilt)
    expect({ seed, isRight: verdict === 'linearizable' }).toEqual({
      seed,
      isRight: isLinearizableByForce(spoilt),
    })
    if (verdict !== 'unknown') seen[verdict]++
  }
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(200)
})

test('long histories of a real register pass, quickly', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed)
    const history = playRegister({ random, keys: 3, processes: 8, calls: 2_000, unknownIn: 20 })
    expect({ seed, ...checkLinearizability(history) }).toEqual({ seed, verdict: 'linearizable' })
  }
})

test('a stale read anywhere in a long history is found', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed)
    const history = playRegister({ random, keys: 3, processes: 8, calls: 1_000, unknownIn: 20 })
    const spoilt = history.map((event) => ({ ...event }))
    const reads = spoilt.filter(
      ({ op, type, revision }) => op === 'get' && type === 'ok' && revision! > 30,
    )
    const late = reads[reads.length - 1 - random.below(20)]!
    const early = spoilt.find(
      ({ op, type, key, value }) =>
        op === 'get' && type === 'ok' && key === late.key && value !== null,
    )!
    late.value = early.value
    late.revision = early.revision
    expect({ seed, ...checkLinearizability(spoilt) }).toMatchObject({
      seed,
      verdict: 'violation',
      key: late.key,
    })
  }
})

type Small = {
  readonly op: 'put' | 'cas' | 'delete' | 'get'
  readonly process: number
  readonly outcome: 'ok' | 'fail' | 'info'
  readonly value: string
  readonly revision: number
  readonly ifRevision: number | undefined
  readonly length: number
}

/** Lays random calls out in time: each lasts until `length` further calls of others have begun, or its process calls again. */
function arrange(calls: readonly Small[]): Operation[] {
  const history: Operation[] = []
  const open: { call: Small; left: number }[] = []
  const end = (at: number) => {
    const { call } = open.splice(at, 1)[0]!
    history.push({ ...base(call), ...answer(call), type: call.outcome, time: 0 })
  }
  for (const call of calls) {
    for (const other of open) other.left--
    for (let at = open.length - 1; at >= 0; at--) {
      if (open[at]!.left <= 0 || open[at]!.call.process === call.process) end(at)
    }
    history.push({ ...base(call), value: wantedOf(call), revision: null, type: 'invoke', time: 0 })
    open.push({ call, left: call.length })
  }
  while (open.length > 0) end(0)
  return history
}

function base(call: Small): Pick<Operation, 'process' | 'op' | 'key' | 'ifRevision'> {
  const { process, op } = call
  const ifRevision =
    op === 'cas' ? (call.ifRevision ?? 0) : op === 'delete' ? call.ifRevision : undefined
  return { process, op, key: 'k', ...(ifRevision === undefined ? {} : { ifRevision }) }
}

function wantedOf({ op, value }: Small): unknown {
  return op === 'put' || op === 'cas' ? value : null
}

function answer(call: Small): Pick<Operation, 'value' | 'revision'> {
  const { op, outcome, revision, value } = call
  if (outcome === 'info') return { value: wantedOf(call), revision: null }
  if (outcome === 'fail') {
    return { value: wantedOf(call), revision: op === 'cas' || op === 'delete' ? revision : null }
  }
  if (op !== 'get') return { value: wantedOf(call), revision: revision + 1 }
  return revision === 0 ? { value: null, revision: null } : { value, revision }
}

/** Changes one answer to that of another call; null when there is nothing to change. */
function spoil(history: readonly Operation[], random: Random): Operation[] | null {
  const reads = history.flatMap(({ op, type }, at) => (op === 'get' && type === 'ok' ? [at] : []))
  const at = reads[random.below(Math.max(1, reads.length))]
  const from = history.filter(({ type, revision }) => type === 'ok' && revision !== null)
  const other = from[random.below(Math.max(1, from.length))]
  if (at === undefined || other === undefined || other.op === 'delete') return null
  return history.map((event, i) =>
    i === at ? { ...event, value: other.value, revision: other.revision } : event,
  )
}
