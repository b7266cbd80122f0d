import { expect, test } from 'vitest'
import { IdempotencyWindow } from '../../../control-plane/state-machine/idempotency.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { WriteCommand } from '../../../control-plane/ports.ts'
import { matchRoute } from '../../../shared/routing/table.ts'
import { api, del, put, restoredOf, upstream, write } from './samples.ts'

function stateWith(...commands: readonly WriteCommand[]): ReplicatedState {
  const state = new ReplicatedState()
  for (const [i, command] of commands.entries()) {
    expect(state.apply(command, i + 1).result).toMatchObject({ ok: true })
  }
  return state
}

const PETS = write([put(upstream('cart')), put(api('pets', 'cart'))])

test('an empty state is at revision 0 with the hash of nothing', () => {
  const state = new ReplicatedState()
  expect([state.revision, state.hash, state.count, state.list()]).toEqual([
    0,
    '0'.repeat(64),
    0,
    [],
  ])
})

test('a transaction is one revision, with a result for every operation in order', () => {
  const state = new ReplicatedState()
  const { result, change, records } = state.apply(PETS, 12)
  expect(result).toEqual({
    ok: true,
    revision: 1,
    isRepeat: false,
    results: [
      { op: 'put', kind: 'Upstream', name: 'cart', revision: 1, created: true },
      { op: 'put', kind: 'Api', name: 'pets', revision: 1, created: true },
    ],
  })
  expect(change).toMatchObject({ revision: 1, hash: state.hash, atMs: 1_000 })
  expect(change?.changes.map((step) => step.op)).toEqual(['put', 'put'])
  expect(records.map(({ type }) => type)).toEqual(['revision', 'idempotency'])
  expect(state.get('Api', 'pets')).toMatchObject({ revision: 1, createdRevision: 1 })
})

test('the table routes by what was applied, and no longer by what was deleted', () => {
  const state = stateWith(PETS)
  const request = { method: 'GET', host: '', path: '/pets/1', query: '', header: () => undefined }
  expect(matchRoute(state.table, request)?.api).toBe('pets')
  state.apply(write([del('Api', 'pets')]), 2)
  expect(matchRoute(state.table, request)).toBeNull()
})

test('replacing keeps createdRevision, deleting and making anew does not', () => {
  const state = stateWith(PETS, write([put(api('pets', 'cart', { v: '2' }))]))
  expect(state.get('Api', 'pets')).toMatchObject({
    revision: 2,
    createdRevision: 1,
    labels: { v: '2' },
  })
  state.apply(write([del('Api', 'pets')]), 3)
  state.apply(write([put(api('pets', 'cart'))]), 4)
  expect(state.get('Api', 'pets')).toMatchObject({ revision: 4, createdRevision: 4 })
})

test('history has what stood before and after', () => {
  const state = stateWith(PETS)
  const before = state.get('Api', 'pets')
  const { records } = state.apply(write([del('Api', 'pets')], { message: 'bye', author: 'bob' }), 2)
  expect(records[0]).toMatchObject({
    type: 'revision',
    history: {
      revision: 2,
      author: 'bob',
      message: 'bye',
      changes: [{ op: 'delete', kind: 'Api', name: 'pets', before, after: null }],
    },
  })
})

test.each([
  ['must not exist, but does', put(api('pets', 'cart'), 0), 'REVISION_CONFLICT', 1],
  ['is at another revision', put(api('pets', 'cart'), 9), 'REVISION_CONFLICT', 1],
  ['must be at a revision, but does not exist', put(api('new'), 9), 'REVISION_CONFLICT', 0],
  ['deleted at another revision', del('Api', 'pets', 9), 'REVISION_CONFLICT', 1],
  ['deleted, but does not exist', del('Api', 'new'), 'DEFINITION_NOT_FOUND', 0],
  ['deleted by guard, but does not exist', del('Api', 'new', 9), 'DEFINITION_NOT_FOUND', 0],
])(
  'a definition that %s: nothing of the transaction happens',
  (_, operation, code, currentRevision) => {
    const state = stateWith(PETS)
    const before = [state.revision, state.hash, state.list(), state.table] as const
    const applied = state.apply(write([put(api('first')), operation]), 2)
    expect(applied).toMatchObject({
      result: { ok: false, code, at: 1, currentRevision },
      change: null,
      records: [],
    })
    expect([state.revision, state.hash, state.list(), state.table]).toEqual(before)
  },
)

test.each([
  ['holds', put(api('pets', 'cart'), 1)],
  ['asks for nothing', put(api('pets', 'cart'))],
  ['asks for absence', put(api('new'), 0)],
  ['holds for a delete', del('Api', 'pets', 1)],
])('a guard that %s lets the write pass', (_, operation) => {
  expect(stateWith(PETS).apply(write([operation]), 2).result).toMatchObject({
    ok: true,
    revision: 2,
  })
})

test('the guard of the whole config is of its revision', () => {
  const state = stateWith(PETS)
  const refused = state.apply(write([put(api('a'))], { ifConfigRevision: 0 }), 2)
  expect(refused.result).toMatchObject({ code: 'REVISION_CONFLICT', at: null, currentRevision: 1 })
  const passed = state.apply(write([put(api('a'))], { ifConfigRevision: 1 }), 3)
  expect(passed.result).toMatchObject({ ok: true, revision: 2 })
})

test('later operations see what earlier ones left', () => {
  const state = stateWith(PETS)
  const { result } = state.apply(write([del('Api', 'pets'), put(api('pets', 'cart'), 0)]), 2)
  expect(result).toMatchObject({ ok: true, revision: 2 })
  expect(state.get('Api', 'pets')).toMatchObject({ createdRevision: 2 })
})

test('a repeated key gives the first result and changes nothing', () => {
  const state = stateWith(PETS)
  state.apply(write([put(api('later'))]), 2)
  const repeat = state.apply({ ...PETS, atMs: 9_999 }, 3)
  expect(repeat).toMatchObject({
    result: { ok: true, revision: 1, isRepeat: true },
    change: null,
    records: [],
  })
  expect(state.revision).toBe(2)
})

test('a key of another write is refused', () => {
  const state = stateWith(PETS)
  const { result } = state.apply({ ...PETS, fingerprint: 'other' }, 2)
  expect(result).toMatchObject({ ok: false, code: 'IDEMPOTENCY_KEY_REUSED', at: null })
})

test('a refused write leaves its key free', () => {
  const state = new ReplicatedState()
  const command = write([del('Api', 'pets')])
  expect(state.apply(command, 1).result.ok).toBe(false)
  state.apply(PETS, 2)
  expect(state.apply(command, 3).result).toMatchObject({ ok: true, revision: 2, isRepeat: false })
})

test('keys and their results are forgotten oldest first, and the disk is told', () => {
  const window = new IdempotencyWindow([], { keysMax: 2, resultsMax: 3 })
  const record = (key: string, operations: number) => ({
    key,
    fingerprint: 'f',
    result: {
      ok: true as const,
      revision: 1,
      isRepeat: false,
      results: Array.from({ length: operations }, (_, i) => {
        return {
          op: 'put' as const,
          kind: 'Api' as const,
          name: `a${i}`,
          revision: 1,
          created: true,
        }
      }),
    },
  })
  const forgotten = (key: string, operations: number, index: number) =>
    window
      .remember(record(key, operations), index)
      .flatMap((written) => (written.type === 'idempotency-forgotten' ? written.index : []))
  expect(forgotten('a', 1, 10)).toEqual([])
  expect(forgotten('b', 1, 11)).toEqual([])
  expect(forgotten('c', 1, 12)).toEqual([10])
  expect(forgotten('large', 5, 13)).toEqual([11, 12])
  expect(window.find({ key: 'large', fingerprint: 'f' }, 0)).toMatchObject({ isRepeat: true })
  expect(window.find({ key: 'a', fingerprint: 'f' }, 0)).toBeNull()
  expect(window.size).toBe(1)
})

test('lists are in the order of kinds, then of names, and belong to the caller', () => {
  const state = stateWith(
    write([put(api('b')), put(api('a-b')), put(upstream('z')), put(api('a.b'))]),
  )
  const names = () => state.list().map(({ kind, name }) => `${kind}/${name}`)
  expect(names()).toEqual(['Upstream/z', 'Api/a-b', 'Api/a.b', 'Api/b'])
  state.list().length = 0
  state.apply(write([put(api('a')), del('Api', 'a.b')]), 2)
  expect(names()).toEqual(['Upstream/z', 'Api/a', 'Api/a-b', 'Api/b'])
  expect(state.list('Upstream').map(({ name }) => name)).toEqual(['z'])
})

test('definitions that this version cannot use stand all the same', () => {
  const state = stateWith(PETS)
  const broken = api('broken', 'nowhere')
  const { result } = state.apply(write([put(broken), put(api('good'))]), 2)
  expect(result).toMatchObject({ ok: true, revision: 2 })
  expect(state.get('Api', 'broken')).toMatchObject({ revision: 2 })
  const at = (path: string) =>
    matchRoute(state.table, { method: 'GET', host: '', path, query: '', header: () => undefined })
      ?.api
  expect([at('/broken/'), at('/good/'), at('/pets/')]).toEqual([undefined, 'good', 'pets'])
})

test('members come, change their address, and go', () => {
  const state = new ReplicatedState()
  const member = { id: 7, name: 'n7', api: 'http://a:1', peer: 'a:2' }
  state.applyMember(member)
  state.applyMember({ ...member, api: 'http://b:1' })
  expect([...state.members.values()]).toEqual([{ ...member, api: 'http://b:1' }])
  state.removeMember(7)
  state.removeMember(7)
  expect(state.members.size).toBe(0)
})

test('history is compacted forwards only and never beyond the present', () => {
  const state = stateWith(PETS, write([put(api('a'))]))
  state.compactHistory(1)
  state.compactHistory(0)
  expect(state.compactedRevision).toBe(1)
  state.compactHistory(99)
  expect(state.compactedRevision).toBe(2)
})

test('a restored state goes on where the other stood, with its keys', () => {
  const state = stateWith(PETS)
  const { result, records } = state.apply(write([put(api('a'))], { key: 'mine' }), 2)
  const remembered = records.flatMap((record) =>
    record.type === 'idempotency' ? { ...record.result, index: record.index } : [],
  )
  const restored = ReplicatedState.restore(restoredOf(state, { idempotency: remembered }))
  expect([restored.revision, restored.hash, restored.list()]).toEqual([2, state.hash, state.list()])
  expect(restored.apply(write([], { key: 'mine' }), 3).result).toEqual({
    ...result,
    isRepeat: true,
  })
})

test('the first access that a leader makes stands, whatever comes after', () => {
  const first = { bootstrapHash: 'a'.repeat(64), forwardingSecret: 'one', atMs: 1 }
  const state = stateWith(PETS)
  const { revision, hash } = state
  expect(state.access).toBeNull()
  expect(state.applyAccess(first)).toEqual([{ type: 'access', access: first }])
  expect(state.applyAccess({ ...first, bootstrapHash: 'b'.repeat(64), atMs: 2 })).toEqual([])
  expect(state.access).toEqual(first)
  // It is no write: no revision, and nothing that gateways would hash.
  expect([state.revision, state.hash]).toEqual([revision, hash])
})
