import { expect, test, vi } from 'vitest'
import { Proposals } from '../../../control-plane/node/proposals.ts'
import type { WriteRequest } from '../../../control-plane/ports.ts'
import { decodeCommand } from '../../../control-plane/state-machine/command.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import { RaftwayError } from '../../../shared/errors.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import { putApi } from './cluster.ts'

type Asked = {
  readonly revision: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Proposals of a leader on an empty state; the test decides what is confirmed and applied. */
function setUp(): {
  readonly proposals: Proposals
  readonly state: ReplicatedState
  readonly asked: Asked[]
  readonly apply: () => void
} {
  const state = new ReplicatedState()
  const asked: Asked[] = []
  const payloads: Uint8Array[] = []
  let ids = 0
  const proposals = new Proposals({
    clock: SYSTEM_CLOCK,
    makeId: () => `id-${ids++}`,
    state,
    propose: (batch) => payloads.push(...batch) > 0,
    isClosed: () => false,
    wake: () => {},
    gate: () => ({ assertAdmitted: () => {}, taken: () => {} }),
    confirm: (revision) =>
      new Promise((resolve, reject) => {
        asked.push({ revision, resolve, reject })
      }),
  })
  let index = 1
  const apply = () => {
    proposals.flush()
    for (const payload of payloads.splice(0)) {
      const command = decodeCommand(payload)
      if (command.type === 'write') {
        proposals.onApplied(command, state.apply(command, index++).result)
      }
    }
  }
  return { proposals, state, asked, apply }
}

function guarded(name: string, ifRevision: number): WriteRequest {
  const request = putApi(name)
  if (request.action.type !== 'operations') throw new Error('a put is an operation')
  const operations = request.action.operations.map((operation) => ({ ...operation, ifRevision }))
  return { ...request, action: { type: 'operations', operations } }
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  for (let i = 0; i < 10; i++) await Promise.resolve()
  return settled
}

test('a guard that fails against a write in flight is refused once that write is certain', async () => {
  const { proposals, asked, apply } = setUp()
  const first = proposals.write(putApi('a'), null)
  const second = proposals.write(guarded('a', 0), null)
  expect(await isSettled(second)).toBe(false)
  expect(asked.map(({ revision }) => revision)).toEqual([1])
  apply()
  asked[0]!.resolve()
  await expect(second).rejects.toMatchObject({
    code: 'REVISION_CONFLICT',
    extra: { currentRevision: 1 },
  })
  expect((await first).revision).toBe(1)
})

test('a leader that was deposed refuses no guard: the next leader decides', async () => {
  const { proposals, asked } = setUp()
  const lost = proposals.write(putApi('a'), null)
  const refused = proposals.write(guarded('a', 0), null)
  expect(await isSettled(refused)).toBe(false)
  proposals.abandon(new RaftwayError('WRITE_UNCERTAIN', 'deposed'))
  // Whoever leads now has confirmed the read point: that is no proof for a refusal of the one before.
  asked[0]!.resolve()
  await expect(refused).rejects.toMatchObject({ code: 'NO_LEADER' })
  await expect(lost).rejects.toMatchObject({ code: 'WRITE_UNCERTAIN' })
})

test('that nothing differs is told once it is certain', async () => {
  const { proposals, state, asked, apply } = setUp()
  const definitions = guarded('a', 0).action
  if (definitions.type !== 'operations') throw new Error('a put is an operation')
  const wanted = definitions.operations.flatMap((each) =>
    each.op === 'put' ? [each.definition] : [],
  )
  const replace: WriteRequest = { ...putApi('a'), action: { type: 'replace', definitions: wanted } }
  const first = proposals.write(replace, null)
  await vi.waitFor(() => {
    apply()
    expect(state.revision).toBe(1)
  })
  expect((await first).revision).toBe(1)
  const again = proposals.write(replace, null)
  await vi.waitFor(() => expect(asked).toHaveLength(1))
  expect(await isSettled(again)).toBe(false)
  asked[0]!.resolve()
  expect(await again).toMatchObject({ revision: 1, unchanged: true })
})
