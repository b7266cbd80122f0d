import { REMOTE_DOCUMENTS_MAX } from '../../shared/limits.ts'
import { RemoteDocument, type DocumentOptions } from './remote-document.ts'
import { areSameKeys, keysOfSet, type TokenKey } from './token-keys.ts'
import type { TokenParts } from './token-identity.ts'

type KeySet = RemoteDocument<readonly TokenKey[]>

/** Of each worker: its sets outlive the definitions that ask for them, and are shared by all that ask for the same. */
const SETS = new WeakMap<TokenParts, Map<string, KeySet>>()

/** The public keys that stand at a URL as a JWK set (RFC 7517 5). */
export function remoteKeys(options: DocumentOptions, parts: TokenParts): KeySet {
  let sets = SETS.get(parts)
  if (sets === undefined) {
    sets = new Map()
    SETS.set(parts, sets)
  }
  const key = JSON.stringify([options.url, options.cacheMs, options.staleMs, options.timeoutMs])
  const known = sets.get(key)
  if (known !== undefined) return known
  // Plugins go on with those that they have.
  if (sets.size >= REMOTE_DOCUMENTS_MAX) sets.clear()
  const { epochMs } = parts
  const set = new RemoteDocument({ options, load: loadKeys, isSame: areSameKeys, epochMs })
  sets.set(key, set)
  return set
}

async function loadKeys({ url, timeoutMs }: DocumentOptions): Promise<readonly TokenKey[]> {
  // An HTTP client is loaded where there is something to ask for.
  const { callJson } = await import('./remote-json.ts')
  const { status, body } = await callJson({ url, timeoutMs })
  if (status !== 200) throw new Error(`status ${status}`)
  return keysOfSet(body)
}
