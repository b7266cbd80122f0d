import { PROVIDER_CACHE_MS, PROVIDER_STALE_MS } from '../../shared/limits.ts'
import type { OidcOptions } from '../../shared/plugins/oidc.ts'
import type { Claims } from './claims.ts'
import { secondsOf } from './claims.ts'
import { remoteKeys } from './jwks.ts'
import { RemoteDocument, type DocumentOptions } from './remote-document.ts'
import { remoteSource } from './token-sources.ts'
import type { TokenParts } from './token-identity.ts'

/** What a provider says of itself (OpenID Connect Discovery 3). */
export type Provider = {
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly keysUrl: string
  readonly endSessionEndpoint: string | null
}

/** What a provider gives for a code or for a refresh token. */
export type Granted = {
  /** Of the ID token; null when it gave none. */
  readonly claims: Claims | null
  readonly refreshToken: string | null
  /** For how long; null: it does not say. */
  readonly seconds: number | null
}

/** `refused`: the provider does not want it, or what it gave is not good. `unavailable`: it does not answer. */
export type Grant = Granted | 'refused' | 'unavailable'

const KEYS_CACHE_MS = 600_000
const SKEW_SECONDS_DEFAULT = 30

/** The calls that a client of an OpenID provider makes. */
export class ProviderClient {
  readonly #options: OidcOptions
  readonly #parts: TokenParts
  readonly #timeoutMs: number
  readonly #document: RemoteDocument<Provider>

  constructor(options: OidcOptions, parts: TokenParts) {
    this.#options = options
    this.#parts = parts
    this.#timeoutMs = options.timeoutMs ?? 5_000
    const { issuer } = options
    this.#document = new RemoteDocument({
      options: {
        url: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
        cacheMs: PROVIDER_CACHE_MS,
        staleMs: PROVIDER_STALE_MS,
        timeoutMs: this.#timeoutMs,
      },
      load: (document) => loadProvider(document, issuer),
      isSame: (a, b) => JSON.stringify(a) === JSON.stringify(b),
      epochMs: parts.epochMs,
    })
  }

  /** Null when it cannot be had. */
  async provider(): Promise<Provider | null> {
    return this.#document.get()
  }

  /** Asks for tokens (RFC 6749 4.1.3 and 6). Never rejects. */
  async grant(form: Readonly<Record<string, string>>): Promise<Grant> {
    const provider = await this.provider()
    if (provider === null) return 'unavailable'
    const answer = await this.#post(provider.tokenEndpoint, form)
    if (answer === null || answer.status >= 500 || answer.status === 429) return 'unavailable'
    const { status, body } = answer
    if (status !== 200 || body === null || typeof body !== 'object') return 'refused'
    const { id_token: token, refresh_token: refresh, expires_in: seconds } = body as Claims
    const claims = typeof token === 'string' ? await this.#verify(token, provider) : null
    if (typeof claims === 'string') return claims
    return {
      claims,
      refreshToken: typeof refresh === 'string' ? refresh : null,
      seconds: secondsOf(seconds),
    }
  }

  async #post(
    url: string,
    form: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly body: unknown } | null> {
    const { clientId, clientSecret, clientAuth = 'basic' } = this.#options
    const secret = clientSecret === undefined ? null : this.#parts.secrets.get(clientSecret.secret)
    if (clientSecret !== undefined && secret === null) return null
    const timeoutMs = this.#timeoutMs
    try {
      const { callJson, clientAuthorization } = await import('./remote-json.ts')
      if (secret !== null && clientAuth === 'basic') {
        const authorization = clientAuthorization(clientId, secret)
        return await callJson({ url, timeoutMs, form, authorization })
      }
      const shown = secret === null ? {} : { client_secret: secret }
      return await callJson({ url, timeoutMs, form: { ...form, client_id: clientId, ...shown } })
    } catch {
      return null
    }
  }

  /** The claims of an ID token (OpenID Connect Core 3.1.3.7), its nonce left to whoever knows it. */
  async #verify(token: string, { keysUrl }: Provider): Promise<Claims | 'refused' | 'unavailable'> {
    const { clientId, issuer, skewSeconds = SKEW_SECONDS_DEFAULT } = this.#options
    const times = { cacheMs: KEYS_CACHE_MS, staleMs: PROVIDER_STALE_MS, timeoutMs: this.#timeoutMs }
    const source = remoteSource(remoteKeys({ url: keysUrl, ...times }, this.#parts), [issuer])
    const { verifyToken } = await import('./verify-token.ts')
    const verified = await verifyToken(token, [source], {
      nowMs: this.#parts.epochMs(),
      rules: {
        algorithms: null,
        audiences: [clientId],
        skewSeconds,
        maxAgeSeconds: null,
        needsExpiry: true,
        type: null,
      },
    })
    if (verified.type === 'unavailable') return 'unavailable'
    if (verified.type !== 'good') return 'refused'
    const { azp } = verified.claims
    return azp === undefined || azp === clientId ? verified.claims : 'refused'
  }
}

async function loadProvider(
  { url, timeoutMs }: DocumentOptions,
  issuer: string,
): Promise<Provider> {
  const { callJson } = await import('./remote-json.ts')
  const { status, body } = await callJson({ url, timeoutMs })
  if (status !== 200 || body === null || typeof body !== 'object') throw new Error('no document')
  const document = body as Claims
  // Discovery 4.3: or one provider could speak for another.
  if (document['issuer'] !== issuer) throw new Error('the document is of another issuer')
  const endSession = document['end_session_endpoint']
  return {
    authorizationEndpoint: urlIn(document, 'authorization_endpoint'),
    tokenEndpoint: urlIn(document, 'token_endpoint'),
    keysUrl: urlIn(document, 'jwks_uri'),
    endSessionEndpoint: endSession === undefined ? null : urlIn(document, 'end_session_endpoint'),
  }
}

function urlIn(document: Claims, name: string): string {
  const value = document[name]
  if (typeof value !== 'string' || !/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw new Error(`no ${name}`)
  }
  return new URL(value).href
}
