import { expect, test } from 'vitest'
import { RecordBatch } from '../../../gateway/records/record-batch.ts'
import type { RequestContext } from '../../../gateway/request-context.ts'
import { RECORD_BATCH_CHARS, RECORD_CHARS_WAITING_MAX } from '../../../shared/limits.ts'
import { Random } from '../../../shared/random.ts'

/** A batch whose time and output are in the hands of the test. */
function batchOf(sample: number): {
  readonly batch: RecordBatch
  readonly sent: { readonly lines: string; readonly records: number }[]
  readonly timers: (() => void)[]
  readonly counts: { recorded: number; dropped: number }
} {
  const sent: { lines: string; records: number }[] = []
  const timers: (() => void)[] = []
  const counts = { recorded: 0, dropped: 0 }
  const batch = new RecordBatch({
    settings: { gateway: 'g', format: '{method} {path}', query: 'mask', sample },
    random: new Random(7),
    epochMs: () => 0,
    send: (lines, records) => sent.push({ lines, records }),
    later: (_ms, run) => timers.push(run),
    onRecorded: () => (counts.recorded += 1),
    onDropped: () => (counts.dropped += 1),
  })
  return { batch, sent, timers, counts }
}

// What the template above reads of a request.
const ended = {
  exchange: { method: 'GET', path: '/x' },
  route: null,
} as Partial<RequestContext> as RequestContext

test('records leave together after a time, and each once', () => {
  const { batch, sent, timers } = batchOf(1)
  for (let at = 0; at < 3; at++) batch.add(ended, 1)
  expect([sent.length, timers.length]).toEqual([0, 1])
  timers[0]?.()
  expect(sent).toEqual([{ lines: 'GET /x\nGET /x\nGET /x\n', records: 3 }])
  batch.flush()
  expect(sent.length).toBe(1)
  batch.add(ended, 1)
  expect(timers.length).toBe(2)
})

test('a full batch leaves at once', () => {
  const { batch, sent } = batchOf(1)
  while (sent.length === 0) batch.add(ended, 1)
  expect(sent[0]?.lines.length).toBeGreaterThanOrEqual(RECORD_BATCH_CHARS)
  expect(sent[0]?.lines.length).toBeLessThan(RECORD_BATCH_CHARS + 10)
})

test('what nobody takes is bounded; the rest is dropped and counted, until there is room again', () => {
  const { batch, sent, counts } = batchOf(1)
  const added = 400_000
  for (let at = 0; at < added; at++) batch.add(ended, 1)
  batch.flush()
  const held = sent.reduce((sum, { lines }) => sum + lines.length, 0)
  expect(held).toBeLessThanOrEqual(RECORD_CHARS_WAITING_MAX + 10)
  expect(counts.dropped).toBeGreaterThan(0)
  expect(counts.recorded + counts.dropped).toBe(added)
  expect(sent.reduce((sum, { records }) => sum + records, 0)).toBe(counts.recorded)
  const { dropped } = counts
  batch.taken(sent[0]?.lines.length ?? 0)
  batch.add(ended, 1)
  expect(counts.dropped).toBe(dropped)
})

test('a sample takes its share', () => {
  const { batch, counts } = batchOf(0.1)
  for (let at = 0; at < 10_000; at++) batch.add(ended, 1)
  expect(counts.recorded).toBeGreaterThan(800)
  expect(counts.recorded).toBeLessThan(1_200)
  expect(counts.dropped).toBe(0)
})
