// Goal: no two Consumers can be known by the same credential, whatever is in flight, and every node derives who has what.
// Method: the table against a plain map; plans and applied writes against what a search through the definitions says.
import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { CredentialTable } from '../../../control-plane/state-machine/credential-table.ts'
import { credentialsOf } from '../../../control-plane/state-machine/credentials.ts'
import { Speculation } from '../../../control-plane/state-machine/propose.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { Operation, WriteCommand, WriteRequest } from '../../../control-plane/ports.ts'
import type { Definition, DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import { isRaftwayError, type RaftwayError } from '../../../shared/errors.ts'
import { put, request, restoredOf, write } from './samples.ts'

const ARGON = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'

function hexOf(text: string): string {
  return hash('sha256', text, 'hex')
}

function consumer(name: string, credentials: object): DefinitionInput {
  const parsed = parseDefinition({ kind: 'Consumer', name, spec: { credentials } })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues))
  return parsed.value
}

function keyed(name: string, ...keys: readonly string[]): DefinitionInput {
  return consumer(name, { keys: keys.map((key) => ({ name: key, hash: hexOf(key) })) })
}

let state: ReplicatedState
let speculation: Speculation
let index: number

beforeEach(() => {
  state = new ReplicatedState()
  speculation = new Speculation(state)
  index = 0
})

function take(asked: WriteRequest, at: readonly Definition[] | null = null): WriteCommand {
  const key = `k${++index}`
  const { command } = speculation.plan(asked, {
    atMs: 5,
    key,
    fingerprint: 'f',
    configAtRollback: at,
  })
  if (command === null) throw new Error('nothing to propose')
  speculation.taken(command)
  return command
}

function settle(command: WriteCommand): void {
  state.apply(command, ++index)
  speculation.settled(command)
}

function ops(...operations: readonly Operation[]): WriteRequest {
  return request({ type: 'operations', operations })
}

function refused(asked: WriteRequest, at: readonly Definition[] | null = null): RaftwayError {
  try {
    take(asked, at)
  } catch (error) {
    if (isRaftwayError(error)) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('two Consumers', () => {
  test.for([
    ['keys', { keys: [{ name: 'a', hash: hexOf('1') }] }, 'keys.0.hash', 'key'],
    ['usernames', { basic: [{ username: 'u', hash: ARGON }] }, 'basic.0.username', 'username'],
    ['hmac keys', { hmac: [{ keyId: 'k', secret: 's' }] }, 'hmac.0.keyId', 'keyId'],
    [
      'certificates',
      { certificates: [{ fingerprint: hexOf('c') }] },
      'certificates.0.fingerprint',
      'certificate',
    ],
    ['subjects', { subjects: [{ subject: 's' }] }, 'subjects.0.subject', 'subject'],
    [
      'subjects of one issuer',
      { subjects: [{ subject: 's', issuer: 'i' }] },
      'subjects.0.subject',
      'subject',
    ],
  ] as const)('cannot have the same %s', ([, credentials, path, what]) => {
    settle(take(ops(put(consumer('alice', credentials)))))
    const error = refused(ops(put(keyed('other', 'x')), put(consumer('bob', credentials))))
    expect(error.code).toBe('INVALID_DEFINITION')
    expect(error.issues).toEqual([
      {
        path: `operations.1.spec.credentials.${path}`,
        message: `Consumer "alice" has this ${what}`,
      },
    ])
    // The same one may be written again, and again with something else.
    settle(take(ops(put(consumer('alice', { ...credentials, subjects: [{ subject: 'more' }] })))))
  })

  test('may have the same text as different things, and of different issuers', () => {
    settle(
      take(
        ops(
          put(consumer('a', { basic: [{ username: 'same', hash: ARGON }] })),
          put(consumer('b', { hmac: [{ keyId: 'same', secret: 's' }] })),
          put(consumer('c', { subjects: [{ subject: 'same' }] })),
          put(consumer('d', { subjects: [{ subject: 'same', issuer: 'i' }] })),
          put(consumer('e', { subjects: [{ subject: 'same', issuer: 'j' }] })),
          put(consumer('f', { certificates: [{ fingerprint: hexOf('k') }] })),
          put(keyed('g', 'k')),
        ),
      ),
    )
    expect(state.count).toBe(7)
  })

  test('of one write cannot either, wherever they stand in it', () => {
    const error = refused(ops(put(keyed('a', '1')), put(keyed('b', '2', '1'))))
    expect(error.issues).toEqual([
      {
        path: 'operations.1.spec.credentials.keys.1.hash',
        message: 'Consumer "a" has this key',
      },
    ])
  })

  test('may exchange credentials in one write', () => {
    settle(take(ops(put(keyed('a', '1')), put(keyed('b', '2')))))
    settle(take(ops(put(keyed('a', '2')), put(keyed('b', '1')))))
    expect(refused(ops(put(keyed('c', '1')))).issues[0]?.message).toContain('"b"')
    expect(refused(ops(put(keyed('c', '2')))).issues[0]?.message).toContain('"a"')
  })
})

test('what is in flight counts, and what it gives up is free', () => {
  const first = take(ops(put(keyed('a', '1'))))
  expect(refused(ops(put(keyed('b', '1')))).issues[0]?.message).toContain('"a"')
  const second = take(ops({ op: 'delete', kind: 'Consumer', name: 'a', ifRevision: null }))
  const third = take(ops(put(keyed('b', '1'))))
  settle(first)
  expect(refused(ops(put(keyed('c', '1')))).issues[0]?.message).toContain('"b"')
  settle(second)
  settle(third)
  expect(refused(ops(put(keyed('c', '1')))).issues[0]?.message).toContain('"b"')
  // What was planned and is lost with leadership counts no more.
  take(ops(put(keyed('b', '3'))))
  speculation.reset()
  expect(refused(ops(put(keyed('c', '1')))).issues[0]?.message).toContain('"b"')
})

test('a replaced config, a rollback and an edit are held to it as well', () => {
  settle(take(ops(put(keyed('a', '1')))))
  const replaced = refused(
    request({ type: 'replace', definitions: [keyed('a', '1'), keyed('b', '1')] }),
  )
  expect(replaced.issues[0]?.path).toBe('definitions.1.spec.credentials.keys.0.hash')
  // A config of a version that did not look.
  const older = [keyed('a', '2'), keyed('b', '2')].map((each) => ({
    ...each,
    revision: 1,
    createdRevision: 1,
  }))
  expect(refused(request({ type: 'rollback', revision: 1 }), older).code).toBe('INVALID_DEFINITION')
  const change = () => keyed('b', '1')
  const edit = { type: 'edit', kind: 'Consumer', name: 'b', asked: {}, change } as const
  expect(refused(request(edit)).issues[0]?.path).toBe('operations.0.spec.credentials.keys.0.hash')
})

test('an edit sees what is in flight, guards itself, and changes nothing where nothing differs', () => {
  const first = take(ops(put(keyed('a', '1'))))
  const seen: unknown[] = []
  const edit = (definition: DefinitionInput): WriteRequest =>
    request({
      type: 'edit',
      kind: 'Consumer',
      name: 'a',
      asked: {},
      change: (standing) => {
        seen.push(standing?.revision ?? null)
        return definition
      },
    })
  const second = take(edit(keyed('a', '1', '2')))
  expect(second.operations).toMatchObject([{ op: 'put', ifRevision: 1 }])
  expect(seen).toEqual([1])
  settle(first)
  settle(second)
  const { command, unchanged } = speculation.plan(edit(keyed('a', '1', '2')), {
    atMs: 5,
    key: 'k',
    fingerprint: 'f',
    configAtRollback: null,
  })
  expect({ command, unchanged }).toEqual({ command: null, unchanged: true })
})

test('a restored state knows who has what', () => {
  settle(take(ops(put(keyed('a', '1', '2')), put(keyed('b', '3')))))
  const restored = ReplicatedState.restore(restoredOf(state))
  for (const [key, owner] of [
    ['1', 'a'],
    ['2', 'a'],
    ['3', 'b'],
    ['4', null],
  ] as const) {
    const [credential] = credentialsOf(keyed('x', key))
    expect(restored.ownerOf(credential?.digest ?? '')).toBe(owner)
  }
})

test('what a log holds from a version that did not look is applied all the same', () => {
  state.apply(write([put(keyed('a', '1')), put(keyed('b', '1'))]), 1)
  state.apply(write([{ op: 'delete', kind: 'Consumer', name: 'a', ifRevision: null }]), 2)
  const [credential] = credentialsOf(keyed('x', '1'))
  expect(state.ownerOf(credential?.digest ?? '')).toBe('b')
})

test('the table says the same as a map, whatever comes and goes', () => {
  // Few first words, so that searches run into each other and holes have to be closed.
  const digest = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 30 }))
    .map(([first, rest]) => String.fromCharCode(0, 0, 0, first * 60, 0, 0, 0, rest, 0, 255, 0, 1))
  const step = fc.record({ digest, owner: fc.constantFrom('a', 'b'), isDelete: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new CredentialTable()
      const map = new Map<string, string>()
      for (const each of steps) {
        if (!each.isDelete) {
          table.set(each.digest, each.owner)
          map.set(each.digest, each.owner)
        } else {
          table.delete(each.digest, each.owner)
          if (map.get(each.digest) === each.owner) map.delete(each.digest)
        }
      }
      expect(table.count).toBe(map.size)
      for (const known of new Set(steps.map((each) => each.digest)))
        expect(table.ownerOf(known)).toBe(map.get(known) ?? null)
    }),
  )
})
