import { kindOf, secretPathsOf } from '../shared/definitions/kinds.ts'
import { fingerprintOf, isSealed, mapSecrets } from '../shared/definitions/secret-values.ts'
import { definitionKey } from '../shared/changes.ts'
import type { Comparable } from './plan.ts'

/** What is shown for a secret that the cluster does not have yet. */
const NEW_SECRET = { redacted: 'a new value' }

/** Whether a definition of a file holds a secret in plain text: only a node can tell whether it is the stored one. */
export function holdsPlainSecret({ kind, spec }: Comparable): boolean {
  let found = false
  mapSecrets(spec, pathsOf(kind), (value) => {
    found ||= typeof value === 'string'
    return value
  })
  return found
}

/**
 * Definitions of files as they may be compared and shown: a secret in plain text becomes what stands for it in the
 * cluster, a sealed one its fingerprint. Never the value.
 */
export function withoutSecrets(
  wanted: readonly Comparable[],
  standing: readonly Comparable[],
): readonly Comparable[] {
  const byKey = new Map(standing.map((each) => [definitionKey(each.kind, each.name), each]))
  return wanted.map((definition) => {
    const paths = pathsOf(definition.kind)
    if (paths.length === 0) return definition
    const stored = new Map<string, unknown>()
    const before = byKey.get(definitionKey(definition.kind, definition.name))
    mapSecrets(before?.spec, paths, (value, path) => {
      stored.set(path, value)
      return value
    })
    const spec = mapSecrets(definition.spec, paths, (value, path) => {
      if (typeof value === 'string') return stored.get(path) ?? NEW_SECRET
      return isSealed(value) ? { redacted: fingerprintOf(value) } : value
    })
    return { ...definition, spec }
  })
}

function pathsOf(text: string): ReturnType<typeof secretPathsOf> {
  const kind = kindOf(text)
  return kind === null ? [] : secretPathsOf(kind)
}
