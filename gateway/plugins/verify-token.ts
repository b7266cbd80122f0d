import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyOptions } from 'jose'
import { TOKEN_KEYS_TRIED_MAX } from '../../shared/limits.ts'
import { secondsOf, type Claims } from './claims.ts'
import { isKeyFor, type TokenKey } from './token-keys.ts'
import type { FoundKeys, KeySource } from './token-sources.ts'

/** What a token must be. */
export type TokenRules = {
  /** Null: every one that the kind of a key is for. */
  readonly algorithms: ReadonlySet<string> | null
  readonly audiences: readonly string[] | null
  readonly skewSeconds: number
  readonly maxAgeSeconds: number | null
  readonly needsExpiry: boolean
  /** `typ` of its header; null: any. */
  readonly type: string | null
}

/** What became of a token. */
export type Verified =
  | { readonly type: 'good'; readonly claims: Claims }
  /** `unavailable`: the keys cannot be had now. `unusable`: a Secret that it may have been made with is missing. */
  | { readonly type: 'expired' | 'invalid' | 'unavailable' | 'unusable' }

const INVALID: Verified = { type: 'invalid' }

type Wanted = { readonly alg: string; readonly kid: string | null }

/**
 * Checks the signature of a token with the keys that its issuer may have, and then what it says of itself (RFC 7519 7.2,
 * RFC 8725). Never rejects because of a token.
 */
export async function verifyToken(
  token: string,
  sources: readonly KeySource[],
  { rules, nowMs }: { readonly rules: TokenRules; readonly nowMs: number },
): Promise<Verified> {
  const read = readUnverified(token)
  if (read === null) return INVALID
  const { alg, issuer } = read
  if (alg === 'none' || rules.algorithms?.has(alg) === false) return INVALID
  let failure: 'invalid' | 'unavailable' | 'unusable' = 'invalid'
  for (const source of sources) {
    if (source.isShared !== alg.startsWith('HS')) continue
    if (source.issuers !== null && (issuer === null || !source.issuers.includes(issuer))) continue
    const keys = await keysFor(source, read)
    if (typeof keys === 'string') {
      failure = keys
      continue
    }
    const options = verifyOptions(source, rules, { alg, nowMs })
    for (const { key } of keys) {
      const verified = await tryKey(token, key, options)
      if (verified === null) continue
      return verified.type === 'good' ? checkedAge(verified, rules, nowMs) : verified
    }
  }
  return { type: failure }
}

/** What a token says before anything of it is believed: enough to find its key. */
function readUnverified(token: string): (Wanted & { readonly issuer: string | null }) | null {
  try {
    const { alg, kid } = decodeProtectedHeader(token)
    if (typeof alg !== 'string') return null
    const { iss } = decodeJwt(token)
    return {
      alg,
      kid: typeof kid === 'string' ? kid : null,
      issuer: typeof iss === 'string' ? iss : null,
    }
  } catch {
    return null
  }
}

async function keysFor(
  source: KeySource,
  wanted: Wanted,
): Promise<readonly TokenKey[] | 'unavailable' | 'unusable'> {
  const found = select(await source.find(), wanted)
  if (source.findNewer === null || typeof found === 'string' || found.length > 0) return found
  return select(await source.findNewer(), wanted)
}

function select(found: FoundKeys, { alg, kid }: Wanted): FoundKeys {
  if (typeof found === 'string') return found
  const isCandidate = (key: TokenKey): boolean =>
    isKeyFor(key, alg) && (kid === null || key.kid === null || key.kid === kid)
  return found.filter(isCandidate).slice(0, TOKEN_KEYS_TRIED_MAX)
}

function verifyOptions(
  { issuers }: KeySource,
  { audiences, skewSeconds, maxAgeSeconds, needsExpiry, type }: TokenRules,
  { alg, nowMs }: { readonly alg: string; readonly nowMs: number },
): JWTVerifyOptions {
  return {
    algorithms: [alg],
    currentDate: new Date(nowMs),
    clockTolerance: skewSeconds,
    requiredClaims: needsExpiry ? ['exp'] : [],
    ...(issuers === null ? {} : { issuer: [...issuers] }),
    ...(audiences === null ? {} : { audience: [...audiences] }),
    ...(maxAgeSeconds === null ? {} : { maxTokenAge: maxAgeSeconds }),
    ...(type === null ? {} : { typ: type }),
  }
}

/** Null when the signature is not that of this key: another one may do. */
async function tryKey(
  token: string,
  key: TokenKey['key'],
  options: JWTVerifyOptions,
): Promise<Verified | null> {
  try {
    const { payload } = await jwtVerify(token, key, options)
    return { type: 'good', claims: payload }
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return null
    return error instanceof errors.JWTExpired ? { type: 'expired' } : INVALID
  }
}

/** A token that was made in the future was made by a clock, or somebody, that is not to be believed. */
function checkedAge(
  verified: Extract<Verified, { type: 'good' }>,
  { skewSeconds }: TokenRules,
  nowMs: number,
): Verified {
  const madeAt = secondsOf(verified.claims['iat'])
  return madeAt !== null && madeAt > nowMs / 1_000 + skewSeconds ? INVALID : verified
}
