import { definitionKey } from '../changes.ts'
import { SUGGESTION_NAMES_MAX } from '../limits.ts'
import { suggest } from '../suggest.ts'
import type { RoutingTable } from './draft.ts'
import { valuesOf } from './hash-map.ts'

/** The end of a message about an Upstream that is not there: which one may have been meant; empty when none. */
export function guessUpstream(table: RoutingTable, name: string): string {
  const prefix = definitionKey('Upstream', '')
  const known: string[] = []
  for (const { key } of valuesOf(table.upstreams)) {
    known.push(key.slice(prefix.length))
    if (known.length === SUGGESTION_NAMES_MAX) break
  }
  const meant = suggest(name, known)
  return meant === null ? '' : `, did you mean "${meant}"?`
}
