import { beforeEach, expect, test } from 'vitest'
import { Speculation } from '../../../control-plane/state-machine/propose.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { Operation, WriteCommand, WriteRequest } from '../../../control-plane/ports.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { isRaftwayError, type RaftwayError } from '../../../shared/errors.ts'
import { OPERATIONS_PER_TRANSACTION_MAX } from '../../../shared/limits.ts'
import { api, del, put, request, upstream, write } from './samples.ts'

let state: ReplicatedState
let speculation: Speculation
let index: number
let keys = 0

beforeEach(() => {
  state = new ReplicatedState()
  speculation = new Speculation(state)
  index = 0
})

function context(more: { key?: string; fingerprint?: string; at?: readonly Definition[] } = {}) {
  const { key = `k${++keys}`, fingerprint = 'f', at = null } = more
  return { atMs: 5, key, fingerprint, configAtRollback: at }
}

function ops(...operations: readonly Operation[]): WriteRequest {
  return request({ type: 'operations', operations })
}

/** Plans and proposes. */
function propose(asked: WriteRequest, more: Parameters<typeof context>[0] = {}): WriteCommand {
  const { command } = speculation.plan(asked, context(more))
  if (command === null) throw new Error('nothing to propose')
  speculation.taken(command)
  return command
}

/** What committing does: applied to the state, then told to the speculation. */
function settle(command: WriteCommand) {
  const { result } = state.apply(command, ++index)
  speculation.settled(command)
  return result
}

function refused(asked: WriteRequest, more: Parameters<typeof context>[0] = {}): RaftwayError {
  try {
    speculation.plan(asked, context(more))
  } catch (error) {
    if (isRaftwayError(error)) return error
    throw error
  }
  throw new Error('was not refused')
}

test('a plan carries the request, and predicts what applying it gives', () => {
  const asked = { ...ops(put(api('a'))), author: 'bob', message: 'why', ifConfigRevision: 0 }
  const { command, predicted, unchanged } = speculation.plan(asked, context({ key: 'k' }))
  expect(command).toMatchObject({
    key: 'k',
    fingerprint: 'f',
    atMs: 5,
    author: 'bob',
    message: 'why',
  })
  expect(unchanged).toBe(false)
  speculation.taken(command as WriteCommand)
  expect(settle(command as WriteCommand)).toMatchObject({ ok: true, ...predicted })
})

test('a plan that is not taken leaves nothing behind', () => {
  speculation.plan(ops(put(api('a'))), context())
  expect(speculation.revision).toBe(0)
  expect(refused(ops(del('Api', 'a'))).code).toBe('DEFINITION_NOT_FOUND')
})

test('what is in flight counts: its revision, its definitions, its routes', () => {
  const first = propose(ops(put(upstream('u'))))
  const second = propose(ops(put(api('a', 'u'), 0)))
  expect(state.revision).toBe(0)
  expect(speculation.revision).toBe(2)
  expect(refused(ops(put(api('a'), 0)))).toMatchObject({
    code: 'REVISION_CONFLICT',
    extra: { currentRevision: 2 },
    issues: [{ path: 'operations.0' }],
  })
  const third = propose(ops(put(api('a', 'u', { v: '2' }), 2)))
  expect(refused(ops(del('Upstream', 'u'))).code).toBe('INVALID_DEFINITION')
  expect([first, second, third].map(settle)).toMatchObject([
    { revision: 1 },
    { revision: 2 },
    { revision: 3 },
  ])
  expect(speculation.inFlightCount).toBe(0)
})

test('a newer write in flight stays on top when an older one settles', () => {
  const first = propose(ops(put(api('a'))))
  const second = propose(ops(del('Api', 'a')))
  settle(first)
  expect(state.get('Api', 'a')).toBeDefined()
  expect(refused(ops(del('Api', 'a'))).code).toBe('DEFINITION_NOT_FOUND')
  settle(second)
  expect(state.get('Api', 'a')).toBeUndefined()
})

test('every issue stands at its operation', () => {
  const error = refused(ops(put(api('good')), put(api('a', 'nope')), put(api('b', 'nope-either'))))
  expect(error.code).toBe('INVALID_DEFINITION')
  expect(error.issues.map(({ path }) => path)).toEqual([
    'operations.1.spec.upstream',
    'operations.2.spec.upstream',
  ])
  expect(speculation.revision).toBe(0)
})

test('issues of a replaced config stand at its definitions', () => {
  const asked = request({ type: 'replace', definitions: [api('a'), api('b', 'nope')] })
  expect(refused(asked).issues).toMatchObject([{ path: 'definitions.1.spec.upstream' }])
})

test('an issue of a definition that the write does not name says which one it is', () => {
  settle(propose(ops(put(upstream('u')), put(api('a', 'u')))))
  expect(refused(ops(del('Upstream', 'u'))).issues).toMatchObject([{ path: 'Api/a.spec.upstream' }])
})

test('a definition named twice is refused, with both places', () => {
  expect(refused(ops(put(api('a')), put(api('b')), del('Api', 'a')))).toMatchObject({
    code: 'INVALID_REQUEST',
    issues: [{ path: 'operations.2', message: expect.stringContaining('operations.0') }],
  })
  const twice = request({ type: 'replace', definitions: [api('a'), api('a')] })
  expect(refused(twice)).toMatchObject({
    code: 'INVALID_REQUEST',
    issues: [{ path: 'definitions.1' }],
  })
})

test('too many operations are refused', () => {
  const one = api('a')
  const many = Array.from({ length: OPERATIONS_PER_TRANSACTION_MAX + 1 }, (_, i) =>
    put({ ...one, name: `a${i}` }),
  )
  expect(refused(ops(...many)).code).toBe('INVALID_REQUEST')
})

test('the guard of the config counts what is in flight', () => {
  propose(ops(put(api('a'))))
  expect(refused({ ...ops(put(api('b'))), ifConfigRevision: 0 })).toMatchObject({
    code: 'REVISION_CONFLICT',
    extra: { currentRevision: 1 },
  })
  expect(propose({ ...ops(put(api('b'))), ifConfigRevision: 1 }).ifConfigRevision).toBe(1)
})

test('replacing the config writes what differs and deletes what is not named', () => {
  settle(propose(ops(put(upstream('u')), put(api('same', 'u')), put(api('gone')))))
  propose(ops(put(api('in-flight'))))
  const definitions = [upstream('u'), api('same', 'u'), api('new')]
  const { command } = speculation.plan(request({ type: 'replace', definitions }), context())
  const named = command?.operations.map((each) => [
    each.op,
    each.op === 'put' ? each.definition.name : each.name,
  ])
  expect(named).toEqual([
    ['put', 'new'],
    ['delete', 'gone'],
    ['delete', 'in-flight'],
  ])
})

test('replacing the config by itself changes nothing, but guards are heard', () => {
  settle(propose(ops(put(upstream('u')), put(api('a', 'u', { x: 'y' })))))
  const same = request({ type: 'replace', definitions: [api('a', 'u', { x: 'y' }), upstream('u')] })
  expect(speculation.plan(same, context())).toEqual({
    command: null,
    predicted: { revision: 1, results: [] },
    unchanged: true,
  })
  expect(refused({ ...same, ifConfigRevision: 7 }).code).toBe('REVISION_CONFLICT')
})

test('writing the same definition again is a revision all the same', () => {
  settle(propose(ops(put(api('a')))))
  expect(settle(propose(ops(put(api('a')))))).toMatchObject({
    revision: 2,
    results: [{ created: false }],
  })
})

test('a rollback restores, rewrites and deletes', () => {
  settle(propose(ops(put(api('a')), put(api('b')), put(api('c')))))
  const then = state.list()
  settle(propose(ops(del('Api', 'a'), put(api('b', null, { v: '2' })), put(api('d')))))
  const rollback = propose(request({ type: 'rollback', revision: 1 }), { at: then })
  settle(rollback)
  expect(rollback.operations.map(({ op }) => op)).toEqual(['put', 'put', 'delete'])
  const content = (definitions: readonly Definition[]) =>
    definitions.map(({ name, labels, spec }) => ({ name, labels, spec }))
  expect(content(state.list())).toEqual(content(then))
  expect(state.get('Api', 'a')).toMatchObject({ revision: 3, createdRevision: 3 })
  expect(
    speculation.plan(request({ type: 'rollback', revision: 1 }), context({ at: then })).unchanged,
  ).toBe(true)
})

test('a key that was applied is answered with the first result, and nothing is proposed', () => {
  settle(propose(ops(put(api('a'), 0)), { key: 'mine' }))
  settle(propose(ops(put(api('b')))))
  expect(speculation.plan(ops(put(api('a'), 0)), context({ key: 'mine' }))).toMatchObject({
    command: null,
    unchanged: false,
    predicted: { revision: 1, results: [{ name: 'a', created: true }] },
  })
  expect(refused(ops(), { key: 'mine', fingerprint: 'other' }).code).toBe('IDEMPOTENCY_KEY_REUSED')
})

test('a key in flight is proposed again, with the first prediction, and counts once', () => {
  const first = propose(ops(put(api('a'), 0)), { key: 'mine' })
  const { command: again, predicted } = speculation.plan(
    ops(put(api('a'), 0)),
    context({ key: 'mine' }),
  )
  expect(predicted).toMatchObject({ revision: 1 })
  speculation.taken(again as WriteCommand)
  expect(speculation.revision).toBe(1)
  expect(refused(ops(), { key: 'mine', fingerprint: 'other' }).code).toBe('IDEMPOTENCY_KEY_REUSED')
  const next = propose(ops(put(api('b'))))
  expect(settle(first)).toMatchObject({ revision: 1, isRepeat: false })
  expect(settle(again as WriteCommand)).toMatchObject({ revision: 1, isRepeat: true })
  expect(settle(next)).toMatchObject({ ok: true, revision: 2 })
})

test('a write that came from elsewhere changes what is planned next', () => {
  const mine = propose(ops(put(api('a'), 0)))
  const foreign = write([put(api('a', null, { from: 'elsewhere' }))])
  settle(foreign)
  expect(speculation.revision).toBe(1)
  expect(settle(mine)).toMatchObject({ ok: false, code: 'REVISION_CONFLICT' })
  expect(speculation.revision).toBe(1)
  expect(settle(propose(ops(put(api('a'), 1))))).toMatchObject({ ok: true, revision: 2 })
})

test('after a reset nothing in flight is known', () => {
  propose(ops(put(api('a'))))
  speculation.reset()
  expect([speculation.revision, speculation.inFlightCount]).toEqual([0, 0])
  expect(refused(ops(del('Api', 'a'))).code).toBe('DEFINITION_NOT_FOUND')
})

/** Takes one step of a plan in the making, and checks that it is not over. */
function oneStep(steps: Generator<undefined, unknown>): void {
  expect(steps.next().done).toBe(false)
}

function toEnd(steps: ReturnType<Speculation['planInSteps']>): ReturnType<Speculation['plan']> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

test('a plan in steps comes to the same, also when what is in flight settles meanwhile', () => {
  const earlier = propose(ops(put(api('a'))))
  const steps = speculation.planInSteps(ops(put(api('b')), put(api('c'))), context())
  oneStep(steps)
  settle(earlier)
  const { command, predicted } = toEnd(steps)
  expect(predicted.revision).toBe(2)
  if (command === null) throw new Error('nothing to propose')
  speculation.taken(command)
  expect(settle(command)).toMatchObject({ ok: true, revision: 2 })
  expect(state.table.routeCount).toBe(3)
})

test('a plan in steps begins again when something else was applied than it rests on', () => {
  propose(ops(put(api('mine'))))
  const steps = speculation.planInSteps(ops(put(api('b')), del('Api', 'mine')), context())
  oneStep(steps)
  // Another leader's write comes instead of the one in flight.
  const foreign = { ...write([put(api('foreign'))]), key: 'foreign' }
  state.apply(foreign, ++index)
  speculation.reset()
  speculation.settled(foreign)
  expect(() => toEnd(steps)).toThrow('there is no Api "mine"')
})

test('the state takes over the table that a write was planned with, and others compile in their own time', () => {
  const follower = new ReplicatedState()
  const command = propose(ops(put(api('a')), put(api('b')), put(api('c'))))
  settle(command)
  follower.apply(command, index)
  expect(state.compileSome(1)).toBe(0)
  expect(follower.compileSome(1)).toBe(2)
  expect(follower.compileSome(1)).toBe(1)
  // Whoever asks gets it whole.
  expect(follower.table.routeCount).toBe(3)
  expect(follower.compileSome(1)).toBe(0)
})
