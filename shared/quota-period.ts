import { unreachable } from './assert.ts'
import type { CalendarPeriod, QuotaSpec } from './definitions/quota.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** 1970 began on a Thursday. */
const FIRST_MONDAY_MS = 4 * DAY_MS

/** When the period of the calendar began that a moment is in; milliseconds since 1970. Null for other periods. */
export function calendarStart(
  { period, utcOffsetMinutes = 0 }: Pick<QuotaSpec, 'period' | 'utcOffsetMinutes'>,
  atMs: number,
): number | null {
  if (period === undefined) return null
  const shiftMs = utcOffsetMinutes * MINUTE_MS
  return startOf(period, atMs + shiftMs) - shiftMs
}

/** When a period ends that began at `startMs`. */
export function periodEnd(
  {
    period,
    utcOffsetMinutes = 0,
    everyMs = 0,
  }: Pick<QuotaSpec, 'period' | 'utcOffsetMinutes' | 'everyMs'>,
  startMs: number,
): number {
  if (period === undefined) return startMs + everyMs
  const shiftMs = utcOffsetMinutes * MINUTE_MS
  const local = new Date(startMs + shiftMs)
  switch (period) {
    case 'hour':
      return startMs + HOUR_MS
    case 'day':
      return startMs + DAY_MS
    case 'week':
      return startMs + 7 * DAY_MS
    case 'month':
      return Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1) - shiftMs
    case 'year':
      return Date.UTC(local.getUTCFullYear() + 1, 0) - shiftMs
    default:
      return unreachable(period)
  }
}

/** Longest that a period may last: what the control plane needs of one that is none of the calendar. */
export function periodLength({ everyMs }: Pick<QuotaSpec, 'everyMs'>): number {
  return everyMs ?? 366 * DAY_MS
}

function startOf(period: CalendarPeriod, localMs: number): number {
  const local = new Date(localMs)
  switch (period) {
    case 'hour':
      return localMs - mod(localMs, HOUR_MS)
    case 'day':
      return localMs - mod(localMs, DAY_MS)
    case 'week':
      return localMs - mod(localMs - FIRST_MONDAY_MS, 7 * DAY_MS)
    case 'month':
      return Date.UTC(local.getUTCFullYear(), local.getUTCMonth())
    case 'year':
      return Date.UTC(local.getUTCFullYear(), 0)
    default:
      return unreachable(period)
  }
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by
}
