import {
  secretPathsOf,
  type Definition,
  type DefinitionInput,
} from '../../shared/definitions/kinds.ts'
import {
  keyIdOf,
  openSecret,
  sealSecret,
  type SealKeys,
  type SecretPlace,
} from '../../shared/definitions/seal.ts'
import {
  fingerprintOf,
  isRedacted,
  isSealed,
  mapSecrets,
} from '../../shared/definitions/secret-values.ts'
import type { Issue } from '../../shared/errors.ts'

/** A definition with its secrets sealed, or why they cannot be. Nothing of a secret is ever in an issue. */
export type SealedDefinition =
  | { readonly ok: true; readonly definition: DefinitionInput }
  | {
      readonly ok: false
      readonly issues: readonly Issue[]
      /** A key is missing here: the definition may be right. */
      readonly isKeyMissing: boolean
    }

/** Whether a definition is of a kind that holds secrets. */
export function mayHoldSecrets({ kind }: Pick<DefinitionInput, 'kind'>): boolean {
  return secretPathsOf(kind).length > 0
}

/** Whether some secret of it is a redacted one, which stands for what is stored. */
export function holdsRedacted({ kind, spec }: DefinitionInput): boolean {
  let found = false
  mapSecrets(spec, secretPathsOf(kind), (value) => {
    found ||= isRedacted(value)
    return value
  })
  return found
}

/**
 * Seals what is plain with the first key. What is sealed already must open here, or be what stands: a sealed value that
 * belongs elsewhere would be found out only when it is used. A redacted one becomes the stored value that it stands
 * for. Issue paths begin at the definition.
 */
export function sealDefinition(
  input: DefinitionInput,
  { keys, standing }: { readonly keys: SealKeys; readonly standing: Definition | undefined },
): SealedDefinition {
  const stored = storedSecrets(standing)
  const issues: Issue[] = []
  let isKeyMissing = false
  const missing = (path: string, message: string, value: unknown): unknown => {
    isKeyMissing = true
    issues.push({ path, message })
    return value
  }
  const spec = mapSecrets(input.spec, secretPathsOf(input.kind), (value, path) => {
    const place: SecretPlace = { kind: input.kind, name: input.name, path }
    const before = stored.get(path)
    if (typeof value === 'string') {
      const [key] = keys
      if (key !== undefined) return { sealed: sealSecret(key, place, value) }
      return missing(path, 'cannot be sealed: this node was started without --seal-key', null)
    }
    if (isRedacted(value)) {
      if (before !== undefined && fingerprintOf({ sealed: before }) === value.redacted) {
        return { sealed: before }
      }
      issues.push({ path, message: 'stands for another value than is stored: give the value' })
      return null
    }
    if (!isSealed(value) || value.sealed === before) return value
    const opened = openSecret(keys, place, value.sealed)
    if (opened.ok) return value
    if (opened.reason === 'no-key')
      return missing(
        path,
        `was sealed with key ${opened.keyId}, which this node does not have`,
        null,
      )
    issues.push({ path, message: 'was sealed for another place, or is damaged' })
    return null
  })
  if (issues.length > 0) return { ok: false, issues, isKeyMissing }
  // Each secret has become another form of the same secret.
  return { ok: true, definition: { ...input, spec } as DefinitionInput }
}

/**
 * The definition with every secret sealed with the first key; null when nothing was to be done. A secret that cannot be
 * opened is an issue.
 */
export function resealDefinition(definition: Definition, keys: SealKeys): SealedDefinition | null {
  const [newest] = keys
  const issues: Issue[] = []
  let isKeyMissing = newest === undefined
  const { kind, name } = definition
  const spec = mapSecrets(definition.spec, secretPathsOf(kind), (value, path) => {
    if (!isSealed(value) || newest === undefined || keyIdOf(value.sealed) === newest.id)
      return value
    const place = { kind, name, path }
    const opened = openSecret(keys, place, value.sealed)
    if (opened.ok) return { sealed: sealSecret(newest, place, opened.value) }
    isKeyMissing ||= opened.reason === 'no-key'
    const why = opened.reason === 'no-key' ? 'which this node does not have' : 'but is damaged'
    issues.push({ path, message: `was sealed with key ${opened.keyId}, ${why}` })
    return value
  })
  if (issues.length > 0) return { ok: false, issues, isKeyMissing }
  if (spec === definition.spec) return null
  const { revision: _revision, createdRevision: _created, ...input } = { ...definition, spec }
  // Each secret has become another form of the same secret.
  return { ok: true, definition: input as DefinitionInput }
}

function storedSecrets(definition: Definition | undefined): ReadonlyMap<string, string> {
  const stored = new Map<string, string>()
  if (definition === undefined) return stored
  mapSecrets(definition.spec, secretPathsOf(definition.kind), (value, path) => {
    if (isSealed(value)) stored.set(path, value.sealed)
    return value
  })
  return stored
}
