import { KIND_NAMES, kindOf, KINDS, type Kind } from '../shared/definitions/kinds.ts'
import { suggest } from '../shared/suggest.ts'
import { UsageError } from './failures.ts'

/** The kind that an argument names: `Api`, `api` or `apis`. Throws UsageError with a guess. */
export function readKind(text: string): Kind {
  const kind = kindOf(text)
  if (kind !== null) return kind
  const known = KIND_NAMES.flatMap((name) => [name.toLowerCase(), KINDS[name].plural])
  const meant = suggest(text, known)
  const hint = meant === null ? `one of ${KIND_NAMES.join(', ')} is` : `did you mean "${meant}"?`
  throw new UsageError(`unknown kind "${text}", ${meant === null ? `${hint} wanted` : hint}`)
}

/** The path of a kind's collection, or of one definition in it. */
export function definitionPath(kind: Kind, name?: string): string {
  const collection = `/v1/${KINDS[kind].plural}`
  return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`
}
