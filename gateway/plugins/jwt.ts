import { KNOWN_TOKEN_MS_MAX } from '../../shared/limits.ts'
import type { JwtOptions } from '../../shared/plugins/jwt.ts'
import { Identity } from '../consumers/identity.ts'
import type { Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { TOKEN_REPLIES, tokenPlaces } from './bearer.ts'
import { secondsOf, type Claims } from './claims.ts'
import { KnownTokens, tokenHash } from './known-tokens.ts'
import type { Authenticator } from './plugin.ts'
import { identifier, type TokenParts } from './token-identity.ts'
import { keySources } from './token-sources.ts'
import type { TokenRules } from './verify-token.ts'

const SKEW_SECONDS_DEFAULT = 30

/** Which tokens are for this plugin. */
export type TokenTaste = {
  /** A token that is no JWT is somebody else's. */
  readonly leavesOpaque: boolean
}

/** Knows callers by a token that an issuer has signed. */
export function jwt(
  options: JwtOptions,
  parts: TokenParts,
  { leavesOpaque }: TokenTaste,
): Authenticator {
  const { consumers, secrets, epochMs } = parts
  const places = tokenPlaces(options)
  const sources = keySources(options, parts)
  const documents = sources.flatMap(({ document }) => (document === null ? [] : [document]))
  const known = new KnownTokens(identifier(options, consumers), consumers)
  const revoked = new Set(options.revoked)
  const rules = rulesOf(options)
  let stamp = -1

  /** Grows with whatever tokens were found good by; asking for it has old keys looked up. */
  function currentStamp(): number {
    let sum = secrets.version
    for (const document of documents) {
      document.keepFresh()
      sum += document.version
    }
    return sum
  }

  function authenticate(
    context: RequestContext,
  ): Identity | Reply | null | Promise<Identity | Reply> {
    const token = places.find(context.exchange)
    if (token === null) return null
    if (!isCompact(token)) return leavesOpaque ? null : TOKEN_REPLIES.invalid
    const now = currentStamp()
    if (now !== stamp) {
      known.clear()
      stamp = now
    }
    const hashed = tokenHash(token)
    const found = known.find(hashed, epochMs())
    return found === null ? verify(context, token, hashed) : admitted(context, found)
  }

  async function verify(
    context: RequestContext,
    token: string,
    hashed: string,
  ): Promise<Identity | Reply> {
    const before = currentStamp()
    // The library is loaded with the first token that somebody shows.
    const { verifyToken } = await import('./verify-token.ts')
    const nowMs = epochMs()
    const verified = await verifyToken(token, sources, { rules, nowMs })
    if (verified.type !== 'good') return TOKEN_REPLIES[verified.type]
    const { claims } = verified
    if (typeof claims['jti'] === 'string' && revoked.has(claims['jti'])) {
      return TOKEN_REPLIES.revoked
    }
    // What changed meanwhile may be the very key that it was checked with.
    const untilMs = before === currentStamp() ? goodUntilMs(claims, rules, nowMs) : nowMs
    return admitted(context, known.keep(hashed, { claims, untilMs, chars: token.length }))
  }

  function admitted(context: RequestContext, result: Identity | Reply): Identity | Reply {
    if (result instanceof Identity) places.strip(context)
    return result
  }

  return { authenticate, missing: TOKEN_REPLIES.missing }
}

function rulesOf(options: JwtOptions): TokenRules {
  return {
    algorithms: options.algorithms === undefined ? null : new Set(options.algorithms),
    audiences: options.audiences ?? null,
    skewSeconds: options.skewSeconds ?? SKEW_SECONDS_DEFAULT,
    maxAgeSeconds: options.maxAgeSeconds ?? null,
    needsExpiry: options.requireExpiry !== false,
    type: options.type ?? null,
  }
}

/** Until when a token need not be looked at again: what it says of its end, or what the rules make of its beginning. */
function goodUntilMs(
  claims: Claims,
  { skewSeconds, maxAgeSeconds }: TokenRules,
  nowMs: number,
): number {
  const expiry = secondsOf(claims['exp'])
  const madeAt = secondsOf(claims['iat'])
  const endMs = expiry === null ? nowMs + KNOWN_TOKEN_MS_MAX : (expiry + skewSeconds) * 1_000
  if (maxAgeSeconds === null || madeAt === null) return endMs
  return Math.min(endMs, (madeAt + maxAgeSeconds + skewSeconds) * 1_000)
}

/** Three parts with something in each, as a signed token has them. */
function isCompact(token: string): boolean {
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first <= 0 || second <= first + 1 || second === token.length - 1) return false
  return !token.includes('.', second + 1)
}
