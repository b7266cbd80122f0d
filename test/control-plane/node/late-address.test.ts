import { expect, test } from 'vitest'
import { Applier } from '../../../control-plane/node/applier.ts'
import type { NodeAddress, NodeId } from '../../../control-plane/ports.ts'
import { encodeConfChange } from '../../../control-plane/raft/conf-change.ts'
import { makeEntry } from '../../../control-plane/raft/entry.ts'
import type { Entry } from '../../../control-plane/raft/messages.ts'
import { encodeCommand } from '../../../control-plane/state-machine/command.ts'
import { EMPTY_MARK } from '../../../control-plane/storage/state-records.ts'
import { SILENT } from '../../../shared/logger.ts'
import { ManualClock } from '../manual-clock.ts'

const NOBODY = { learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }

function addressOf(id: NodeId, port = id): NodeAddress {
  return { id, name: `n${id}`, api: `http://127.0.0.1:${port}`, peer: `127.0.0.1:${port}` }
}

function removal(index: number, id: NodeId): Entry {
  const change = {
    transition: 'auto',
    changes: [{ type: 'remove', id }],
    context: new Uint8Array(0),
  } as const
  return makeEntry({ term: 1, index }, 'conf-change-v2', encodeConfChange(change))
}

function move(index: number, address: NodeAddress): Entry {
  return makeEntry({ term: 1, index }, 'normal', encodeCommand({ type: 'member', address }))
}

test('a new address that comes into the log after the removal does not bring the member back', async () => {
  const members = [1, 2, 3].map((id) => addressOf(id))
  const restored = {
    ...EMPTY_MARK,
    appliedIndex: 1,
    appliedTerm: 1,
    confState: { ...NOBODY, voters: [1, 2, 3] },
    members,
    idempotency: [],
    definitions: [],
    access: null,
  }
  const applier = new Applier(
    restored,
    {
      applyConfChange: () => ({ ...NOBODY, voters: [1, 2] }),
      onWrite() {},
      onChange() {},
      onMembership() {},
      onUsage() {},
    },
    { logger: SILENT, clock: new ManualClock() },
  )
  const { records } = await applier.apply([move(2, addressOf(2, 22)), removal(3, 3)])
  expect(records.map(({ type }) => type)).toEqual(['member', 'member-removed'])
  const late = await applier.apply([move(4, addressOf(3, 33))])
  expect(late.records).toEqual([])
  expect([...applier.state.members.values()]).toEqual([addressOf(1), addressOf(2, 22)])
})
