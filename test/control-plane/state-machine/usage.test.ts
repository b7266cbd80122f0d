import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { UsageCommand } from '../../../control-plane/ports.ts'
import { Usage } from '../../../control-plane/state-machine/usage.ts'
import { USAGE_SOURCE_MS } from '../../../shared/limits.ts'
import type { UsageCount, UsageReport } from '../../../shared/usage-protocol.ts'

const KNOWN = (): boolean => true

function count(used: number, more: Partial<UsageCount> = {}): UsageCount {
  return { consumer: 'ada', quota: 'calls', used, startMs: 1_000, periodMs: 500, ...more }
}

function report(sequence: number, ...counts: readonly UsageCount[]): UsageReport {
  return { source: 'gateway-1', sequence, counts: [...counts] }
}

function command(...reports: readonly UsageReport[]): UsageCommand {
  return { type: 'usage', id: 'x', atMs: 1_200, reports, adjustments: [] }
}

function usedOf(usage: Usage): number | undefined {
  return usage.of('ada')?.quotas['calls']?.used
}

test('counts of one period add up, whoever reports them', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  const { totals, grown } = usage.apply(
    command({ ...report(1, count(4)), source: 'gateway-2' }),
    KNOWN,
  )
  expect(totals).toEqual([{ consumer: 'ada', quota: 'calls', startMs: 1_000, used: 7 }])
  expect(grown).toEqual([{ consumer: 'ada', quota: 'calls', startMs: 1_000, used: 7, before: 3 }])
})

test('a report that comes again, or after a later one, is not counted again', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  const again = usage.apply(command(report(1, count(3))), KNOWN)
  expect(again.records).toEqual([])
  expect(again.totals).toEqual([{ consumer: 'ada', quota: 'calls', startMs: 1_000, used: 3 }])
  usage.apply(command(report(2, count(1))), KNOWN)
  usage.apply(command(report(1, count(3))), KNOWN)
  expect(usedOf(usage)).toBe(4)
})

test('a new period of the calendar begins at 0, and keeps what the one before came to', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  usage.apply(command(report(2, count(2, { startMs: 2_000 }))), KNOWN)
  expect(usage.of('ada')?.quotas['calls']).toEqual({
    startMs: 2_000,
    used: 2,
    previous: { startMs: 1_000, used: 3 },
  })
})

test('what comes late counts for the period that it was used in', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  usage.apply(command(report(2, count(2, { startMs: 2_000 }))), KNOWN)
  const late = usage.apply(command({ ...report(1, count(5)), source: 'gateway-2' }), KNOWN)
  expect(late.grown).toEqual([])
  expect(usage.of('ada')?.quotas['calls']).toEqual({
    startMs: 2_000,
    used: 2,
    previous: { startMs: 1_000, used: 8 },
  })
})

test('a period of its own begins with the first use after the one before', () => {
  const usage = new Usage({})
  const rolling = { startMs: null, periodMs: 500 }
  const at = (atMs: number, sequence: number): void => {
    usage.apply({ ...command(report(sequence, count(1, rolling))), atMs }, KNOWN)
  }
  at(10_000, 1)
  at(10_499, 2)
  expect(usage.of('ada')?.quotas['calls']).toMatchObject({ startMs: 10_000, used: 2 })
  at(10_500, 3)
  expect(usage.of('ada')?.quotas['calls']).toMatchObject({ startMs: 10_500, used: 1 })
})

test('a Consumer that is not there has used nothing, and one that goes takes its usage along', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), () => false)
  expect(usage.of('ada')).toBeNull()
  usage.apply(command(report(2, count(3))), KNOWN)
  expect(usage.forget('ada')).toEqual([{ type: 'usage-forgotten', consumer: 'ada' }])
  expect(usage.forget('ada')).toEqual([])
  expect(usage.of('ada')).toBeNull()
})

test('a quota is reset, and topped up below what was used', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  const adjust = (amount: number | null): void => {
    const adjustments = [{ consumer: 'ada', quota: 'calls', amount }]
    usage.apply({ ...command(), adjustments }, KNOWN)
  }
  adjust(10)
  expect(usedOf(usage)).toBe(-7)
  adjust(null)
  expect(usedOf(usage)).toBe(0)
})

test('what nobody has used cannot be adjusted', () => {
  const usage = new Usage({})
  const adjustments = [{ consumer: 'ada', quota: 'calls', amount: 5 }]
  expect(usage.apply({ ...command(), adjustments }, KNOWN)).toEqual({
    totals: [],
    grown: [],
    records: [],
  })
})

test('a source that was silent for long is forgotten', () => {
  const usage = new Usage({})
  usage.apply(command(report(1, count(3))), KNOWN)
  const later = { ...command({ ...report(1), source: 'gateway-2' }), atMs: 1_201 + USAGE_SOURCE_MS }
  expect(usage.apply(later, KNOWN).records).toContainEqual({
    type: 'usage-source-forgotten',
    source: 'gateway-1',
  })
})

test('reports in any order of sources, with repeats, come to the same, also from what the disk kept', () => {
  const step = fc.record({
    source: fc.constantFrom('gateway-1', 'gateway-2', 'gateway-3'),
    used: fc.integer({ min: 0, max: 9 }),
    repeats: fc.integer({ min: 1, max: 3 }),
    restarts: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let usage = new Usage({})
      const sequences = new Map<string, number>()
      const kept = { usage: new Map<string, unknown>(), sources: new Map<string, unknown>() }
      let expected = 0
      for (const { source, used, repeats, restarts } of steps) {
        const sequence = (sequences.get(source) ?? 0) + 1
        sequences.set(source, sequence)
        expected += used
        for (let at = 0; at < repeats; at++) {
          const { records } = usage.apply(
            command({ source, sequence, counts: [count(used)] }),
            KNOWN,
          )
          for (const record of records) {
            if (record.type === 'usage') kept.usage.set(record.usage.consumer, record.usage)
            if (record.type === 'usage-source')
              kept.sources.set(record.source.source, record.source)
          }
        }
        if (!restarts) continue
        usage = new Usage({
          usage: [...kept.usage.values()] as ConstructorParameters<typeof Usage>[0]['usage'] & [],
          usageSources: [...kept.sources.values()] as ConstructorParameters<
            typeof Usage
          >[0]['usageSources'] &
            [],
        })
      }
      expect(usedOf(usage) ?? 0).toBe(expected)
    }),
  )
})
