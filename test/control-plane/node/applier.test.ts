import { expect, test } from 'vitest'
import { Applier } from '../../../control-plane/node/applier.ts'
import type { RestoredState, WriteCommand } from '../../../control-plane/ports.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type { Entry } from '../../../control-plane/raft/messages.ts'
import { encodeCommand } from '../../../control-plane/state-machine/command.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import { SILENT } from '../../../shared/logger.ts'
import { ManualClock } from '../manual-clock.ts'
import { putApi } from './cluster.ts'

const CONF_STATE = {
  voters: [1],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
}

function restoredAt(appliedIndex: number, revision: number): RestoredState {
  return {
    appliedIndex,
    appliedTerm: 1,
    confState: CONF_STATE,
    revision,
    hash: new ConfigHash().toHex(),
    compactedRevision: 0,
    members: [],
    access: null,
    idempotency: [],
    definitions: [],
  }
}

function setUp(restored: RestoredState): {
  readonly applier: Applier
  readonly revisions: number[]
} {
  const revisions: number[] = []
  const hooks = {
    applyConfChange: () => CONF_STATE,
    onWrite: () => {},
    onChange: (change: { readonly revision: number }) => revisions.push(change.revision),
    onMembership: () => {},
    onUsage: () => {},
  }
  return {
    applier: new Applier(restored, hooks, { logger: SILENT, clock: new ManualClock() }),
    revisions,
  }
}

function write(index: number): Entry {
  const { action, author, message, ifConfigRevision } = putApi(`a-${index}`)
  if (action.type !== 'operations') throw new Error('a put is an operation')
  const { operations } = action
  const command: WriteCommand = {
    type: 'write',
    key: `key-${index}`,
    fingerprint: 'f',
    atMs: index,
    author,
    message,
    operations,
    ifConfigRevision,
  }
  return makeEntry({ term: 1, index }, 'normal', encodeCommand(command))
}

test('entries that were applied before are not applied again', async () => {
  const { applier, revisions } = setUp(restoredAt(1, 0))
  await applier.apply([write(2), write(3)])
  const batch = await applier.apply([write(2), write(3), write(4)])
  expect(revisions).toEqual([1, 2, 3])
  expect(batch).toMatchObject({ appliedIndex: 4, appliedTerm: 1 })
  expect(batch.records.filter(({ type }) => type === 'revision')).toHaveLength(1)
})

test('after a snapshot the first entry behind it is applied, and none that it holds', async () => {
  const { applier, revisions } = setUp(restoredAt(1, 0))
  await applier.apply([write(2)])
  applier.reset(restoredAt(10, 9))
  await applier.apply([write(9), write(10), write(11), write(12)])
  expect(revisions).toEqual([1, 10, 11])
  expect([applier.index, applier.state.revision]).toEqual([12, 11])
})
