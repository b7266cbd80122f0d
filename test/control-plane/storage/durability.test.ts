// Goal: what a promise rests on is written synchronously, in one batch. Method: a real disk that notes every write.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Disk, WriteJob } from '../../../control-plane/storage/disk.ts'
import { LevelDisk } from '../../../control-plane/storage/level-disk.ts'
import { NodeStore } from '../../../control-plane/storage/node-store.ts'
import { DEFAULT_RETENTION } from '../../../control-plane/storage/retention.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { SILENT } from '../../../shared/logger.ts'
import { Applying, CONF_STATE, entriesBetween, MEMBERS, temporaryDirectory } from './samples.ts'
import { put, upstream, write } from '../state-machine/samples.ts'

type Noted = { readonly sync: boolean; readonly writes: number }

async function openNoted(): Promise<{ readonly store: NodeStore; readonly noted: Noted[] }> {
  const path = join(await temporaryDirectory(), 'db')
  await mkdir(path)
  const disk: Disk = await LevelDisk.open(path)
  const noted: Noted[] = []
  const write = disk.write.bind(disk)
  disk.write = (job: WriteJob) =>
    write({
      ...job,
      batch: () => {
        const batch = job.batch()
        noted.push({ sync: job.sync, writes: batch.length })
        return batch
      },
      done: () => job.done?.(),
    })
  const store = await NodeStore.open(disk, {
    logger: SILENT,
    clock: SYSTEM_CLOCK,
    retention: DEFAULT_RETENTION,
    makeNodeId: () => 7,
  })
  onTestFinished(() => store.close())
  return { store, noted }
}

async function founded(): Promise<{ readonly store: NodeStore; readonly noted: Noted[] }> {
  const opened = await openNoted()
  await opened.store.bootstrap({
    identity: { clusterId: 'c', nodeId: 7 },
    confState: CONF_STATE,
    members: MEMBERS,
  })
  return opened
}

test('who writes here, the number of a node, and its founding are synchronous', async () => {
  const { noted } = await founded()
  expect(noted.map(({ sync }) => sync)).toEqual([true, true, true])
})

test('entries and hard state are one synchronous batch', async () => {
  const { store, noted } = await founded()
  noted.length = 0
  await store.persist({ entries: entriesBetween(2, 9), hardState: { term: 3, vote: 1, commit: 1 } })
  await store.persist({ entries: [], hardState: { term: 4, vote: 2, commit: 1 } })
  expect(noted).toEqual([
    { sync: true, writes: 9 },
    { sync: true, writes: 1 },
  ])
})

test('a snapshot becomes the state in one synchronous batch, with the log that begins at it', async () => {
  const from = await founded()
  const applying = new Applying(from.store)
  await applying.apply(write([put(upstream('a'))]), write([put(upstream('b'))]))
  const outgoing = await from.store.openSnapshot()
  const { store, noted } = await openNoted()
  const incoming = await store.receiveSnapshot(outgoing.meta)
  for await (const chunk of outgoing.chunks()) await incoming.write(chunk)
  await incoming.finish()
  await outgoing.close()
  noted.length = 0
  await store.installSnapshot(incoming, { term: 1, vote: 0, commit: outgoing.meta.index })
  expect(noted).toEqual([{ sync: true, writes: 3 }])
  expect(store.restored.revision).toBe(2)
})
