import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  bootstrapped,
  CONF_STATE,
  crashCopy,
  databaseFiles,
  entriesBetween,
  entry,
  logText,
  MEMBERS,
  openStore,
  temporaryDirectory,
} from './samples.ts'
import type { NodeStore } from '../../../control-plane/storage/node-store.ts'
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { logKey } from '../../../control-plane/storage/keys.ts'
import { SILENT } from '../../../shared/logger.ts'
import { flipStoredBit } from './damage.ts'

test('a fresh store has a number for good, and nothing else', async () => {
  const dir = await temporaryDirectory()
  const store = await openStore(dir)
  expect(store.nodeId).toBeGreaterThan(0)
  expect(store.nodeId).toBeLessThan(2 ** 48)
  expect([store.identity, store.log.firstIndex(), store.log.lastIndex()]).toEqual([null, 1, 0])
  expect(store.log.snapshot()).toBeNull()
  expect(store.restored).toMatchObject({
    appliedIndex: 0,
    revision: 0,
    definitions: [],
    members: [],
  })
  await store.close()
  expect((await openStore(dir)).nodeId).toBe(store.nodeId)
  expect((await openStore(await temporaryDirectory())).nodeId).not.toBe(store.nodeId)
})

test('one process at a time', async () => {
  const dir = await temporaryDirectory()
  await openStore(dir)
  await expect(openStoreIn(dir, SILENT)).rejects.toMatchObject({ code: 'DATA_DIRECTORY_IN_USE' })
})

test('identity and notes are kept', async () => {
  const dir = await temporaryDirectory()
  const store = await openStore(dir)
  const identity = { clusterId: 'c', nodeId: store.nodeId }
  await store.saveIdentity(identity)
  await store.notes.put('promise', { to: 'n1' })
  await store.notes.put('promise', { to: 'n2' })
  const reopened = await openStore(await crashCopy(dir))
  expect(reopened.identity).toEqual(identity)
  expect(await reopened.notes.get('promise')).toEqual({ to: 'n2' })
  expect(await reopened.notes.get('other')).toBeNull()
  await expect(store.saveIdentity({ clusterId: 'd', nodeId: 1 })).rejects.toThrow(/for good/)
})

test('a founder begins at a snapshot of index 1, before and after a restart', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const check = (each: NodeStore) => {
    expect([each.log.firstIndex(), each.log.lastIndex(), each.log.term(1)]).toEqual([2, 1, 1])
    expect(each.log.initialState()).toEqual({
      hardState: { term: 1, vote: 0, commit: 1 },
      confState: CONF_STATE,
    })
    expect(each.log.snapshot()).toEqual({ index: 1, term: 1, confState: CONF_STATE })
    expect(each.restored).toMatchObject({
      appliedIndex: 1,
      appliedTerm: 1,
      members: MEMBERS,
      revision: 0,
    })
    expect(each.identity).toEqual({ clusterId: 'c', nodeId: each.nodeId })
  }
  check(store)
  check(await openStore(await crashCopy(dir)))
})

test('what persist resolved for is there after a crash; memory has it, and not before', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const hardState = { term: 2, vote: 3, commit: 1 }
  const persisted = store.persist({ entries: entriesBetween(2, 4, 2), hardState })
  expect(store.log.lastIndex()).toBe(1)
  await persisted
  expect(store.log.lastIndex()).toBe(4)
  const reopened = await openStore(await crashCopy(dir))
  expect(logText(reopened)).toEqual(['2/2/entry 2', '3/2/entry 3', '4/2/entry 4'])
  expect(reopened.log.initialState().hardState).toEqual(hardState)
})

test('every kind of entry keeps its type and data', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const entries = (['normal', 'conf-change', 'conf-change-v2'] as const).map((type, i) => {
    return { ...entry(2 + i), type, data: Uint8Array.of(0, i, 255) }
  })
  await store.persist({ entries, hardState: null })
  const reopened = await openStore(await crashCopy(dir))
  const read = reopened.log.entries(2, 5, Infinity)
  expect(Array.isArray(read) && read.map(({ type, data }) => [type, [...data]])).toEqual([
    ['normal', [0, 0, 255]],
    ['conf-change', [0, 1, 255]],
    ['conf-change-v2', [0, 2, 255]],
  ])
})

test('overwriting the middle cuts the tail, in memory and on disk', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: entriesBetween(2, 9), hardState: null })
  await store.persist({ entries: entriesBetween(4, 5, 3), hardState: null })
  const expected = ['2/1/entry 2', '3/1/entry 3', '4/3/entry 4', '5/3/entry 5']
  expect(logText(store)).toEqual(expected)
  expect(logText(await openStore(await crashCopy(dir)))).toEqual(expected)
})

test('a gap in the log is our bug', async () => {
  const store = await bootstrapped(await temporaryDirectory())
  await expect(store.persist({ entries: [entry(3)], hardState: null })).rejects.toThrow(/no gaps/)
  await store.persist({ entries: [entry(2)], hardState: null })
})

test('the log is compacted up to what is applied on disk, and no further', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: entriesBetween(2, 9), hardState: null })
  const confState = { ...CONF_STATE, voters: [1, 2] }
  await store.apply({ appliedIndex: 6, appliedTerm: 1, confState, records: [] })
  await store.compactLog(4)
  expect([store.log.firstIndex(), store.log.term(4)]).toEqual([5, 1])
  await store.compactLog(99)
  expect([store.log.firstIndex(), store.log.lastIndex()]).toEqual([7, 9])
  await store.compactLog(3)
  const reopened = await openStore(await crashCopy(dir))
  expect(logText(reopened)).toEqual(['7/1/entry 7', '8/1/entry 8', '9/1/entry 9'])
  expect(reopened.log.initialState().confState).toEqual(confState)
  expect(reopened.log.snapshot()).toEqual({ index: 6, term: 1, confState })
  // The commit in the hard state was never newer than 1; what is applied was committed.
  expect(reopened.log.initialState().hardState.commit).toBe(6)
})

test('a bit flip in any log entry is found, with its index and where', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const marker = 'needle-that-is-not-compressed-4711'
  await store.persist({ entries: [entry(2), entry(3, 1, marker), entry(4)], hardState: null })
  await store.close()
  // Opening turns the write-ahead log into a table; the entry is then in it as it is.
  await (await openStoreIn(dir, SILENT)).close()
  await (await openStoreIn(dir, SILENT)).close()
  const copy = await crashCopy(dir)
  const flipped = await flip(await databaseFiles(dir, /\.ldb$/), marker)
  expect(flipped).toBe(1)
  await expect(openStoreIn(dir, SILENT)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/\.ldb is damaged at byte \d+/),
  })
  // One that was written to a sound table, as by a compaction of a damaged one, is found by its own checksum.
  await flipStoredBit(join(copy, 'db'), logKey(3), 100)
  await expect(openStoreIn(copy, SILENT)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/log entry 3 in .*db is damaged/),
  })
})

test.each([
  ['the last batch', 'last-entry'],
  ['a batch in the middle', 'entry 3'],
])('a bit flip in %s of the write-ahead log is found before LevelDB drops it', async (_, text) => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: [entry(2), entry(3)], hardState: null })
  await store.persist({ entries: [entry(4), entry(5, 1, 'last-entry')], hardState: null })
  const copy = await crashCopy(dir)
  expect(await flip(await databaseFiles(copy, /\.log$/), text)).toBe(1)
  await expect(openStoreIn(copy, SILENT)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/\.log is damaged at byte \d+/),
  })
})

test('a write that a crash cut short was never acknowledged, and is gone', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: [entry(2)], hardState: null })
  await store.persist({ entries: [entry(3)], hardState: null })
  const copy = await crashCopy(dir)
  const [log] = await databaseFiles(copy, /\.log$/)
  const file = await open(log as string, 'r+')
  await file.truncate((await file.stat()).size - 5)
  await file.close()
  expect(logText(await openStore(copy))).toEqual(['2/1/entry 2'])
})

test('a log that lost what was committed is refused', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.persist({ entries: [entry(2)], hardState: { term: 1, vote: 1, commit: 1 } })
  await store.persist({ entries: [], hardState: { term: 1, vote: 1, commit: 9 } })
  const copy = await crashCopy(dir)
  await expect(openStoreIn(copy, SILENT)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/holds entries 2 to 2, but 1 is applied and 9 committed/),
  })
})

/** Flips a bit in the middle of every occurrence of `text`; returns how many there were. */
async function flip(paths: readonly string[], text: string): Promise<number> {
  let count = 0
  for (const path of paths) {
    const bytes = await readFile(path)
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
      bytes[at + text.length - 2] = (bytes[at + text.length - 2] ?? 0) ^ 1
      count++
    }
    await writeFile(path, bytes)
  }
  return count
}
