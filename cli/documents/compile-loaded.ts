import { definitionKey } from '../../shared/changes.ts'
import { withRevision } from '../../shared/definitions/parse.ts'
import { compileTable, type RoutingTable } from '../../shared/routing/table.ts'
import { InvalidInput } from '../failures.ts'
import type { LoadedDefinition } from './load-definitions.ts'

/**
 * The routing table that a gateway would make of these definitions and no others. Throws InvalidInput with every
 * issue and its place: references to nothing, routes that can never be reached, expressions that do not compile.
 */
export function compileLoaded(loaded: readonly LoadedDefinition[]): RoutingTable {
  const numbers = { revision: 1, createdRevision: 1 }
  const compiled = compileTable(loaded.map(({ definition }) => withRevision(definition, numbers)))
  if (compiled.ok) return compiled.table
  const byKey = new Map(
    loaded.map((item) => [definitionKey(item.definition.kind, item.definition.name), item]),
  )
  throw new InvalidInput(
    compiled.issues.map(({ kind, name, path, message }) => {
      const key = definitionKey(kind, name)
      const place = byKey.get(key)?.place(path) ?? key
      return { place, path, message }
    }),
  )
}
