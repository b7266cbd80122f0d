import { randomBytes } from 'node:crypto'
import { formatToken, TOKEN_SECRET_BYTES } from '../shared/token-text.ts'
import { openAuthority } from './cluster/authority.ts'

/**
 * Makes the token that nodes found a cluster with: the secret is what its authority is derived from, so whoever has it can
 * issue any certificate of that cluster. No node is asked, and nothing is kept.
 */
export async function makeFoundingToken(): Promise<string> {
  const seed = randomBytes(TOKEN_SECRET_BYTES)
  const { fingerprint } = await openAuthority(seed)
  const secret = seed.toString('base64url')
  return formatToken({ letter: 'f', name: 'founding', secret, fingerprint })
}
