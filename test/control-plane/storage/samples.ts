import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { AppliedBatch, NodeAddress, WriteCommand } from '../../../control-plane/ports.ts'
import type { Entry } from '../../../control-plane/raft/messages.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { NodeStore } from '../../../control-plane/storage/node-store.ts'
import { openStoreIn } from '../../../control-plane/storage/open-store.ts'
import { SILENT } from '../../../shared/logger.ts'
import { CONF_STATE, entry } from './sample-entries.ts'

export { CONF_STATE, entry }

export const MEMBERS: readonly NodeAddress[] = [1, 2, 3].map((id) => {
  return { id, name: `n${id}`, api: `http://127.0.0.1:${id}`, peer: `127.0.0.1:${id}` }
})

/** A directory that goes with the test. */
export async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-storage-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Opens a store; closed with the test unless the test closes it. */
export async function openStore(dir: string): Promise<NodeStore> {
  const store = await openStoreIn(dir, SILENT)
  onTestFinished(() => store.close())
  return store
}

/** What a crash leaves, as far as the process is concerned: a copy of the files while they are in use. */
export async function crashCopy(dir: string): Promise<string> {
  const copy = await temporaryDirectory()
  await cp(dir, copy, { recursive: true, filter: (path) => !path.endsWith('/LOCK') })
  return copy
}

export async function bootstrapped(dir: string): Promise<NodeStore> {
  const store = await openStore(dir)
  await store.bootstrap({
    identity: { clusterId: 'c', nodeId: store.nodeId },
    confState: CONF_STATE,
    members: MEMBERS,
  })
  return store
}

export function entriesBetween(first: number, last: number, term = 1): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entry(first + i, term))
}

/** Every retained entry as `index/term/data`. */
export function logText(store: NodeStore): string[] {
  const { log } = store
  const entries = log.entries(log.firstIndex(), log.lastIndex() + 1, Infinity)
  if (typeof entries === 'string') return []
  return entries.map(({ index, term, data }) => `${index}/${term}/${Buffer.from(data).toString()}`)
}

/** Applies writes to a state and to the store, entry by entry, as the driver does. */
export class Applying {
  readonly store: NodeStore
  readonly state: ReplicatedState
  index: number

  constructor(store: NodeStore) {
    this.store = store
    this.index = store.restored.appliedIndex
    this.state = ReplicatedState.restore(store.restored)
  }

  async apply(...commands: readonly WriteCommand[]): Promise<void> {
    const entries: Entry[] = []
    const records: AppliedBatch['records'][number][] = []
    for (const command of commands) {
      const index = ++this.index
      entries.push(entry(index))
      for (const record of this.state.apply(command, index).records) records.push(record)
    }
    await this.store.persist({ entries, hardState: { term: 1, vote: 1, commit: this.index } })
    await this.store.apply({
      appliedIndex: this.index,
      appliedTerm: 1,
      confState: CONF_STATE,
      records,
    })
  }
}

/** Files of the database whose names match. */
export async function databaseFiles(dir: string, name: RegExp): Promise<string[]> {
  const names = await readdir(join(dir, 'db'))
  return names.filter((each) => name.test(each)).map((each) => join(dir, 'db', each))
}
