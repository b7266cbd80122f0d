import { expect, test } from 'vitest'
import type { IncomingSnapshot, OutgoingSnapshot } from '../../../control-plane/ports.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { NodeStore } from '../../../control-plane/storage/node-store.ts'
import { OWN_RELEASE } from '../../../shared/features.ts'
import { SNAPSHOT_CHUNK_BYTES } from '../../../shared/limits.ts'
import { api, del, put, upstream, write } from '../state-machine/samples.ts'
import {
  Applying,
  bootstrapped,
  CONF_STATE,
  crashCopy,
  entriesBetween,
  logText,
  MEMBERS,
  openStore,
  temporaryDirectory,
} from './samples.ts'

const HARD_STATE = { term: 5, vote: 2, commit: 3 }

async function collect(snapshot: OutgoingSnapshot): Promise<Uint8Array[]> {
  const chunks = await Array.fromAsync(snapshot.chunks())
  await snapshot.close()
  return chunks
}

async function stage(
  store: NodeStore,
  meta: OutgoingSnapshot['meta'],
  chunks: readonly Uint8Array[],
) {
  const incoming = await store.receiveSnapshot(meta)
  for (const chunk of chunks) await incoming.write(chunk)
  return incoming
}

/** A store with two revisions applied up to index 3, and its snapshot. */
async function source(): Promise<{
  applying: Applying
  meta: OutgoingSnapshot['meta']
  chunks: Uint8Array[]
}> {
  const applying = new Applying(await bootstrapped(await temporaryDirectory()))
  await applying.apply(write([put(upstream('u')), put(api('a', 'u'))], { key: 'one' }))
  await applying.apply(write([del('Api', 'a'), put(api('b', 'u'))]))
  const snapshot = await applying.store.openSnapshot()
  return { applying, meta: snapshot.meta, chunks: await collect(snapshot) }
}

test('a snapshot makes another store the same, with history, keys and members', async () => {
  const { applying, meta, chunks } = await source()
  expect(meta).toEqual({ index: 3, term: 1, confState: CONF_STATE })
  const dir = await temporaryDirectory()
  const store = await openStore(dir)
  await store.persist({ entries: entriesBetween(1, 2, 4), hardState: null })
  const incoming = await stage(store, meta, chunks)
  await incoming.finish()
  const restored = await store.installSnapshot(incoming, HARD_STATE)
  const reopened = await openStore(await crashCopy(dir))
  for (const [each, parts] of [
    [store, restored],
    [reopened, reopened.restored],
  ] as const) {
    expect([each.log.firstIndex(), each.log.lastIndex(), each.log.term(3)]).toEqual([4, 3, 1])
    expect(each.log.initialState()).toEqual({ hardState: HARD_STATE, confState: CONF_STATE })
    expect(each.log.snapshot()).toEqual(meta)
    expect(parts).toMatchObject({ appliedIndex: 3, appliedTerm: 1, revision: 2, members: MEMBERS })
    expect(parts.hash).toBe(applying.state.hash)
    const state = ReplicatedState.restore(parts)
    expect(state.list()).toEqual(applying.state.list())
    expect(state.findResult({ key: 'one', fingerprint: 'fingerprint' })).toMatchObject({
      revision: 1,
    })
    expect(await each.past.history({ after: 0, upTo: 9, limit: 9 })).toEqual(
      await applying.store.past.history({ after: 0, upTo: 9, limit: 9 }),
    )
    expect((await each.past.historyOf({ kind: 'Api', name: 'a', limit: 9 })).length).toBe(2)
    expect(await each.past.configAt(0, state)).toEqual([])
  }
})

test('an installed snapshot replaces everything, and writing goes on after it', async () => {
  const { applying, meta, chunks } = await source()
  const dir = await temporaryDirectory()
  const other = new Applying(await bootstrapped(dir))
  await other.apply(write([put(api('stale')), put(api('b'))]))
  const incoming = await stage(other.store, meta, chunks)
  await incoming.finish()
  const restored = await other.store.installSnapshot(incoming, HARD_STATE)
  const next = new Applying(other.store)
  expect(restored.definitions.map(({ name }) => name).toSorted()).toEqual(['b', 'u'])
  const same = write([put(api('later', 'u'))])
  await next.apply(same)
  await applying.apply(same)
  const reopened = await openStore(await crashCopy(dir))
  expect(reopened.restored.hash).toBe(applying.state.hash)
  expect(logText(reopened)).toEqual(['4/1/entry 4'])
})

test('a snapshot is cut at one index, whatever is applied while it is sent', async () => {
  const applying = new Applying(await bootstrapped(await temporaryDirectory()))
  await applying.apply(write([put(api('a'))]))
  const snapshot = await applying.store.openSnapshot()
  const before = applying.state.hash
  await applying.apply(write([del('Api', 'a'), put(api('b'))]))
  await applying.store.compactHistory(2)
  const chunks = await collect(snapshot)
  const store = await openStore(await temporaryDirectory())
  const incoming = await stage(store, snapshot.meta, chunks)
  await incoming.finish()
  const restored = await store.installSnapshot(incoming, HARD_STATE)
  expect(restored).toMatchObject({ revision: 1, hash: before, definitions: [{ name: 'a' }] })
})

test('10,000 definitions travel in chunks, and no faster than they are taken', async () => {
  const applying = new Applying(await bootstrapped(await temporaryDirectory()))
  for (let n = 0; n < 10; n++) {
    const puts = Array.from({ length: 1_000 }, (_, i) => put(api(`api-${n}-${i}`)))
    await applying.apply(write(puts))
  }
  const snapshot = await applying.store.openSnapshot()
  const store = await openStore(await temporaryDirectory())
  const incoming = await store.receiveSnapshot(snapshot.meta)
  const iterator = snapshot.chunks()[Symbol.asyncIterator]()
  let chunks = 0
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    expect(next.value.length).toBeLessThanOrEqual(SNAPSHOT_CHUNK_BYTES)
    chunks++
    await incoming.write(next.value)
  }
  await snapshot.close()
  expect(chunks).toBeGreaterThan(10)
  await incoming.finish()
  const restored = await store.installSnapshot(incoming, HARD_STATE)
  expect(restored.definitions.length).toBe(10_000)
  expect(restored.hash).toBe(applying.state.hash)
})

test('a snapshot may be closed half-way', async () => {
  const { applying } = await source()
  const snapshot = await applying.store.openSnapshot()
  for await (const chunk of snapshot.chunks()) {
    expect(chunk.length).toBeGreaterThan(4)
    break
  }
  await snapshot.close()
  await applying.apply(write([put(api('c'))]))
})

test('definitions larger than a chunk arrive whole', async () => {
  const applying = new Applying(await bootstrapped(await temporaryDirectory()))
  const large = { ...api('large'), labels: { x: 'y'.repeat(3 * SNAPSHOT_CHUNK_BYTES) } }
  await applying.apply(write([put(large), put(api('small'))]))
  const snapshot = await applying.store.openSnapshot()
  const store = await openStore(await temporaryDirectory())
  const incoming = await stage(store, snapshot.meta, await collect(snapshot))
  await incoming.finish()
  const { definitions } = await store.installSnapshot(incoming, HARD_STATE)
  expect(definitions.find(({ name }) => name === 'large')?.labels).toEqual(large.labels)
})

test.each<[string, (chunks: Uint8Array[]) => Uint8Array[]]>([
  ['a flipped bit', ([first, ...rest]) => [flipped(first as Uint8Array), ...rest]],
  ['a chunk that is cut', ([first, ...rest]) => [(first as Uint8Array).slice(0, 3), ...rest]],
  ['a chunk too many', (chunks) => [...chunks, chunks[0] as Uint8Array]],
  ['a chunk missing', (chunks) => chunks.slice(0, -1)],
  ['no chunk at all', () => []],
])('%s is refused, and leaves nothing behind', async (_, damage) => {
  const { meta, chunks } = await source()
  const dir = await temporaryDirectory()
  const store = await bootstrapped(dir)
  const incoming = await store.receiveSnapshot(meta)
  const staged = async () => {
    for (const chunk of damage(chunks)) await incoming.write(chunk)
    await incoming.finish()
  }
  await expect(staged()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' })
  await incoming.discard()
  await expect(store.installSnapshot(incoming, HARD_STATE)).rejects.toThrow(
    /only a finished snapshot/,
  )
  expect((await openStore(await crashCopy(dir))).restored).toMatchObject({
    appliedIndex: 1,
    revision: 0,
  })
})

test('a snapshot of another index than the leader said is refused', async () => {
  const { meta, chunks } = await source()
  const store = await openStore(await temporaryDirectory())
  await expect(stage(store, { ...meta, index: 4 }, chunks)).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    message: expect.stringMatching(/is of index 3/),
  })
})

test.each([
  ['half staged', 0.5, false],
  ['staged', 1, false],
  ['finished', 1, true],
])(
  'a crash with a snapshot %s leaves the old state, and the stage is removed',
  async (_, share, isFinished) => {
    const { meta, chunks } = await manyChunks()
    const dir = await temporaryDirectory()
    const applying = new Applying(await bootstrapped(dir))
    await applying.apply(write([put(api('old'))]))
    const incoming = await stage(
      applying.store,
      meta,
      chunks.slice(0, Math.ceil(chunks.length * share)),
    )
    if (isFinished) await incoming.finish()
    const copy = await crashCopy(dir)
    const reopened = await openStore(copy)
    expect(reopened.restored).toMatchObject({ appliedIndex: 2, definitions: [{ name: 'old' }] })
    expect(logText(reopened)).toEqual(['2/1/entry 2'])
    // The stage went: the same snapshot can be staged again under the same number, and nothing of the first is in it.
    const again: IncomingSnapshot = await stage(reopened, meta, chunks)
    await again.finish()
    expect(await reopened.installSnapshot(again, HARD_STATE)).toMatchObject({
      revision: meta.index - 1,
    })
  },
)

test('two snapshots may be staged at once; the newer one is installed, the other discarded', async () => {
  const { applying, meta, chunks } = await source()
  const store = await openStore(await temporaryDirectory())
  const older = await stage(store, meta, chunks)
  await applying.apply(write([put(api('newer', 'u'))]))
  const snapshot = await applying.store.openSnapshot()
  const newer = await stage(store, snapshot.meta, await collect(snapshot))
  await older.finish()
  await newer.finish()
  await store.installSnapshot(newer, { ...HARD_STATE, commit: 4 })
  await older.discard()
  await older.discard()
  const restored = ReplicatedState.restore(store.restored)
  expect(restored.hash).toBe(applying.state.hash)
})

async function manyChunks() {
  const applying = new Applying(await bootstrapped(await temporaryDirectory()))
  for (let n = 0; n < 4; n++) {
    await applying.apply(write(Array.from({ length: 500 }, (_, i) => put(api(`api-${n}-${i}`)))))
  }
  const snapshot = await applying.store.openSnapshot()
  const chunks = await collect(snapshot)
  expect(chunks.length).toBeGreaterThan(2)
  return { meta: snapshot.meta, chunks }
}

function flipped(chunk: Uint8Array): Uint8Array {
  const copy = chunk.slice()
  copy[chunk.length >> 1] = (copy[chunk.length >> 1] ?? 0) ^ 4
  return copy
}

test('the level of features travels with the state, and one that is not known here is refused as such', async () => {
  for (const [level, isKnown] of [
    [OWN_RELEASE.featureLevel, true],
    [OWN_RELEASE.featureLevel + 1, false],
  ] as const) {
    const { applying } = await source()
    await applying.store.apply({
      appliedIndex: 4,
      appliedTerm: 1,
      confState: CONF_STATE,
      records: [{ type: 'feature-level', level }],
    })
    const snapshot = await applying.store.openSnapshot()
    const store = await openStore(await temporaryDirectory())
    const incoming = await stage(store, snapshot.meta, await collect(snapshot))
    const code = await incoming.finish().then(
      () => null,
      (error: unknown) => (error as { readonly code?: string }).code,
    )
    expect(code).toBe(isKnown ? null : 'VERSION_TOO_OLD')
    if (!isKnown) continue
    const restored = await store.installSnapshot(incoming, { ...HARD_STATE, commit: 4 })
    expect(restored.featureLevel).toBe(level)
  }
})

test('what lets the first admin in survives a crash, and comes with a snapshot', async () => {
  const access = { bootstrapHash: 'a'.repeat(64), forwardingSecret: 'secret', atMs: 7 }
  const dir = await temporaryDirectory()
  const from = await bootstrapped(dir)
  expect(from.restored.access).toBeNull()
  const hardState = { term: 1, vote: 0, commit: 2 }
  await from.persist({ entries: entriesBetween(2, 2, 1), hardState })
  await from.apply({
    appliedIndex: 2,
    appliedTerm: 1,
    confState: CONF_STATE,
    records: [{ type: 'access', access }],
  })
  const snapshot = await from.openSnapshot()
  const { meta } = snapshot
  const chunks = await collect(snapshot)
  const into = await openStore(await temporaryDirectory())
  await into.persist({ entries: entriesBetween(1, 1, 1), hardState: null })
  const incoming = await stage(into, meta, chunks)
  await incoming.finish()
  expect((await into.installSnapshot(incoming, HARD_STATE)).access).toEqual(access)
  await from.close()
  expect((await openStore(dir)).restored.access).toEqual(access)
})
