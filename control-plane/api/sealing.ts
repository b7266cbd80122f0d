import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import { RaftwayError, type Issue } from '../../shared/errors.ts'
import { ISSUES_MAX } from '../../shared/limits.ts'
import {
  holdsRedacted,
  mayHoldSecrets,
  sealDefinition,
  type SealedDefinition,
} from '../access/seal-definition.ts'
import type { ApiContext } from './context.ts'

/**
 * Seals the secrets of definitions before they are proposed, on the node that leads; those without secrets are the same
 * objects after. INVALID_DEFINITION, SEAL_KEY_MISSING with every issue at the place that `placeOf` gives.
 */
export async function sealAll(
  api: Pick<ApiContext, 'plane' | 'bounds' | 'sealKeys'>,
  definitions: readonly DefinitionInput[],
  placeOf: (at: number) => string,
): Promise<DefinitionInput[]> {
  // What a redacted secret stands for must be the newest: a leader just elected may not have applied it yet.
  if (definitions.some((each) => mayHoldSecrets(each) && holdsRedacted(each))) {
    await api.plane.readBarrier(api.bounds.catchUpMs)
  }
  const issues: Issue[] = []
  let isKeyMissing = false
  const sealed = definitions.map((definition, at) => {
    if (!mayHoldSecrets(definition)) return definition
    const standing = api.plane.state.get(definition.kind, definition.name)
    const result = sealDefinition(definition, { keys: api.sealKeys, standing })
    if (result.ok) return result.definition
    isKeyMissing ||= result.isKeyMissing
    issues.push(...placed(result, placeOf(at)))
    return definition
  })
  if (issues.length > 0) throw sealingFailed(issues, isKeyMissing)
  return sealed
}

/** Issues of a definition at its place in a request. */
export function placed(
  result: Extract<SealedDefinition, { ok: false }>,
  place: string,
): readonly Issue[] {
  return result.issues.map(({ path, message }) => ({
    path: place === '' ? path : `${place}.${path}`,
    message,
  }))
}

/** The refusal of secrets that cannot be sealed. */
export function sealingFailed(issues: readonly Issue[], isKeyMissing: boolean): RaftwayError {
  const [first] = issues
  const where = first === undefined ? '' : `: ${first.path} ${first.message}`
  const code = isKeyMissing ? 'SEAL_KEY_MISSING' : 'INVALID_DEFINITION'
  return new RaftwayError(code, `A secret cannot be stored${where}.`, {
    issues: issues.slice(0, ISSUES_MAX),
  })
}
