import { hashApiKey } from '../../shared/definitions/api-key.ts'
import { nameSchema } from '../../shared/definitions/common.ts'
import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import { parseDefinition, unknownField } from '../../shared/definitions/parse.ts'
import type { Issue } from '../../shared/errors.ts'
import { API_KEY_CHARS_MAX } from '../../shared/limits.ts'
import { csvRecords } from './csv.ts'

/** What the column `key` holds: the hash of a key, the key itself, or nothing, because keys are to be made. */
export type KeyForm = 'hashed' | 'plain' | 'generate'

type Credentials = NonNullable<ConsumerSpec['credentials']>
export type RowKey = NonNullable<Credentials['keys']>[number]

/** A consumer as one row of a file wants it. */
export type Row = {
  /** From 1. */
  readonly line: number
  readonly name: string
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly spec: ConsumerSpec
  /** Name of the key that is to be made for it; null for none. */
  readonly keyName: string | null
}

export type RowIssue = Issue & { readonly line: number }

/** Rows in the order of the file, and everything that is wrong with the others. */
export type ReadRows = { readonly rows: readonly Row[]; readonly issues: readonly RowIssue[] }

/** A row before it is checked: members by name. */
type Given = { readonly line: number; readonly members: Readonly<Record<string, unknown>> }

const COLUMNS = [
  'name',
  'plans',
  'roles',
  'enabled',
  'expiresAt',
  'description',
  'key',
  'keyName',
  'username',
  'passwordHash',
]
/** Columns and members that hold a member each of labels and metadata. */
const DOTTED = /^(label|metadata)\.(.+)$/
const MEMBERS = [...COLUMNS, 'labels', 'metadata', 'spec', 'kind', 'revision', 'createdRevision']
const KEY_NAME = 'import'
/** Of a key that is shorter its end would tell too much. */
const LAST_FOUR_CHARS_MIN = 16

/** Reads CSV with a heading, or JSON lines. Throws UsageError when the text is no CSV. */
export function readRows(text: string, format: 'csv' | 'ndjson', keys: KeyForm): ReadRows {
  const issues: RowIssue[] = []
  const rows: Row[] = []
  const lines = new Map<string, number>()
  const given = format === 'csv' ? csvRows(text, issues) : jsonRows(text, issues)
  for (const each of given) {
    const row = rowOf(each, keys, issues)
    if (row === null) continue
    const first = lines.get(row.name)
    if (first === undefined) {
      lines.set(row.name, row.line)
      rows.push(row)
    } else {
      const message = `${row.name} stands on line ${first} already`
      issues.push({ line: row.line, path: 'name', message })
    }
  }
  return { rows, issues }
}

function* csvRows(text: string, issues: RowIssue[]): Generator<Given> {
  let head: readonly string[] | null = null
  for (const { line, cells } of csvRecords(text)) {
    if (head === null) {
      head = cells
      for (const column of cells) {
        if (COLUMNS.includes(column) || DOTTED.test(column)) continue
        const known = [...COLUMNS, 'label.…', 'metadata.…']
        const message = unknownField(column, known).replace('field', 'column')
        issues.push({ line, path: column, message })
      }
      if (!cells.includes('name')) issues.push({ line, path: 'name', message: 'is required' })
      if (issues.length > 0) return
      continue
    }
    if (cells.length !== head.length) {
      const message = `has ${cells.length} cells, the heading has ${head.length}`
      issues.push({ line, path: '', message })
      continue
    }
    const pairs = head.map((column, at): [string, string] => [column, cells[at] ?? ''])
    // An empty cell says nothing.
    yield { line, members: Object.fromEntries(pairs.filter(([, cell]) => cell !== '')) }
  }
}

function* jsonRows(text: string, issues: RowIssue[]): Generator<Given> {
  for (const [at, content] of text.split('\n').entries()) {
    const line = at + 1
    if (content.trim() === '') continue
    const members = jsonObject(content)
    if (members === null) issues.push({ line, path: '', message: 'is no JSON object' })
    else yield { line, members }
  }
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value)
    return isObject ? (value as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
  }
}

function rowOf({ line, members }: Given, keys: KeyForm, issues: RowIssue[]): Row | null {
  const before = issues.length
  const issue = (path: string, message: string): void => void issues.push({ line, path, message })
  for (const member of Object.keys(members)) {
    if (MEMBERS.includes(member) || DOTTED.test(member)) continue
    issue(member, unknownField(member, MEMBERS))
  }
  const { name, key } = members
  const credentials = credentialsOf(members, keys, issue)
  const input = {
    kind: members['kind'] ?? 'Consumer',
    name,
    ...optional('labels', together(members, 'label', members['labels'])),
    spec: { ...specOf(members), ...optional('credentials', credentials) },
  }
  if (issues.length > before) return null
  const parsed = parseDefinition(input)
  if (!parsed.ok) {
    for (const { path, message } of parsed.issues) issue(path, message)
    return null
  }
  const { value } = parsed
  if (value.kind !== 'Consumer') {
    issue('kind', 'must be Consumer')
    return null
  }
  const keyName = nameSchema.safeParse(members['keyName'] ?? KEY_NAME)
  const isMade = keys === 'generate' && key === undefined
  if (isMade && !keyName.success) {
    issue('keyName', 'must be a name: a-z, 0-9, "." and "-"')
    return null
  }
  return {
    line,
    name: value.name,
    labels: value.labels,
    spec: value.spec,
    keyName: isMade ? (keyName.data ?? null) : null,
  }
}

/** The spec that a row has, or that its members come to. */
function specOf(members: Given['members']): Readonly<Record<string, unknown>> {
  const { spec, plans, roles, enabled, expiresAt, description } = members
  const given = spec !== null && typeof spec === 'object' ? (spec as Record<string, unknown>) : {}
  return {
    ...given,
    ...optional('plans', listOf(plans)),
    ...optional('roles', listOf(roles)),
    ...optional('enabled', enabled === 'true' ? true : enabled === 'false' ? false : enabled),
    ...optional('expiresAt', expiresAt),
    ...optional('description', description),
    ...optional(
      'metadata',
      together(members, 'metadata', members['metadata'] ?? given['metadata']),
    ),
  }
}

type SayIssue = (path: string, message: string) => void

function credentialsOf(
  members: Given['members'],
  keys: KeyForm,
  issue: SayIssue,
): Readonly<Record<string, unknown>> | undefined {
  const { key, keyName = KEY_NAME, username, passwordHash, spec } = members
  const given =
    spec !== null && typeof spec === 'object' && 'credentials' in spec
      ? (spec.credentials as Readonly<Record<string, unknown>>)
      : undefined
  const made: Record<string, unknown> = { ...given }
  if (key !== undefined) {
    const stored = storedKey(key, keys, issue)
    const others = Array.isArray(made['keys']) ? (made['keys'] as unknown[]) : []
    made['keys'] = [...others, { name: keyName, ...stored }]
  }
  if ((username === undefined) !== (passwordHash === undefined))
    issue('username', 'goes with passwordHash')
  else if (username !== undefined) made['basic'] = [{ username, hash: passwordHash }]
  return Object.keys(made).length === 0 ? undefined : made
}

function storedKey(key: unknown, keys: KeyForm, issue: SayIssue): object {
  if (keys === 'generate') issue('key', 'is given, though keys are to be made: leave it out')
  if (keys === 'hashed') {
    if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key))
      issue('key', 'must be the hash of a key, 64 hex digits; --keys plain takes keys themselves')
    return { hash: key }
  }
  if (typeof key !== 'string' || key.length > API_KEY_CHARS_MAX) {
    issue('key', `must be text of 1 to ${API_KEY_CHARS_MAX} characters`)
    return {}
  }
  const hash = hashApiKey(key)
  return key.length < LAST_FOUR_CHARS_MIN ? { hash } : { hash, lastFour: key.slice(-4) }
}

function listOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  return value
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** An object and the members that stand beside it as `label.team`. */
function together(members: Given['members'], prefix: string, whole: unknown): unknown {
  const single = Object.entries(members).flatMap(([member, value]): [string, unknown][] => {
    const [, found, below = ''] = DOTTED.exec(member) ?? []
    return found === prefix ? [[below, value]] : []
  })
  if (single.length === 0) return whole
  return { ...(whole as object | undefined), ...Object.fromEntries(single) }
}

function optional(member: string, value: unknown): Readonly<Record<string, unknown>> {
  return value === undefined ? {} : { [member]: value }
}
