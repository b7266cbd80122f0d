// Random commands on the state and on a second implementation that is as dumb as can be: an array that is copied
// whole and a hash that is summed anew. Then the state is restored from its parts, and must be the one replayed.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { IdempotencyRecord, Operation, WriteCommand } from '../../../control-plane/ports.ts'
import { ConfigHash } from '../../../shared/config-hash.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { api, restoredOf, upstream } from './samples.ts'
import { commands } from './random-commands.ts'

class Model {
  definitions: Definition[] = []
  revision = 0
  readonly seen = new Map<string, { fingerprint: string; revision: number }>()

  /** What happened: a revision, or a code. */
  apply(command: WriteCommand): number | string {
    const seen = this.seen.get(command.key)
    if (seen !== undefined) {
      return seen.fingerprint === command.fingerprint ? seen.revision : 'IDEMPOTENCY_KEY_REUSED'
    }
    if (command.ifConfigRevision !== null && command.ifConfigRevision !== this.revision)
      return 'REVISION_CONFLICT'
    let next = [...this.definitions]
    for (const operation of command.operations) {
      const refused = this.refusal(next, operation)
      if (refused !== null) return refused
      const { kind, name } = operation.op === 'put' ? operation.definition : operation
      const old = next.find((each) => each.kind === kind && each.name === name)
      next = next.filter((each) => each !== old)
      if (operation.op === 'delete') continue
      const revision = this.revision + 1
      const numbers = { revision, createdRevision: old?.createdRevision ?? revision }
      next.push({ ...operation.definition, ...numbers })
    }
    this.definitions = next
    this.revision++
    this.seen.set(command.key, { fingerprint: command.fingerprint, revision: this.revision })
    return this.revision
  }

  refusal(definitions: readonly Definition[], operation: Operation): string | null {
    const { kind, name } = operation.op === 'put' ? operation.definition : operation
    const old = definitions.find((each) => each.kind === kind && each.name === name)
    if (operation.op === 'delete' && old === undefined) return 'DEFINITION_NOT_FOUND'
    if (operation.ifRevision === null || operation.ifRevision === (old?.revision ?? 0)) return null
    return 'REVISION_CONFLICT'
  }

  sorted(): Definition[] {
    const order = ['Upstream', 'Api']
    return this.definitions.toSorted((a, b) =>
      a.kind === b.kind
        ? a.name < b.name
          ? -1
          : 1
        : order.indexOf(a.kind) - order.indexOf(b.kind),
    )
  }

  hash(): string {
    const sum = new ConfigHash()
    for (const definition of this.definitions) sum.add(JSON.stringify(definition))
    return sum.toHex()
  }
}

test('the state is what the model says, after every command', () => {
  fc.assert(
    fc.property(commands, (list) => {
      const state = new ReplicatedState()
      const model = new Model()
      for (const [i, command] of list.entries()) {
        const expected = model.apply(command)
        const { result, change } = state.apply(command, i + 1)
        expect(result.ok ? result.revision : result.code).toBe(expected)
        expect(change === null).toBe(!result.ok || result.isRepeat)
        expect(state.revision).toBe(model.revision)
        expect(state.hash).toBe(model.hash())
        expect(state.count).toBe(model.definitions.length)
      }
      expect(state.list()).toEqual(model.sorted())
    }),
    { numRuns: 300 },
  )
})

test('a state restored from its parts goes on exactly like the one that was replayed', () => {
  fc.assert(
    fc.property(commands, commands, (before, after) => {
      const state = new ReplicatedState()
      const disk = new Map<number, IdempotencyRecord>()
      for (const [i, command] of before.entries()) {
        for (const record of state.apply(command, i + 1).records) {
          if (record.type === 'idempotency') disk.set(record.index, record.result)
          if (record.type === 'idempotency-forgotten') disk.delete(record.index)
        }
      }
      const idempotency = [...disk].map(([index, record]) => ({ ...record, index }))
      const restored = ReplicatedState.restore(restoredOf(state, { idempotency }))
      for (const [i, command] of after.entries()) {
        const index = before.length + i + 1
        expect(restored.apply(command, index)).toEqual(state.apply(command, index))
      }
      expect(restored.list()).toEqual(state.list())
    }),
    { numRuns: 200 },
  )
})

test('the samples differ, or nothing above could fail', () => {
  expect(JSON.stringify(api('a'))).not.toBe(JSON.stringify(api('a', 'u')))
  expect(JSON.stringify(upstream('a', 1))).not.toBe(JSON.stringify(upstream('a', 2)))
})
