import type { JwtOptions } from '../../shared/plugins/jwt.ts'
import { remoteKeys } from './jwks.ts'
import type { RemoteDocument } from './remote-document.ts'
import { keyOfJwk, keyOfPem, keyOfSecret, type TokenKey } from './token-keys.ts'
import type { TokenParts } from './token-identity.ts'

/** Keys, or why there are none: they cannot be had now, or what they are made of is missing. */
export type FoundKeys = readonly TokenKey[] | 'unavailable' | 'unusable'

/** Where keys come from. */
export type KeySource = {
  /** Issuers whose tokens they are for; null: any. */
  readonly issuers: readonly string[] | null
  /** They are secrets, for HS algorithms. */
  readonly isShared: boolean
  readonly find: () => FoundKeys | Promise<FoundKeys>
  /** Keys that were made since; null where none can be. */
  readonly findNewer: (() => Promise<FoundKeys>) | null
  /** What is looked up elsewhere; null for keys that are here. */
  readonly document: RemoteDocument<readonly TokenKey[]> | null
}

const HOUR_SECONDS = 3_600

/** The sources of the options, in their order. */
export function keySources(
  { keys, issuers }: Pick<JwtOptions, 'keys' | 'issuers'>,
  parts: TokenParts,
): readonly KeySource[] {
  return keys.map((spec) => {
    const of = spec.issuer === undefined ? (issuers ?? null) : [spec.issuer]
    if ('jwks' in spec) {
      const { jwks: url, cacheSeconds = 600, staleSeconds = 24 * HOUR_SECONDS } = spec
      const { timeoutMs = 5_000 } = spec
      const times = { cacheMs: cacheSeconds * 1_000, staleMs: staleSeconds * 1_000, timeoutMs }
      return remoteSource(remoteKeys({ url, ...times }, parts), of)
    }
    if ('secret' in spec) return sharedSource(spec, of, parts)
    const key = 'pem' in spec ? keyOfPem(spec.pem, spec.kid) : keyOfJwk(spec.jwk)
    const known = key === null ? [] : [key]
    return { issuers: of, isShared: false, find: () => known, findNewer: null, document: null }
  })
}

/** Keys that are looked up. */
export function remoteSource(
  document: RemoteDocument<readonly TokenKey[]>,
  issuers: readonly string[] | null,
): KeySource {
  return {
    issuers,
    isShared: false,
    find: async () => (await document.get()) ?? 'unavailable',
    findNewer: async () => (await document.getNewer()) ?? 'unavailable',
    document,
  }
}

function sharedSource(
  { secret, encoding = 'utf8', kid }: Extract<JwtOptions['keys'][number], { secret: string }>,
  issuers: readonly string[] | null,
  { secrets }: TokenParts,
): KeySource {
  let version = -1
  let found: FoundKeys = 'unusable'
  return {
    issuers,
    isShared: true,
    find: () => {
      if (version === secrets.version) return found
      version = secrets.version
      const text = secrets.get(secret)
      const key = text === null ? null : keyOfSecret(text, encoding, kid)
      found = key === null ? 'unusable' : [key]
      return found
    },
    findNewer: null,
    document: null,
  }
}
