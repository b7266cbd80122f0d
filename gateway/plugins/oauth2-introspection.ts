import { INACTIVE_TOKENS_MAX, INTROSPECTIONS_UNDER_WAY_MAX } from '../../shared/limits.ts'
import type { Oauth2IntrospectionOptions } from '../../shared/plugins/oauth2-introspection.ts'
import { Identity } from '../consumers/identity.ts'
import type { Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { TOKEN_REPLIES, tokenPlaces, type TokenPlaces } from './bearer.ts'
import { fitsClaim, secondsOf, type Claims } from './claims.ts'
import { KnownTokens, tokenHash } from './known-tokens.ts'
import type { Authenticator } from './plugin.ts'
import { identifier, type TokenParts } from './token-identity.ts'

const SKEW_SECONDS_DEFAULT = 30

/** What the server says of a token; null: nothing that can be understood, or nothing in time. */
type Told = Claims | null

/** Knows callers by a token that an authorization server is asked about. Closed: without an answer nobody passes. */
export function oauth2Introspection(
  options: Oauth2IntrospectionOptions,
  parts: TokenParts,
): Authenticator {
  const introspection = new Introspection(options, parts)
  return {
    authenticate: (context) => introspection.authenticate(context),
    missing: TOKEN_REPLIES.missing,
  }
}

type Question = { readonly token: string; readonly hashed: string; readonly secret: string }

class Introspection {
  readonly #options: Oauth2IntrospectionOptions
  readonly #parts: TokenParts
  readonly #places: TokenPlaces
  readonly #known: KnownTokens
  /** Tokens that passed lately, for as long as they pass without an answer. */
  readonly #stale: KnownTokens
  /** Hash → until when it is not asked about again. */
  readonly #inactive = new Map<string, number>()
  readonly #underWay = new Map<string, Promise<Told>>()
  #version = -1

  constructor(options: Oauth2IntrospectionOptions, parts: TokenParts) {
    this.#options = options
    this.#parts = parts
    this.#places = tokenPlaces(options)
    const identify = identifier(options, parts.consumers)
    this.#known = new KnownTokens(identify, parts.consumers)
    this.#stale = new KnownTokens(identify, parts.consumers)
  }

  authenticate(context: RequestContext): Identity | Reply | null | Promise<Identity | Reply> {
    const token = this.#places.find(context.exchange)
    if (token === null) return null
    if (token === '') return TOKEN_REPLIES.invalid
    const { secrets, epochMs } = this.#parts
    if (this.#version !== secrets.version) {
      for (const memory of [this.#known, this.#stale, this.#inactive]) memory.clear()
      this.#version = secrets.version
    }
    const hashed = tokenHash(token)
    const nowMs = epochMs()
    const found = this.#known.find(hashed, nowMs)
    if (found !== null) return this.#admitted(context, found)
    if ((this.#inactive.get(hashed) ?? 0) > nowMs) return TOKEN_REPLIES.invalid
    const secret = secrets.get(this.#options.clientSecret.secret)
    if (secret === null) return TOKEN_REPLIES.unusable
    return this.#inspect(context, { token, hashed, secret })
  }

  async #inspect(context: RequestContext, question: Question): Promise<Identity | Reply> {
    const told = await this.#askOnce(question)
    const nowMs = this.#parts.epochMs()
    const { hashed } = question
    if (told === null) {
      const before = this.#stale.find(hashed, nowMs)
      return this.#admitted(context, before ?? TOKEN_REPLIES.unavailable)
    }
    const refusal = this.#refusalOf(told, nowMs)
    if (refusal === null) return this.#admitted(context, this.#keep(told, question, nowMs))
    const { negativeSeconds = 5 } = this.#options
    remember(this.#inactive, hashed, nowMs + negativeSeconds * 1_000)
    this.#known.forget(hashed)
    this.#stale.forget(hashed)
    return refusal
  }

  #keep(told: Claims, { token, hashed }: Question, nowMs: number): Identity | Reply {
    const { cacheSeconds = 60, staleSeconds = 0 } = this.#options
    const expiry = secondsOf(told['exp'])
    const endMs = expiry === null ? Infinity : (expiry + this.#skewSeconds) * 1_000
    const entry = { claims: told, chars: token.length }
    const cachedMs = Math.min(endMs, nowMs + cacheSeconds * 1_000)
    if (staleSeconds > 0) {
      const untilMs = Math.min(endMs, cachedMs + staleSeconds * 1_000)
      this.#stale.keep(hashed, { ...entry, untilMs })
    }
    return this.#known.keep(hashed, { ...entry, untilMs: cachedMs })
  }

  /** Requests with the same token share one question. */
  #askOnce(question: Question): Promise<Told> {
    const { hashed } = question
    const before = this.#underWay.get(hashed)
    if (before !== undefined) return before
    if (this.#underWay.size >= INTROSPECTIONS_UNDER_WAY_MAX) return Promise.resolve(null)
    const answer = ask(this.#options, question).finally(() => this.#underWay.delete(hashed))
    this.#underWay.set(hashed, answer)
    return answer
  }

  get #skewSeconds(): number {
    return this.#options.skewSeconds ?? SKEW_SECONDS_DEFAULT
  }

  /** Why a token is not good; null when it is. */
  #refusalOf(told: Claims, nowMs: number): Reply | null {
    if (told['active'] !== true) return TOKEN_REPLIES.invalid
    const expiry = secondsOf(told['exp'])
    const begin = secondsOf(told['nbf'])
    const nowSeconds = nowMs / 1_000
    if (expiry !== null && expiry + this.#skewSeconds <= nowSeconds) return TOKEN_REPLIES.expired
    if (begin !== null && begin - this.#skewSeconds > nowSeconds) return TOKEN_REPLIES.invalid
    const { issuers, audiences } = this.#options
    if (issuers !== undefined && !fitsClaim(told['iss'], issuers)) return TOKEN_REPLIES.invalid
    if (audiences !== undefined && !fitsClaim(told['aud'], audiences)) return TOKEN_REPLIES.invalid
    return null
  }

  #admitted(context: RequestContext, result: Identity | Reply): Identity | Reply {
    if (result instanceof Identity) this.#places.strip(context)
    return result
  }
}

/** Asks the server (RFC 7662 2). Never rejects. */
async function ask(
  { url, clientId, clientAuth = 'basic', timeoutMs = 3_000 }: Oauth2IntrospectionOptions,
  { token, secret }: { readonly token: string; readonly secret: string },
): Promise<Told> {
  const form = { token, token_type_hint: 'access_token' }
  try {
    const { callJson, clientAuthorization } = await import('./remote-json.ts')
    const { status, body } = await callJson(
      clientAuth === 'basic'
        ? { url, timeoutMs, form, authorization: clientAuthorization(clientId, secret) }
        : { url, timeoutMs, form: { ...form, client_id: clientId, client_secret: secret } },
    )
    // An answer that refuses the gateway itself says nothing of the token.
    if (status !== 200 || body === null || typeof body !== 'object') return null
    return typeof (body as Claims)['active'] === 'boolean' ? (body as Claims) : null
  } catch {
    return null
  }
}

function remember(inactive: Map<string, number>, hashed: string, untilMs: number): void {
  inactive.delete(hashed)
  inactive.set(hashed, untilMs)
  const [oldest] = inactive.keys()
  if (inactive.size > INACTIVE_TOKENS_MAX && oldest !== undefined) inactive.delete(oldest)
}
