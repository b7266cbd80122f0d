// A leader with writes in flight: requests are planned and proposed, and applied later, in order and interleaved at
// random, with keys repeated and whole configs replaced. What a plan predicted is exactly what applying gives, and no
// planned write is ever refused.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Speculation } from '../../../control-plane/state-machine/propose.ts'
import { ReplicatedState } from '../../../control-plane/state-machine/state.ts'
import type { WriteCommand, WriteRequest } from '../../../control-plane/ports.ts'
import { definitionKey } from '../../../shared/changes.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { isRaftwayError } from '../../../shared/errors.ts'
import { compileTable } from '../../../shared/routing/table.ts'
import { definitions, operations } from './random-commands.ts'
import { request } from './samples.ts'

type Step =
  | { readonly type: 'write'; readonly request: WriteRequest; readonly key: string }
  | { readonly type: 'apply' }

const action: fc.Arbitrary<WriteRequest['action']> = fc.oneof(
  { weight: 6, arbitrary: fc.array(operations, { minLength: 1, maxLength: 3 }).map(asOperations) },
  { weight: 1, arbitrary: fc.array(definitions, { maxLength: 5 }).map(asReplace) },
)

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.tuple(action, fc.nat({ max: 30 })).map(([asked, key]): Step => {
      return { type: 'write', request: request(asked), key: `k${key}` }
    }),
    fc.constant<Step>({ type: 'apply' }),
  ),
  { minLength: 15, maxLength: 40 },
)

function asOperations(list: Extract<WriteRequest['action'], { type: 'operations' }>['operations']) {
  return { type: 'operations', operations: list } as const
}

function asReplace(list: readonly DefinitionInput[]) {
  const unique = new Map(list.map((each) => [definitionKey(each.kind, each.name), each]))
  return { type: 'replace', definitions: [...unique.values()] } as const
}

test('whatever a plan predicts is exactly what applying it gives', () => {
  let planned = 0
  let refused = 0
  fc.assert(
    fc.property(steps, (list) => {
      const state = new ReplicatedState()
      const speculation = new Speculation(state)
      const inFlight: { command: WriteCommand; predicted: object }[] = []
      let index = 0
      const applyNext = () => {
        const next = inFlight.shift()
        if (next === undefined) return
        const { result } = state.apply(next.command, ++index)
        speculation.settled(next.command)
        expect(result).toMatchObject({ ok: true, ...next.predicted })
        expect(compileTable(state.list()).ok).toBe(true)
      }
      for (const step of list) {
        if (step.type === 'apply') {
          applyNext()
          continue
        }
        try {
          const context = { atMs: 1, key: step.key, fingerprint: 'f', configAtRollback: null }
          const { command, predicted } = speculation.plan(step.request, context)
          planned++
          if (command === null) continue
          speculation.taken(command)
          inFlight.push({ command, predicted })
        } catch (error) {
          if (!isRaftwayError(error)) throw error
          refused++
        }
      }
      while (inFlight.length > 0) applyNext()
      expect(speculation.revision).toBe(state.revision)
    }),
    { numRuns: 150 },
  )
  // Both happen often, or this showed nothing.
  expect(Math.min(planned, refused)).toBeGreaterThan(400)
})
