import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { REMOTE_KEYS_MAX, SHARED_KEY_BYTES_MIN } from '../../shared/limits.ts'

/** A key that tokens are checked with. */
export type TokenKey = {
  readonly kid: string | null
  /** The only algorithm that it is for; null: any of its kind. */
  readonly algorithm: string | null
  readonly key: KeyObject
}

/** The key of a PEM: a public key, or the one of a certificate. */
export function keyOfPem(pem: string, kid: string | undefined): TokenKey {
  return { kid: kid ?? null, algorithm: null, key: createPublicKey(pem) }
}

/** The key of a text that both sides know; null when it is too short to be one. */
export function keyOfSecret(
  text: string,
  encoding: 'utf8' | 'base64' | 'hex',
  kid: string | undefined,
): TokenKey | null {
  const bytes = Buffer.from(text, encoding)
  if (bytes.length < SHARED_KEY_BYTES_MIN) return null
  return { kid: kid ?? null, algorithm: null, key: createSecretKey(bytes) }
}

/**
 * The public key of a JWK (RFC 7517); null for what is none, or is not for signatures. A symmetric key never comes this way:
 * what everybody can read must not be able to sign.
 */
export function keyOfJwk(jwk: unknown): TokenKey | null {
  if (jwk === null || typeof jwk !== 'object') return null
  const { kty, use, key_ops: operations, kid, alg, d } = jwk as Readonly<Record<string, unknown>>
  if (kty === 'oct' || d !== undefined) return null
  if (use !== undefined && use !== 'sig') return null
  if (Array.isArray(operations) && !operations.includes('verify')) return null
  try {
    return {
      kid: typeof kid === 'string' ? kid : null,
      algorithm: typeof alg === 'string' ? alg : null,
      key: createPublicKey({ key: { ...jwk }, format: 'jwk' }),
    }
  } catch {
    return null
  }
}

/** The keys of a JWK set that can be used; throws for what is no set. */
export function keysOfSet(set: unknown): readonly TokenKey[] {
  const keys = set === null || typeof set !== 'object' || !('keys' in set) ? null : set.keys
  if (!Array.isArray(keys)) throw new Error('no JWK set')
  return keys
    .slice(0, REMOTE_KEYS_MAX)
    .map(keyOfJwk)
    .filter((key) => key !== null)
}

/** Whether two lists have the same keys in the same order. */
export function areSameKeys(a: readonly TokenKey[], b: readonly TokenKey[]): boolean {
  return (
    a.length === b.length &&
    a.every((key, at) => {
      const other = b[at]
      if (other === undefined) return false
      return key.kid === other.kid && key.algorithm === other.algorithm && key.key.equals(other.key)
    })
  )
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
}

/**
 * Whether a key is for an algorithm, by what kind of key it is and never by what a token says: a public key is no secret
 * that an HS signature could be made with (RFC 8725 2.1).
 */
export function isKeyFor({ key, algorithm }: TokenKey, wanted: string): boolean {
  if (algorithm !== null && algorithm !== wanted) return false
  if (key.type === 'secret') return wanted.startsWith('HS')
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') return /^[RP]S(256|384|512)$/.test(wanted)
  if (type === 'ec') return CURVES[wanted] !== undefined && CURVES[wanted] === details?.namedCurve
  return type === 'ed25519' && (wanted === 'EdDSA' || wanted === 'Ed25519')
}
