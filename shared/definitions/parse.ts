import type { z } from 'zod'
import { canonical } from '../canonical-json.ts'
import type { Issue } from '../errors.ts'
import { DEFINITION_BYTES_MAX } from '../limits.ts'
import { suggest } from '../suggest.ts'
import { labelsSchema, nameSchema } from './common.ts'
import { zodIssues } from './issues.ts'
import {
  KIND_NAMES,
  KINDS,
  type Definition,
  type DefinitionInput,
  type Kind,
  type KindSpec,
} from './kinds.ts'

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: readonly Issue[] }

const MEMBERS = ['kind', 'name', 'labels', 'spec']
/** What an export carries beside the four, so that it can be applied as it is. */
const IGNORED_MEMBERS = ['revision', 'createdRevision']

/**
 * Checks one definition from outside: shape, types, bounds. References to other definitions and whether it compiles
 * are the compiler's business. Reports every issue, with its path below `at` (such as `operations.3`).
 * The result is canonical and shares nothing with `input`.
 */
export function parseDefinition(input: unknown, at = ''): Parsed<DefinitionInput> {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    return {
      ok: false,
      issues: [{ path: at, message: 'must be an object with kind, name and spec' }],
    }
  }
  const given = input as Readonly<Record<string, unknown>>
  const issues: Issue[] = []
  for (const member of Object.keys(given)) {
    if (MEMBERS.includes(member) || IGNORED_MEMBERS.includes(member)) continue
    issues.push({ path: join(at, member), message: unknownField(member, MEMBERS) })
  }
  const kind = parseKind(given['kind'], at, issues)
  checkWith(nameSchema, given['name'], join(at, 'name'), issues)
  if (given['labels'] !== undefined)
    checkWith(labelsSchema, given['labels'], join(at, 'labels'), issues)
  if (kind !== null) {
    checkWith(KINDS[kind].specSchema, given['spec'], join(at, 'spec'), issues)
    const { reservedNames }: KindSpec = KINDS[kind]
    if (reservedNames?.includes(String(given['name'])) === true)
      issues.push({ path: join(at, 'name'), message: 'is taken: choose another name' })
  }
  if (issues.length > 0) return { ok: false, issues }

  const labels = given['labels'] === undefined ? {} : { labels: canonical(given['labels']) }
  // Every member was checked against its schema above.
  const value = {
    kind,
    name: given['name'],
    ...labels,
    spec: canonical(given['spec']),
  } as DefinitionInput
  if (JSON.stringify(value).length > DEFINITION_BYTES_MAX) {
    const message = `larger than ${DEFINITION_BYTES_MAX} bytes (DEFINITION_BYTES_MAX)`
    return { ok: false, issues: [{ path: at, message }] }
  }
  return { ok: true, value }
}

/** Gives a checked definition its numbers, in the member order that its hash relies on. */
export function withRevision(
  input: DefinitionInput,
  numbers: { readonly revision: number; readonly createdRevision: number },
): Definition {
  const { kind, name, labels, spec } = input
  const named = labels === undefined ? { kind, name, spec } : { kind, name, labels, spec }
  // The union of kinds is kept member by member.
  return {
    ...named,
    revision: numbers.revision,
    createdRevision: numbers.createdRevision,
  } as Definition
}

/** The text for a field that nobody knows. */
export function unknownField(field: string, known: Iterable<string>): string {
  const meant = suggest(field, known)
  return meant === null ? 'unknown field' : `unknown field, did you mean "${meant}"?`
}

function parseKind(kind: unknown, at: string, issues: Issue[]): Kind | null {
  const known = KIND_NAMES.find((name) => name === kind)
  if (known !== undefined) return known
  const list = KIND_NAMES.join(', ')
  const meant = typeof kind === 'string' ? suggest(kind, KIND_NAMES) : null
  const hint = meant === null ? '' : `; did you mean "${meant}"?`
  issues.push({ path: join(at, 'kind'), message: `must be one of ${list}${hint}` })
  return null
}

function checkWith(schema: z.ZodType, value: unknown, at: string, issues: Issue[]): void {
  const result = schema.safeParse(value)
  if (!result.success) issues.push(...zodIssues(result.error, schema, at))
}

function join(at: string, member: string): string {
  return at === '' ? member : `${at}.${member}`
}
