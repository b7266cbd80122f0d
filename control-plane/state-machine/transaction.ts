import { definitionKey } from '../../shared/changes.ts'
import type { Definition, DefinitionInput, Kind } from '../../shared/definitions/kinds.ts'
import { withRevision } from '../../shared/definitions/parse.ts'
import type {
  HistoryChange,
  Operation,
  OperationResult,
  WriteCommand,
  WriteResult,
} from '../ports.ts'

/** What a transaction reads of the state that it is run on. */
export type TransactionView = {
  readonly revision: number
  get(kind: Kind, name: string): Definition | undefined
}

export type Refusal = Extract<WriteResult, { ok: false }>

/** What a transaction would do: nothing of it is done yet. */
export type Transaction =
  | {
      readonly ok: true
      readonly revision: number
      readonly results: readonly OperationResult[]
      readonly changes: readonly HistoryChange[]
    }
  | Refusal

/**
 * Runs a command on a view, all or nothing. Every operation sees what the earlier ones left. Decided by the view and
 * the command alone: leader and followers, planning and applying, get the same answer.
 */
export function runTransaction(view: TransactionView, command: WriteCommand): Transaction {
  const { ifConfigRevision } = command
  if (ifConfigRevision !== null && ifConfigRevision !== view.revision) {
    const detail = `the config is at revision ${view.revision}, not at ${ifConfigRevision}`
    return refuse('REVISION_CONFLICT', detail, null, view.revision)
  }
  const revision = view.revision + 1
  const staged = new Map<string, Definition | null>()
  const results: OperationResult[] = []
  const changes: HistoryChange[] = []
  for (const [at, operation] of command.operations.entries()) {
    const { kind, name } = operation.op === 'put' ? operation.definition : operation
    const key = definitionKey(kind, name)
    const earlier = staged.get(key)
    const before = earlier === undefined ? (view.get(kind, name) ?? null) : earlier
    const refusal = checkGuard(operation, before, at)
    if (refusal !== null) return refusal
    const after = operation.op === 'put' ? nextForm(operation.definition, before, revision) : null
    staged.set(key, after)
    changes.push({ op: operation.op, kind, name, after, before })
    results.push({
      op: operation.op,
      kind,
      name,
      revision,
      created: after !== null && before === null,
    })
  }
  return { ok: true, revision, results, changes }
}

/** A missing definition comes before its guard, as RFC 9110 13.2.1 has it: the guard of what is not there is moot. */
function checkGuard(operation: Operation, before: Definition | null, at: number): Refusal | null {
  const { kind, name } = operation.op === 'put' ? operation.definition : operation
  if (operation.op === 'delete' && before === null) {
    return refuse('DEFINITION_NOT_FOUND', `there is no ${kind} "${name}"`, at, 0)
  }
  const current = before?.revision ?? 0
  if (operation.ifRevision === null || operation.ifRevision === current) return null
  const detail =
    before === null
      ? `${kind} "${name}" does not exist, the guard asks for revision ${operation.ifRevision}`
      : `${kind} "${name}" is at revision ${current}, ` +
        (operation.ifRevision === 0
          ? 'the guard asks that it does not exist'
          : `the guard asks for ${operation.ifRevision}`)
  return refuse('REVISION_CONFLICT', detail, at, current)
}

function nextForm(input: DefinitionInput, before: Definition | null, revision: number): Definition {
  return withRevision(input, { revision, createdRevision: before?.createdRevision ?? revision })
}

function refuse(
  code: Refusal['code'],
  detail: string,
  at: number | null,
  currentRevision: number,
): Refusal {
  return { ok: false, code, detail, at, currentRevision }
}
