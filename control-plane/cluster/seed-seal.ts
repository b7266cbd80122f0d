import { openSecret, sealSecret, type SealKeys } from '../../shared/definitions/seal.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { SeedSeal } from './credential-files.ts'

/** Where the seed stands, as a seal has it. */
const PLACE = { kind: 'Node', name: 'authority', path: 'seed' } as const

/**
 * Keeps the authority's seed under the seal keys of the node; without keys, as it is. What was kept without them is read
 * with them as well, and sealed when it is written next: at every start. SEAL_KEY_MISSING.
 */
export function seedSeal(keys: SealKeys): SeedSeal {
  const [first] = keys
  return {
    seal(secret) {
      const text = Buffer.from(secret).toString('base64url')
      return first === undefined ? text : sealSecret(first, PLACE, text)
    },
    unseal(text) {
      if (!text.includes('.')) return Buffer.from(text, 'base64url')
      const opened = openSecret(keys, PLACE, text)
      if (opened.ok) return Buffer.from(opened.value, 'base64url')
      if (opened.reason === 'damaged') return new Uint8Array(0)
      const detail = `the cluster authority of this node is sealed with key ${opened.keyId}: give that key with --seal-key`
      throw new RaftwayError('SEAL_KEY_MISSING', detail)
    },
  }
}
