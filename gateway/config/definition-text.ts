import { definitionKey } from '../../shared/changes.ts'
import type { Kind } from '../../shared/definitions/kinds.ts'

/** A definition's name among all kinds. The kind may be one that this version does not know. */
export type DefinitionName = { readonly kind: Kind; readonly name: string }

// The canonical text of a definition begins so; kinds and names have no character that JSON would escape.
const HEAD = /^\{"kind":"([A-Za-z]{1,64})","name":"([a-z0-9.-]{1,64})"/

/** Kind and name of a definition's text without parsing all of it; null if it is not the text of one. */
export function nameOfText(text: string): DefinitionName | null {
  const head = HEAD.exec(text)
  if (head !== null) return named(head[1], head[2])
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return null
    const { kind, name } = value as Readonly<Record<string, unknown>>
    return typeof kind === 'string' && typeof name === 'string' ? named(kind, name) : null
  } catch {
    return null
  }
}

/** The key of a name. */
export function keyOf(name: DefinitionName): string {
  return definitionKey(name.kind, name.name)
}

/** The name that a key stands for. */
export function nameOfKey(key: string): DefinitionName {
  const slash = key.indexOf('/')
  return named(key.slice(0, slash), key.slice(slash + 1))
}

function named(kind = '', name = ''): DefinitionName {
  // A newer control plane may have kinds that are not known here. They are carried, hashed and reported like others.
  return { kind: kind as Kind, name }
}
