import { hash } from 'node:crypto'

// Apart from the schemas of secrets, which gateways do without.

/** A secret at rest: the id of its key, and the sealed bytes. */
type Sealed = { readonly sealed: string }

/** A secret where it is shown: enough to tell whether it is the same one, nothing to guess it by. */
type Redacted = { readonly redacted: string }

/** Where a secret stands in its kind: members below `spec`, `*` for every element or member. */
export type SecretPath = readonly string[]

/** What a redacted secret shows: the same for the same sealed bytes. It tells nothing of the value without the key. */
export function fingerprintOf({ sealed }: Sealed): string {
  return hash('sha256', sealed, 'hex').slice(0, 32)
}

export function isSealed(value: unknown): value is Sealed {
  return hasText(value, 'sealed')
}

export function isRedacted(value: unknown): value is Redacted {
  return hasText(value, 'redacted')
}

/**
 * `spec` with every secret replaced by what `change` makes of it; the same object when none is there or none changes.
 * `path` is the dotted path from the definition on: `spec.value`.
 */
export function mapSecrets(
  spec: unknown,
  paths: readonly SecretPath[],
  change: (value: unknown, path: string) => unknown,
): unknown {
  let mapped = spec
  for (const path of paths) mapped = mapAt(mapped, { path, at: 0, place: 'spec' }, change)
  return mapped
}

type Walk = { readonly path: SecretPath; readonly at: number; readonly place: string }

function mapAt(
  value: unknown,
  { path, at, place }: Walk,
  change: (value: unknown, path: string) => unknown,
): unknown {
  const step = path[at]
  if (step === undefined) return change(value, place)
  if (value === null || typeof value !== 'object') return value
  const members = value as Readonly<Record<string, unknown>>
  const names = step === '*' ? Object.keys(members) : Object.hasOwn(members, step) ? [step] : []
  let copy: Record<string, unknown> | undefined
  for (const name of names) {
    const before = members[name]
    const after = mapAt(before, { path, at: at + 1, place: `${place}.${name}` }, change)
    if (after === before) continue
    // Of an array, its own names are the places of its elements.
    copy ??= Object.assign(Array.isArray(value) ? [] : {}, members) as Record<string, unknown>
    copy[name] = after
  }
  return copy ?? value
}

function hasText(value: unknown, member: string): boolean {
  if (value === null || typeof value !== 'object') return false
  return typeof (value as Readonly<Record<string, unknown>>)[member] === 'string'
}
