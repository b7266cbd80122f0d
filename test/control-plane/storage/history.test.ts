import { beforeEach, expect, test } from 'vitest'
import * as fc from 'fast-check'
import {
  compactedUpTo,
  compactionPoint,
  surplusUpTo,
  DEFAULT_RETENTION,
} from '../../../control-plane/storage/retention.ts'
import type { NodeStore } from '../../../control-plane/storage/node-store.ts'
import { HISTORY_HOURS_MIN, HISTORY_REVISIONS_MIN } from '../../../shared/limits.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'
import { Applying, bootstrapped, crashCopy, openStore, temporaryDirectory } from './samples.ts'

let dir: string
let store: NodeStore
let applying: Applying
/** The config at each revision. */
let configs: Definition[][]

beforeEach(async () => {
  dir = await temporaryDirectory()
  store = await bootstrapped(dir)
  applying = new Applying(store)
  configs = [[]]
  const writes = [
    write([put(upstream('u')), put(api('a', 'u'))], { atMs: 100, message: 'first' }),
    write([put(api('b'))], { atMs: 200 }),
    write([put(api('a', 'u', { v: '2' })), del('Api', 'b')], { atMs: 300 }),
    write([put(api('b'))], { atMs: 400 }),
    write([del('Api', 'a'), del('Upstream', 'u')], { atMs: 500 }),
  ]
  for (const each of writes) {
    await applying.apply(each)
    configs.push(applying.state.list())
  }
})

const revisions = (records: readonly { revision: number }[]) =>
  records.map(({ revision }) => revision)

test('history is read in ranges, whole and in order', async () => {
  const all = await store.past.history({ after: 0, upTo: 99, limit: 99 })
  expect(revisions(all)).toEqual([1, 2, 3, 4, 5])
  expect(all[0]).toMatchObject({ revision: 1, atMs: 100, author: 'ann', message: 'first' })
  expect(all[2]?.changes).toMatchObject([
    { op: 'put', name: 'a', before: { revision: 1 }, after: { revision: 3, createdRevision: 1 } },
    { op: 'delete', name: 'b', before: { revision: 2 }, after: null },
  ])
  expect(revisions(await store.past.history({ after: 1, upTo: 4, limit: 99 }))).toEqual([2, 3, 4])
  expect(revisions(await store.past.history({ after: 1, upTo: 4, limit: 2 }))).toEqual([2, 3])
  expect(await store.past.history({ after: 5, upTo: 99, limit: 9 })).toEqual([])
  expect(await store.past.history({ after: 0, upTo: 9, limit: 0 })).toEqual([])
})

test('history of one definition, of a kind, and of everything, newest first', async () => {
  expect(revisions(await store.past.historyOf({ limit: 2 }))).toEqual([5, 4])
  expect(revisions(await store.past.historyOf({ limit: 9, before: 3 }))).toEqual([2, 1])
  expect(revisions(await store.past.historyOf({ kind: 'Upstream', limit: 9 }))).toEqual([5, 1])
  expect(revisions(await store.past.historyOf({ kind: 'Api', name: 'a', limit: 9 }))).toEqual([
    5, 3, 1,
  ])
  expect(
    revisions(await store.past.historyOf({ kind: 'Api', name: 'b', limit: 1, before: 4 })),
  ).toEqual([3])
  expect(await store.past.historyOf({ kind: 'Api', name: 'never', limit: 9 })).toEqual([])
})

test('the names of others that begin the same are not in the history of a definition', async () => {
  await applying.apply(write([put(api('a.b'))]))
  expect(revisions(await store.past.historyOf({ kind: 'Api', name: 'a', limit: 9 }))).toEqual([
    5, 3, 1,
  ])
})

test('the config at every revision is what it was', async () => {
  for (const [revision, config] of configs.entries()) {
    expect(await store.past.configAt(revision, applying.state)).toEqual(config)
  }
  await expect(store.past.configAt(6, applying.state)).rejects.toMatchObject({
    code: 'REVISION_NOT_FOUND',
  })
})

test('the config of the past does not change with the present while it is read', async () => {
  const reading = store.past.configAt(2, applying.state)
  const meanwhile = applying.apply(write([del('Api', 'b')]))
  expect(await reading).toEqual(configs[2])
  await meanwhile
})

test('compacted history is refused, the rest is whole, before and after a restart', async () => {
  applying.state.compactHistory(2)
  await store.compactHistory(2)
  const reopened = await openStore(await crashCopy(dir))
  expect(reopened.restored.compactedRevision).toBe(2)
  for (const each of [store, reopened]) {
    await expect(each.past.history({ after: 1, upTo: 9, limit: 9 })).rejects.toMatchObject({
      code: 'REVISION_COMPACTED',
      extra: { compactedRevision: 2 },
    })
    expect(revisions(await each.past.history({ after: 2, upTo: 9, limit: 9 }))).toEqual([3, 4, 5])
    expect(revisions(await each.past.historyOf({ limit: 9 }))).toEqual([5, 4, 3])
    expect(revisions(await each.past.historyOf({ kind: 'Api', name: 'a', limit: 9 }))).toEqual([
      5, 3,
    ])
    await expect(each.past.configAt(1, applying.state)).rejects.toMatchObject({
      code: 'REVISION_COMPACTED',
    })
    expect(await each.past.configAt(2, applying.state)).toEqual(configs[2])
  }
  expect(await store.past.oldestRevisions({ upTo: 9, limit: 9 })).toEqual([
    { revision: 3, atMs: 300 },
    { revision: 4, atMs: 400 },
    { revision: 5, atMs: 500 },
  ])
})

test('everything may be compacted; what comes after is kept', async () => {
  await store.compactHistory(99)
  await applying.apply(write([put(api('new'))]))
  expect(revisions(await store.past.historyOf({ limit: 9 }))).toEqual([6])
  expect(revisions(await store.past.history({ after: 5, upTo: 9, limit: 9 }))).toEqual([6])
})

const keep = DEFAULT_RETENTION
const DAY = HISTORY_HOURS_MIN * 3_600_000

test.each([
  ['few revisions, however old', HISTORY_REVISIONS_MIN, 10 * DAY, [1, 2, 3], 0],
  ['many revisions, but young', HISTORY_REVISIONS_MIN + 9, DAY, [1, 2, 3], 0],
  ['old and many', HISTORY_REVISIONS_MIN + 9, DAY + 2, [1, 2, 3], 2],
  ['old, and just enough', HISTORY_REVISIONS_MIN + 1, 10 * DAY, [1, 2, 3], 1],
  ['nothing there', HISTORY_REVISIONS_MIN + 9, 10 * DAY, [], 0],
])('what may go: %s', (_, revision, nowMs, ages, expected) => {
  const oldest = ages.map((atMs, i) => ({ revision: i + 1, atMs }))
  expect(compactedUpTo(oldest, { revision, nowMs, keep })).toBe(expected)
})

test('a young revision keeps older ones behind it, whatever their clock said', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 2 * DAY })), fc.nat({ max: 2 * DAY }), (ages, nowMs) => {
      const oldest = ages.map((atMs, i) => ({ revision: i + 1, atMs }))
      const upTo = compactedUpTo(oldest, { revision: 1_000_000, nowMs, keep })
      const young = oldest.findIndex(({ atMs }) => atMs > nowMs - DAY)
      expect(upTo).toBe(young === -1 ? oldest.length : young)
    }),
  )
})

test('a store with little history is not read for compaction', async () => {
  const refuse = () => Promise.reject(new Error('was read'))
  const never = { oldestRevisions: refuse, historyBytes: refuse }
  const point = { nowMs: 9 * DAY, compactedRevision: 0, keep }
  expect(await compactionPoint(never, { ...point, revision: HISTORY_REVISIONS_MIN })).toBe(0)
  const at = { ...point, revision: HISTORY_REVISIONS_MIN + 2 }
  expect(await compactionPoint(store.past, at)).toBe(2)
})

test('history that takes too much room goes, however young, but for the revisions that always stay', () => {
  const at = { revision: 100_000, compactedRevision: 0, keep }
  const max = keep.historyBytes
  expect(surplusUpTo(max, at)).toBe(0)
  // Twice as much as it may take: what stays fills four fifths of it.
  expect(surplusUpTo(2 * max, at)).toBe(60_000)
  expect(surplusUpTo(2 * max, { ...at, compactedRevision: 50_000 })).toBe(80_000)
  expect(surplusUpTo(1_000 * max, at)).toBe(100_000 - HISTORY_REVISIONS_MIN)
})
