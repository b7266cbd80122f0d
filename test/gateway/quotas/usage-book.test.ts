import { expect, test } from 'vitest'
import { left, UsageBook } from '../../../gateway/quotas/usage-book.ts'
import type { QuotaSpec } from '../../../shared/definitions/quota.ts'
import { USAGE_ASK_MS, USAGE_KEPT_MS } from '../../../shared/limits.ts'

const HOUR_MS = 3_600_000
const HOURLY: QuotaSpec = { name: 'calls', limit: 10, period: 'hour' }
const ROLLING: QuotaSpec = { name: 'calls', limit: 10, everyMs: 1_000 }

function use(book: UsageBook, quota: QuotaSpec, nowMs: number, used = 1): void {
  const entry = book.entry('ada', null, quota, nowMs)
  entry.pending += used
  entry.usedAtMs = nowMs
}

test('what is used here counts at once, and is handed over once', () => {
  const book = new UsageBook()
  use(book, HOURLY, 5, 3)
  expect(left(book.entry('ada', null, HOURLY, 5))).toBe(7)
  const taken = book.take(5)
  expect(taken).toEqual({
    batch: 1,
    counts: [
      { consumer: 'ada', quota: 'calls', used: 3, startMs: 0, periodMs: 366 * 24 * HOUR_MS },
    ],
  })
  expect(left(book.entry('ada', null, HOURLY, 6))).toBe(7)
  expect(book.take(6)).toBeNull()
})

test('what the cluster tells takes the place of what it has been told', () => {
  const book = new UsageBook()
  use(book, HOURLY, 5, 3)
  book.take(5)
  use(book, HOURLY, 6, 1)
  // Others have used 2 beside the 3 of here; 1 is still on its way.
  book.learn([{ consumer: 'ada', quota: 'calls', startMs: 0, used: 5 }], 1)
  expect(left(book.entry('ada', null, HOURLY, 6))).toBe(4)
  book.take(7)
  book.learn([{ consumer: 'ada', quota: 'calls', startMs: 0, used: 6 }], 2)
  expect(left(book.entry('ada', null, HOURLY, 7))).toBe(4)
})

test('a total without an answer to what was handed over leaves that counted', () => {
  const book = new UsageBook()
  use(book, HOURLY, 5, 3)
  book.take(5)
  book.learn([{ consumer: 'ada', quota: 'calls', startMs: 0, used: 2 }], 0)
  expect(left(book.entry('ada', null, HOURLY, 5))).toBe(5)
})

test('a new period begins with nothing, and what is left of the last is handed over as its', () => {
  const book = new UsageBook()
  use(book, HOURLY, HOUR_MS - 1, 4)
  expect(left(book.entry('ada', null, HOURLY, HOUR_MS))).toBe(10)
  use(book, HOURLY, HOUR_MS, 1)
  expect(book.take(HOUR_MS)?.counts).toMatchObject([
    { used: 4, startMs: 0 },
    { used: 1, startMs: HOUR_MS },
  ])
  book.learn([{ consumer: 'ada', quota: 'calls', startMs: 0, used: 9 }], 1)
  expect(left(book.entry('ada', null, HOURLY, HOUR_MS))).toBe(10)
})

test('a period of its own ends when the cluster says', () => {
  const book = new UsageBook()
  use(book, ROLLING, 5, 4)
  expect(book.take(5)?.counts).toMatchObject([{ used: 4, startMs: null, periodMs: 1_000 }])
  book.learn([{ consumer: 'ada', quota: 'calls', startMs: 100, used: 4 }], 1)
  expect(left(book.entry('ada', null, ROLLING, 1_099))).toBe(6)
  expect(left(book.entry('ada', null, ROLLING, 1_100))).toBe(10)
})

test('a quota in use is asked about, one that is not is left alone', () => {
  const book = new UsageBook()
  use(book, HOURLY, 0, 1)
  book.take(0)
  expect(book.take(USAGE_ASK_MS - 1)).toBeNull()
  expect(book.take(USAGE_ASK_MS)?.counts).toMatchObject([{ used: 0 }])
  expect(book.take(USAGE_KEPT_MS)).toBeNull()
})

test('keys are counted apart', () => {
  const book = new UsageBook()
  book.entry('ada', 'one', HOURLY, 0).pending += 10
  expect(left(book.entry('ada', 'one', HOURLY, 0))).toBe(0)
  expect(left(book.entry('ada', 'two', HOURLY, 0))).toBe(10)
  expect(book.take(0)?.counts.map(({ quota }) => quota)).toContain('calls/one')
})

test('another limit keeps what was used', () => {
  const book = new UsageBook()
  use(book, HOURLY, 5, 3)
  const more = { ...HOURLY, limit: 20 }
  expect(left(book.entry('ada', null, more, 6))).toBe(17)
  expect(book.take(6)?.counts.reduce((sum, { used }) => sum + used, 0)).toBe(3)
})
