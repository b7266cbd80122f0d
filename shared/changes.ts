import type { Definition, Kind } from './definitions/kinds.ts'

/** One step of the config: a definition written, or one taken away. */
export type DefinitionChange =
  | { readonly op: 'put'; readonly definition: Definition }
  | { readonly op: 'delete'; readonly kind: Kind; readonly name: string }

/** The key of a definition among all kinds. */
export function definitionKey(kind: string, name: string): string {
  return `${kind}/${name}`
}
