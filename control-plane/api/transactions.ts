import { KIND_NAMES, type DefinitionInput, type Kind } from '../../shared/definitions/kinds.ts'
import { nameSchema } from '../../shared/definitions/common.ts'
import { parseDefinition, unknownField } from '../../shared/definitions/parse.ts'
import { OPERATIONS_PER_TRANSACTION_MAX } from '../../shared/limits.ts'
import { suggest } from '../../shared/suggest.ts'
import type { Operation, WriteAnswer } from '../ports.ts'
import { otherWork, type Answer } from './answer.ts'
import type { HotCall } from './calls.ts'
import type { ApiContext } from './context.ts'
import { Envelope, isRevision } from './envelope.ts'
import type { WritePlan } from './carry-out-write.ts'
import { runWrite } from './writes.ts'

/** `POST /v1/transactions`: all or nothing, one revision. */
export function transactionCalls(api: ApiContext): HotCall[] {
  return [
    {
      path: '/v1/transactions',
      methods: {
        post: {
          need: { right: 'write' },
          handle: (request, response) => runWrite(api, request, response, planTransaction),
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

async function planTransaction(body: unknown): Promise<WritePlan> {
  const envelope = new Envelope(body, ['operations', 'message', 'ifConfigRevision'])
  const range = { min: 1, max: OPERATIONS_PER_TRANSACTION_MAX }
  const given = envelope.array('operations', range)
  const message = envelope.message()
  const ifConfigRevision = envelope.revision('ifConfigRevision')
  const operations: Operation[] = []
  await inSlices(given, (input, at) => {
    const operation = takeOperation(envelope, input, `operations.${at}`)
    if (operation !== null) operations.push(operation)
  })
  envelope.finish('INVALID_DEFINITION')
  return {
    action: { type: 'operations', operations },
    message,
    ifConfigRevision,
    answer: manyWritten,
  }
}

function takeOperation(envelope: Envelope, input: unknown, at: string): Operation | null {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    envelope.issue(at, 'must be an object with op, kind and name')
    return null
  }
  const { op, ifRevision = null, ...rest } = input as Readonly<Record<string, unknown>>
  if (ifRevision !== null && !isRevision(ifRevision)) {
    envelope.issue(`${at}.ifRevision`, 'must be a revision: an integer from 0')
    return null
  }
  if (op === 'put') {
    const definition = takeDefinition(envelope, rest, at)
    return definition === null ? null : { op, definition, ifRevision }
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
