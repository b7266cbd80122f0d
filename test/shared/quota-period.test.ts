import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CALENDAR_PERIODS } from '../../shared/definitions/quota.ts'
import { calendarStart, periodEnd } from '../../shared/quota-period.ts'

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

test.each([
  ['hour', 0, '2026-03-15T13:00:00.000Z', '2026-03-15T14:00:00.000Z'],
  ['day', 0, '2026-03-15T00:00:00.000Z', '2026-03-16T00:00:00.000Z'],
  // A Sunday: the week began on the Monday before.
  ['week', 0, '2026-03-09T00:00:00.000Z', '2026-03-16T00:00:00.000Z'],
  ['month', 0, '2026-03-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z'],
  ['year', 0, '2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  // East of UTC the day begins earlier.
  ['day', 330, '2026-03-14T18:30:00.000Z', '2026-03-15T18:30:00.000Z'],
  ['month', -480, '2026-03-01T08:00:00.000Z', '2026-04-01T08:00:00.000Z'],
] as const)('a %s at %i minutes from UTC: %s to %s', (period, utcOffsetMinutes, start, end) => {
  const quota = { period, utcOffsetMinutes }
  const startMs = calendarStart(quota, Date.parse('2026-03-15T13:45:10.123Z'))
  expect(iso(startMs)).toBe(start)
  expect(iso(periodEnd(quota, startMs ?? 0))).toBe(end)
})

test('February of a leap year has 29 days', () => {
  expect(iso(periodEnd({ period: 'month' }, Date.parse('2028-02-01T00:00:00Z')))).toBe(
    '2028-03-01T00:00:00.000Z',
  )
})

test('a period of its own begins with its first use', () => {
  expect(calendarStart({}, 5)).toBeNull()
  expect(periodEnd({ everyMs: 1_000 }, 5)).toBe(1_005)
})

test('every moment is in exactly one period: from its start up to its end', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CALENDAR_PERIODS),
      fc.integer({ min: -720, max: 840 }),
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      (period, utcOffsetMinutes, atMs) => {
        const quota = { period, utcOffsetMinutes }
        const startMs = calendarStart(quota, atMs) ?? NaN
        const endMs = periodEnd(quota, startMs)
        expect(startMs).toBeLessThanOrEqual(atMs)
        expect(endMs).toBeGreaterThan(atMs)
        expect(calendarStart(quota, startMs)).toBe(startMs)
        expect(calendarStart(quota, endMs - 1)).toBe(startMs)
        expect(calendarStart(quota, endMs)).toBe(endMs)
      },
    ),
  )
})
