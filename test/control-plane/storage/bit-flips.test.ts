// Goal: no flipped bit in anything that a node stores is ever taken for what was written: it is found when it is read,
// or it is in what nobody reads. Method: every kind of record, and files at random places; the whole content compared.
import { cp, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { isRaftwayError } from '../../../shared/errors.ts'
import { SILENT } from '../../../shared/logger.ts'
import { Random } from '../../../shared/random.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'
import { filesOf, flipFileBit, flipStoredBit, storedKeys } from './damage.ts'
import { Applying, bootstrapped, logText, temporaryDirectory } from './samples.ts'

/** Everything that can be read from a store, as text; STORAGE_CORRUPT when any of it is damaged. */
async function contentOf(dir: string): Promise<string> {
  const store = await openStoreIn(dir, SILENT)
  try {
    const { restored, identity, nodeId } = store
    const log = [store.log.initialState(), logText(store), store.log.firstIndex()]
    const history = await store.past.history({
      after: restored.compactedRevision,
      upTo: 99,
      limit: 99,
    })
    const snapshot = await store.openSnapshot()
    let bytes = 0
    for await (const chunk of snapshot.chunks()) bytes += chunk.length
    await snapshot.close()
    const note = await store.notes.get('note')
    return JSON.stringify({ restored, identity, nodeId, log, history, bytes, note })
  } finally {
    await store.close()
  }
}

/** The content, or that it was found to be damaged. */
async function readingOf(dir: string): Promise<string> {
  try {
    return await contentOf(dir)
  } catch (error) {
    if (isRaftwayError(error, 'STORAGE_CORRUPT')) return 'damaged'
    throw error
  }
}

async function sample(): Promise<string> {
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const applying = new Applying(store)
  for (let n = 0; n < 10; n++) {
    await applying.apply(
      write([put(upstream(`u${n}`)), put(api(`a${n}`, `u${n}`))], { key: `k${n}` }),
    )
  }
  await applying.apply(write([del('Api', 'a3')]))
  await store.compactHistory(2)
  await store.compactLog(4)
  await store.notes.put('note', { promised: true })
  await store.close()
  return dir
}

/** What stands before the part of a key that differs from record to record. */
function kindOf(key: Buffer): string {
  if (key[0] === 0x73) return `s${String.fromCharCode(key[5] ?? 0)}`
  return key[0] === 0x6d ? key.toString() : String.fromCharCode(key[0] ?? 0)
}

test('a flipped bit in a record of any kind is found', async () => {
  const dir = await sample()
  const byKind = new Map<string, Buffer>()
  for (const key of await storedKeys(join(dir, 'db'))) byKind.set(kindOf(key), key)
  expect([...byKind.keys()].toSorted()).toEqual(
    expect.arrayContaining(['l', 'mhard-state', 'midentity', 'mlog-base', 'mnode-id']),
  )
  expect([...byKind.keys()]).toEqual(expect.arrayContaining(['sa', 'sd', 'sh', 'si', 'sk', 'sp']))
  const found: Record<string, string> = {}
  for (const [kind, key] of byKind) {
    for (const bit of [0, 33, 1_000]) {
      const copy = await temporaryDirectory()
      await cp(dir, copy, { recursive: true })
      await flipStoredBit(join(copy, 'db'), key, bit)
      found[`${kind} ${bit}`] = await readingOf(copy)
    }
  }
  expect(Object.entries(found).filter(([, reading]) => reading !== 'damaged')).toEqual([])
})

test('a flipped bit anywhere in the files of the database changes nothing, or is found', async () => {
  const dir = await sample()
  const expected = await contentOf(dir)
  const seed = 7
  const random = new Random(seed)
  const files = await filesOf(join(dir, 'db'), /^(\d+\.(ldb|log)|MANIFEST-\d+|CURRENT)$/)
  const wrong: unknown[] = []
  let damaged = 0
  for (let round = 0; round < 200; round++) {
    const copy = await temporaryDirectory()
    await cp(dir, copy, { recursive: true })
    const file = files[random.below(files.length)] ?? ''
    const { size } = await stat(file)
    if (size === 0) continue
    const [offset, bit] = [random.below(size), random.below(8)]
    await flipFileBit(file.replace(dir, copy), offset, bit)
    const reading = await readingOf(copy)
    if (reading === 'damaged') damaged++
    // Neither what was written nor refused.
    else if (reading !== expected) wrong.push({ round, file, offset, bit, reading })
  }
  expect({ seed, wrong }).toEqual({ seed, wrong: [] })
  expect(damaged).toBeGreaterThan(100)
})
