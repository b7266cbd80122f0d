import * as fc from 'fast-check'
import type { Operation, WriteCommand } from '../../../control-plane/ports.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { api, del, put, upstream } from './samples.ts'

// Few names, keys and revisions, so that they meet often.
const name = fc.constantFrom('a', 'b', 'c', 'd.e')
const upstreamName = fc.constantFrom('u', 'v')
const guard = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat({ max: 6 }) },
)

export const definitions: fc.Arbitrary<DefinitionInput> = fc.oneof(
  fc.tuple(upstreamName, fc.integer({ min: 1, max: 3 })).map(([n, port]) => upstream(n, port)),
  fc
    .tuple(name, fc.option(upstreamName, { nil: null }), fc.constantFrom('x', 'y'))
    .map(([n, to, label]) => api(n, to, { label })),
)

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(definitions, guard).map(([d, g]) => put(d, g)) },
  { weight: 1, arbitrary: fc.tuple(name, guard).map(([n, g]) => del('Api', n, g)) },
  { weight: 1, arbitrary: fc.tuple(upstreamName, guard).map(([n, g]) => del('Upstream', n, g)) },
)

export const commands: fc.Arbitrary<WriteCommand[]> = fc.array(
  fc.record({
    type: fc.constant('write' as const),
    key: fc.nat({ max: 40 }).map((n) => `key-${n}`),
    fingerprint: fc.constantFrom('f', 'f', 'f', 'g'),
    atMs: fc.nat(),
    author: fc.constant('ann'),
    message: fc.constant(null),
    operations: fc.array(operations, { minLength: 1, maxLength: 4 }),
    ifConfigRevision: guard,
  }),
  { maxLength: 20 },
)
