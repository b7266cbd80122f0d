import { secretPathsOf, type Definition } from './kinds.ts'
import { fingerprintOf, isSealed, mapSecrets } from './secret-values.ts'

/** What stands for a secret that was never sealed: no such value is ever stored. */
const UNSEALED = { redacted: '0'.repeat(32) }

/** The definition as it may be shown to anybody: the same object if it holds no secret. */
export function redact<T extends Pick<Definition, 'kind' | 'spec'>>(definition: T): T {
  const paths = secretPathsOf(definition.kind)
  if (paths.length === 0) return definition
  const spec = mapSecrets(definition.spec, paths, (value) =>
    isSealed(value) ? { redacted: fingerprintOf(value) } : UNSEALED,
  )
  return { ...definition, spec }
}
