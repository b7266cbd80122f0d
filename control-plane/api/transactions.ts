import { KIND_NAMES, type DefinitionInput, type Kind } from '../../shared/definitions/kinds.ts'
import { nameSchema } from '../../shared/definitions/common.ts'
import { parseDefinition, unknownField } from '../../shared/definitions/parse.ts'
import { OPERATIONS_PER_TRANSACTION_MAX } from '../../shared/limits.ts'
import { suggest } from '../../shared/suggest.ts'
import { mayHoldSecrets } from '../access/seal-definition.ts'
import type { AskedOperation, Operation, WriteAnswer } from '../ports.ts'
import { otherWork, type Answer } from './answer.ts'
import type { HotCall } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope, isRevision } from './envelope.ts'
import type { WritePlan } from './carry-out-write.ts'
import { sealAll } from './sealing.ts'
import { runWrite } from './writes.ts'

/** `POST /v1/transactions`: all or nothing, one revision. */
export function transactionCalls(api: ApiContext): HotCall[] {
  return [
    {
      path: '/v1/transactions',
      methods: {
        post: {
          need: { right: 'write' },
          handle: (request, response) =>
            runWrite(api, request, response, (body) => planTransaction(api, body)),
        },
      },
    },
  ]
}

/** The answer of a write of many definitions. */
export function manyWritten(written: WriteAnswer): Answer {
  const { revision, results, unchanged } = written
  return { status: 200, revision, body: { revision, results, unchanged } }
}

/** How long definitions are checked before consensus gets its turn. */
const SLICE_MS = 5

/** Checks definitions one by one and leaves room for other work: 20,000 of them take longer than an election. */
export async function inSlices<T>(
  items: readonly T[],
  check: (item: T, at: number) => void,
): Promise<void> {
  let sliceEnd = performance.now() + SLICE_MS
  for (const [at, item] of items.entries()) {
    check(item, at)
    if (performance.now() < sliceEnd) continue
    await otherWork()
    sliceEnd = performance.now() + SLICE_MS
  }
}

/** Checks one definition of a body; its issues go to the envelope. Null when there were any. */
export function takeDefinition(
  envelope: Envelope,
  input: unknown,
  at: string,
): DefinitionInput | null {
  const parsed = parseDefinition(input, at)
  if (parsed.ok) return parsed.value
  for (const { path, message } of parsed.issues) envelope.issue(path, message)
  return null
}

async function planTransaction(api: ApiContext, body: unknown): Promise<WritePlan> {
  const envelope = new Envelope(body, ['operations', 'message', 'ifConfigRevision'])
  const range = { min: 1, max: OPERATIONS_PER_TRANSACTION_MAX }
  const given = envelope.array('operations', range)
  const message = envelope.message()
  const ifConfigRevision = envelope.revision('ifConfigRevision')
  const operations: AskedOperation[] = []
  await inSlices(given, (input, at) => {
    const operation = takeOperation(envelope, input, `operations.${at}`)
    if (operation !== null) operations.push(operation)
  })
  envelope.finish('INVALID_DEFINITION')
  return {
    action: { type: 'operations', operations: await withSealed(api, operations) },
    message,
    ifConfigRevision,
    answer: manyWritten,
  }
}

/** The same operations, their secrets sealed. */
async function withSealed(
  api: ApiContext,
  operations: readonly AskedOperation[],
): Promise<readonly AskedOperation[]> {
  const isSecret = (each: AskedOperation): boolean =>
    each.op === 'put' && mayHoldSecrets(each.definition)
  if (!operations.some(isSecret)) return operations
  const places = [...operations.keys()].filter((at) => operations[at]?.op === 'put')
  const definitions = places.flatMap((at) => {
    const operation = operations[at]
    return operation?.op === 'put' ? [operation.definition] : []
  })
  const sealed = await sealAll(api, definitions, (at) => `operations.${places[at] ?? 0}`)
  const byPlace = new Map(places.map((place, at) => [place, sealed[at]]))
  return operations.map((operation, at) => {
    const definition = byPlace.get(at)
    return operation.op === 'delete' || definition === undefined
      ? operation
      : { ...operation, definition }
  })
}

function takeOperation(envelope: Envelope, input: unknown, at: string): AskedOperation | null {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    envelope.issue(at, 'must be an object with op, kind and name')
    return null
  }
  const {
    op,
    ifRevision = null,
    ifChanged = false,
    ...rest
  } = input as Readonly<Record<string, unknown>>
  if (ifRevision !== null && !isRevision(ifRevision)) {
    envelope.issue(`${at}.ifRevision`, 'must be a revision: an integer from 0')
    return null
  }
  if (typeof ifChanged !== 'boolean' || (ifChanged && op !== 'put')) {
    envelope.issue(`${at}.ifChanged`, 'must be true or false, and is for puts')
    return null
  }
  if (op === 'put') {
    const definition = takeDefinition(envelope, rest, at)
    const asked = ifChanged ? { ifChanged } : {}
    return definition === null ? null : { op, definition, ifRevision, ...asked }
  }
  if (op === 'delete') return takeDelete(envelope, { rest, ifRevision, at })
  envelope.issue(`${at}.op`, op === undefined ? 'is required' : 'must be put or delete')
  return null
}

const DELETE_MEMBERS = ['op', 'kind', 'name', 'ifRevision']

function takeDelete(
  envelope: Envelope,
  input: {
    readonly rest: Readonly<Record<string, unknown>>
    readonly ifRevision: number | null
    readonly at: string
  },
): Operation | null {
  const { rest, ifRevision, at } = input
  const { name } = rest
  let isGood = true
  for (const member of Object.keys(rest)) {
    if (DELETE_MEMBERS.includes(member)) continue
    envelope.issue(`${at}.${member}`, unknownField(member, DELETE_MEMBERS))
    isGood = false
  }
  const kind = takeKind(envelope, rest['kind'], `${at}.kind`)
  const parsed = nameSchema.safeParse(name)
  if (!parsed.success) {
    const message = name === undefined ? 'is required' : parsed.error.issues[0]?.message
    envelope.issue(`${at}.name`, message ?? 'is not a name')
    return null
  }
  if (kind === null || !isGood) return null
  return { op: 'delete', kind, name: parsed.data, ifRevision }
}

function takeKind(envelope: Envelope, given: unknown, at: string): Kind | null {
  const kind = KIND_NAMES.find((known) => known === given)
  if (kind !== undefined) return kind
  const meant = typeof given === 'string' ? suggest(given, KIND_NAMES) : null
  const hint = meant === null ? '' : `; did you mean "${meant}"?`
  envelope.issue(at, `must be one of ${KIND_NAMES.join(', ')}${hint}`)
  return null
}
