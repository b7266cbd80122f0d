import { assert, unreachable } from '../../shared/assert.ts'
import { definitionKey } from '../../shared/changes.ts'
import {
  isAccessKind,
  type Definition,
  type DefinitionInput,
  type Kind,
} from '../../shared/definitions/kinds.ts'
import { RaftwayError, type Issue } from '../../shared/errors.ts'
import { ISSUES_MAX, OPERATIONS_PER_TRANSACTION_MAX } from '../../shared/limits.ts'
import type { AskedOperation, Operation, WriteRequest } from '../ports.ts'

/** The config that an action is expanded against. */
export type ConfigView = {
  get(kind: Kind, name: string): Definition | undefined
  list(): readonly Definition[]
}

/** An action as operations, and where in the request each definition stands. */
export type Expanded = {
  readonly operations: readonly Operation[]
  /** By `definitionKey`: `operations.0`, `definitions.3`. What an action does not name has no path. */
  readonly paths: ReadonlyMap<string, string>
}

/**
 * Turns an action into operations: a list is taken as it is, `replace` and `rollback` become the puts and deletes
 * that differ, puts first, an edit becomes a guarded put. Neither deletes what says who may do what, and a rollback does not touch it at all: it would
 * bring back a token that was revoked since, or take away the one that it is made with. `configAtRollback` is needed for a rollback. Throws INVALID_REQUEST.
 */
export function expandAction(
  action: WriteRequest['action'],
  config: ConfigView,
  configAtRollback: readonly Definition[] | null,
): Expanded {
  switch (action.type) {
    case 'operations':
      return withinBound(
        wanted(config, action.operations),
        pathsOf(action.operations.map(subject), 'operations'),
      )
    case 'edit': {
      const standing = config.get(action.kind, action.name)
      const definition = action.change(standing)
      const isSame = standing !== undefined && contentOf(standing) === contentOf(definition)
      const ifRevision = standing?.revision ?? 0
      return {
        operations: isSame ? [] : [{ op: 'put', definition, ifRevision }],
        paths: pathsOf([definition], 'operations'),
      }
    }
    case 'replace': {
      const paths = pathsOf(action.definitions, 'definitions')
      return withinBound(difference(config, action.definitions), paths)
    }
    case 'rollback':
      assert(configAtRollback !== null, 'a rollback comes with the config that it asks for')
      return withinBound(
        difference(config, configAtRollback.filter(isNoAccess).map(inputOf)),
        new Map(),
      )
    default:
      return unreachable(action)
  }
}

function withinBound(
  operations: readonly Operation[],
  paths: ReadonlyMap<string, string>,
): Expanded {
  if (operations.length <= OPERATIONS_PER_TRANSACTION_MAX) return { operations, paths }
  const detail =
    `the write has ${operations.length} operations, ` +
    `${OPERATIONS_PER_TRANSACTION_MAX} is the most (OPERATIONS_PER_TRANSACTION_MAX)`
  throw new RaftwayError('INVALID_REQUEST', detail)
}

/** Decided here, not where the write is taken: a repeat must be the same write, whatever stands by then. */
function wanted(config: ConfigView, operations: readonly AskedOperation[]): readonly Operation[] {
  if (!operations.some(({ ifChanged }) => ifChanged === true)) return operations
  return operations.flatMap(({ ifChanged, ...operation }): readonly Operation[] => {
    if (ifChanged !== true || operation.op === 'delete') return [operation]
    const { definition } = operation
    const current = config.get(definition.kind, definition.name)
    const isSame = current !== undefined && contentOf(current) === contentOf(definition)
    return isSame ? [] : [operation]
  })
}

type Subject = { readonly kind: Kind; readonly name: string }

function subject(operation: Operation): Subject {
  return operation.op === 'put' ? operation.definition : operation
}

/** Throws INVALID_REQUEST when a definition is named twice: which of the two should stand would be a guess. */
function pathsOf(subjects: readonly Subject[], root: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>()
  const issues: Issue[] = []
  for (const [at, { kind, name }] of subjects.entries()) {
    const key = definitionKey(kind, name)
    const path = `${root}.${at}`
    const first = paths.get(key)
    if (first === undefined) paths.set(key, path)
    else issues.push({ path, message: `${kind} "${name}" is named twice, first in ${first}` })
  }
  if (issues.length === 0) return paths
  throw new RaftwayError('INVALID_REQUEST', 'a definition may be named once in a write', {
    issues: issues.slice(0, ISSUES_MAX),
  })
}

function difference(config: ConfigView, wanted: readonly DefinitionInput[]): readonly Operation[] {
  const operations: Operation[] = []
  const kept = new Set<string>()
  for (const definition of wanted) {
    const { kind, name } = definition
    kept.add(definitionKey(kind, name))
    const current = config.get(kind, name)
    if (current !== undefined && contentOf(current) === contentOf(definition)) continue
    operations.push({ op: 'put', definition, ifRevision: null })
  }
  for (const { kind, name } of config.list().filter(isNoAccess)) {
    if (kept.has(definitionKey(kind, name))) continue
    operations.push({ op: 'delete', kind, name, ifRevision: null })
  }
  return operations
}

function isNoAccess({ kind }: Subject): boolean {
  return !isAccessKind(kind)
}

/** Definitions are canonical, so equal content is equal text. */
function contentOf({ labels, spec }: DefinitionInput): string {
  return JSON.stringify([labels ?? null, spec])
}

function inputOf({ kind, name, labels, spec }: Definition): DefinitionInput {
  // The union of kinds is kept member by member.
  return (
    labels === undefined ? { kind, name, spec } : { kind, name, labels, spec }
  ) as DefinitionInput
}
