import { SESSION_REFRESH_MS_BEFORE } from '../../shared/limits.ts'
import type { OidcOptions } from '../../shared/plugins/oidc.ts'
import type { Claims } from './claims.ts'
import type { Granted, ProviderClient } from './oidc-provider.ts'

/** Somebody who has logged in. Kept in cookies of their browser alone. Moments in milliseconds since 1970. */
export type Session = {
  /** What the ID token says of them. */
  readonly claims: Claims
  readonly endsAtMs: number
  /** When the tokens of the provider end; never where they cannot be refreshed. */
  readonly tokensEndAtMs: number
  /** When to ask for others; null: there is nothing to ask with. */
  readonly refreshAtMs: number | null
  readonly refreshToken: string | null
}

const SESSION_SECONDS_DEFAULT = 28_800
/** Where the provider does not say how long its tokens are good. */
const TOKEN_SECONDS_DEFAULT = 300

/** Of an ID token, what concerns that token and not the person. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'aud',
  'azp',
  'nonce',
  'iat',
  'exp',
  'nbf',
  'jti',
  'at_hash',
  'c_hash',
  's_hash',
])

/** The session that begins with a grant. */
export function sessionOf(
  granted: Granted & { readonly claims: Claims },
  { sessionSeconds = SESSION_SECONDS_DEFAULT }: Pick<OidcOptions, 'sessionSeconds'>,
  nowMs: number,
): Session {
  const { claims, refreshToken } = granted
  const kept = Object.entries(claims).filter(([name]) => !NOT_KEPT.has(name))
  return {
    claims: Object.fromEntries(kept),
    endsAtMs: nowMs + sessionSeconds * 1_000,
    ...tokenTimes(granted, refreshToken, nowMs),
    refreshToken,
  }
}

/** The session after its tokens were refreshed, which ends no later; or why there is none. */
export async function refreshed(
  session: Session,
  client: ProviderClient,
  epochMs: () => number,
): Promise<Session | 'refused' | 'unavailable'> {
  const before = session.refreshToken ?? ''
  const granted = await client.grant({ grant_type: 'refresh_token', refresh_token: before })
  if (typeof granted === 'string') return granted
  const { claims } = granted
  // OpenID Connect Core 12.2: nobody becomes somebody else.
  if (claims !== null && claims['sub'] !== session.claims['sub']) return 'refused'
  const refreshToken = granted.refreshToken ?? before
  const kept =
    claims === null
      ? session.claims
      : Object.fromEntries(Object.entries(claims).filter(([name]) => !NOT_KEPT.has(name)))
  return {
    claims: kept,
    endsAtMs: session.endsAtMs,
    ...tokenTimes(granted, refreshToken, epochMs()),
    refreshToken,
  }
}

function tokenTimes(
  { seconds }: Pick<Granted, 'seconds'>,
  refreshToken: string | null,
  nowMs: number,
): Pick<Session, 'tokensEndAtMs' | 'refreshAtMs'> {
  const lifeMs = Math.max(1, seconds ?? TOKEN_SECONDS_DEFAULT) * 1_000
  const tokensEndAtMs = nowMs + lifeMs
  if (refreshToken === null) return { tokensEndAtMs, refreshAtMs: null }
  // Of tokens that live shortly, half of their life is used.
  return {
    tokensEndAtMs,
    refreshAtMs: tokensEndAtMs - Math.min(SESSION_REFRESH_MS_BEFORE, lifeMs / 2),
  }
}
