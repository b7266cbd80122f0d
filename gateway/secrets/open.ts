import { openSecret, type SealKeys, type SecretPlace } from '../../shared/definitions/seal.ts'
import { isSealed } from '../../shared/definitions/secret-values.ts'

/**
 * The text of a secret as a definition has it: sealed, or as it is in a directory of definitions. Throws, in words that
 * say nothing of it, when it cannot be had.
 */
export function openedText(keys: SealKeys, place: SecretPlace, value: unknown): string {
  if (typeof value === 'string') return value
  const what = place.kind === 'Certificate' ? 'key' : 'secret'
  if (!isSealed(value)) throw new Error(`the ${what} is shown, not given: it was redacted`)
  const opened = openSecret(keys, place, value.sealed)
  if (opened.ok) return opened.value
  if (opened.reason === 'damaged') throw new Error(`the sealed ${what} is damaged`)
  throw new Error(`the ${what} was sealed with ${opened.keyId}, which --seal-key does not have`)
}
