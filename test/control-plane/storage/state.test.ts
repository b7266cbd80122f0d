import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { SILENT } from '../../../shared/logger.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'
import {
  Applying,
  bootstrapped,
  CONF_STATE,
  crashCopy,
  databaseFiles,
  MEMBERS,
  openStore,
  temporaryDirectory,
} from './samples.ts'

test('the applied state is the same after a crash, with its hash, keys and members', async () => {
  const dir = await temporaryDirectory()
  const applying = new Applying(await bootstrapped(dir))
  const { state } = applying
  await applying.apply(write([put(upstream('u')), put(api('a', 'u'))], { key: 'one' }))
  await applying.apply(write([put(api('b'))]), write([del('Api', 'b'), put(api('c'))]))
  const { restored } = await openStore(await crashCopy(dir))
  expect(restored).toMatchObject({
    appliedIndex: 4,
    appliedTerm: 1,
    confState: CONF_STATE,
    revision: 3,
    hash: state.hash,
    members: MEMBERS,
    definitions: expect.arrayContaining(state.list()),
  })
  const again = ReplicatedState.restore(restored)
  expect(again.list()).toEqual(state.list())
  const repeat = write([], { key: 'one' })
  expect(again.apply(repeat, 5)).toEqual(state.apply(repeat, 5))
})

test('one batch may hold several revisions and changes of members', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const state = ReplicatedState.restore(store.restored)
  const first = state.apply(write([put(api('a'))], { key: 'k1' }), 2)
  const second = state.apply(write([del('Api', 'a')], { key: 'k2' }), 3)
  const address = { id: 4, name: 'n4', api: 'http://a', peer: 'p' }
  const confState = { ...CONF_STATE, voters: [2, 3, 4] }
  await store.persist({ entries: [], hardState: { term: 1, vote: 0, commit: 1 } })
  await store.apply({
    appliedIndex: 1,
    appliedTerm: 1,
    confState,
    records: [
      ...first.records,
      { type: 'member', address },
      { type: 'member-removed', id: 1 },
      ...second.records,
      { type: 'idempotency-forgotten', index: 2 },
    ],
  })
  const { restored } = await openStore(await crashCopy(dir))
  expect(restored).toMatchObject({ revision: 2, hash: state.hash, definitions: [], confState })
  expect(restored.members).toEqual([...MEMBERS.slice(1), address])
  expect(restored.idempotency.map(({ key, index }) => [key, index])).toEqual([['k2', 3]])
})

test('the restored state is not held beside the one that moves on', async () => {
  const store = await bootstrapped(await temporaryDirectory())
  await new Applying(store).apply(write([put(api('a'))]))
  expect(() => store.restored).toThrow(/before anything is applied/)
})

test('a state that the log does not reach is refused', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await store.apply({ appliedIndex: 9, appliedTerm: 1, confState: CONF_STATE, records: [] })
  await expect(openStoreIn(await crashCopy(dir), SILENT)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/9 is applied/),
  })
})

test('a bit flip in a definition is found at the start', async () => {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  await new Applying(store).apply(
    write([put(api('a', null, { x: 'needle-4711-unlike-any-other' }))]),
  )
  await store.close()
  await (await openStoreIn(dir, SILENT)).close()
  await (await openStoreIn(dir, SILENT)).close()
  let found = 0
  for (const path of await databaseFiles(dir, /\.ldb$/)) {
    const bytes = await readFile(path)
    // The first occurrence in a table is the definition; the log and history follow in the order of keys.
    for (
      let at = bytes.indexOf('needle-4711');
      at !== -1;
      at = bytes.indexOf('needle-4711', at + 1)
    ) {
      bytes[at + 8] = 0x30
      found++
    }
    await writeFile(path, bytes)
  }
  expect(found).toBeGreaterThan(0)
  await expect(openStoreIn(dir, SILENT)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
})

test('after a failed write every write fails the same way', async () => {
  const store = await bootstrapped(await temporaryDirectory())
  await store.close()
  const failed = store.persist({ entries: [], hardState: { term: 2, vote: 1, commit: 1 } })
  await expect(failed).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  const next = store.apply({ appliedIndex: 1, appliedTerm: 1, confState: CONF_STATE, records: [] })
  await expect(next).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(store.log.initialState().hardState.term).toBe(1)
})
