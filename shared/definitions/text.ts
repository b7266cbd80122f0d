import { DEFINITION_TEXTS_CHARS_KEPT } from '../limits.ts'
import type { Definition } from './kinds.ts'

/** Texts by their definition: the newer half, and the half before it, which goes when the newer one is full. */
let newer = new Map<Definition, string>()
let older = new Map<Definition, string>()
let newerChars = 0

/**
 * The exact text of a definition, on one line: what is hashed, what watchers get and what the disk holds. Each of those
 * asks for it within moments of the others, so that the newest texts are remembered: a definition is encoded once.
 * It must not change, as nothing that was applied does.
 */
export function definitionText(definition: Definition): string {
  const known = newer.get(definition) ?? older.get(definition)
  if (known !== undefined) return known
  const text = JSON.stringify(definition)
  newer.set(definition, text)
  newerChars += text.length
  if (newerChars > DEFINITION_TEXTS_CHARS_KEPT / 2) {
    older = newer
    newer = new Map()
    newerChars = 0
  }
  return text
}
