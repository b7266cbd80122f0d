import { createHash, randomBytes } from 'node:crypto'
import {
  KNOWN_SESSIONS_MAX,
  LOGIN_SECONDS_MAX,
  REMOTE_RETRY_MS_MIN,
  RETURN_PATH_CHARS_MAX,
  SESSION_OVERLAP_MS,
  SHARED_KEY_BYTES_MIN,
} from '../../shared/limits.ts'
import type { OidcOptions } from '../../shared/plugins/oidc.ts'
import { queryValues } from '../../shared/routing/query-parameters.ts'
import { cookieValue } from '../../shared/routing/request-key.ts'
import { Identity } from '../consumers/identity.ts'
import type { Exchange } from '../exchange.ts'
import { errorReply, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { TOKEN_REPLIES } from './bearer.ts'
import { dropCookies } from './edits.ts'
import { KnownTokens, tokenHash } from './known-tokens.ts'
import { clearCookies, CookieSeal, readCookies, setCookie, setCookies } from './oidc-cookies.ts'
import { ProviderClient } from './oidc-provider.ts'
import { refreshed, sessionOf, type Session } from './oidc-session.ts'
import type { Authenticator } from './plugin.ts'
import { identifier, type TokenParts } from './token-identity.ts'

const LOGIN_REQUIRED = errorReply('LOGIN_REQUIRED', 'somebody must log in first')
const LOGIN_FAILED = errorReply('LOGIN_FAILED', 'the login failed: begin again')
const TOO_LARGE = errorReply('LOGIN_FAILED', 'what the provider tells is more than cookies hold')
const NO_STORE = 'Cache-Control: no-store\r\n'

/** What somebody who logs in carries along until they are back. */
type Login = {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  /** Path and query that were wanted. */
  readonly path: string
  readonly untilMs: number
}

/** What became of a session whose tokens end: another one, none any more, or nothing yet. */
type Renewal = {
  readonly outcome: Promise<Session | 'refused' | 'unavailable'>
  untilMs: number
}

/** Knows people by a session in a sealed cookie, and sends those without one to log in. */
export function oidc(
  options: OidcOptions,
  parts: TokenParts,
  /** Without it callers may come as nobody, and are sent nowhere. */
  { isNeeded }: { readonly isNeeded: boolean },
): Authenticator {
  const relying = new RelyingParty(options, parts, isNeeded)
  return {
    authenticate: (context) => relying.authenticate(context),
    missing: LOGIN_REQUIRED,
  }
}

class RelyingParty {
  readonly #options: OidcOptions
  readonly #parts: TokenParts
  readonly #isNeeded: boolean
  readonly #cookie: string
  readonly #client: ProviderClient
  /** Sessions by the hash of their cookie, until they are to be refreshed. */
  readonly #known: KnownTokens
  /** By the hash of the cookie from before. */
  readonly #renewals = new Map<string, Renewal>()
  #seal: CookieSeal | null = null
  #version = -1

  constructor(options: OidcOptions, parts: TokenParts, isNeeded: boolean) {
    this.#options = options
    this.#parts = parts
    this.#isNeeded = isNeeded
    this.#cookie = options.cookie ?? 'raftway-session'
    this.#client = new ProviderClient(options, parts)
    this.#known = new KnownTokens(identifier(options, parts.consumers), parts.consumers)
  }

  authenticate(
    context: RequestContext,
  ): Identity | Reply | null | Promise<Identity | Reply | null> {
    const seal = this.#currentSeal()
    if (seal === null) return TOKEN_REPLIES.unusable
    const { exchange } = context
    const { callbackPath, logoutPath } = this.#options
    if (exchange.path === callbackPath) return this.#callback(exchange, seal)
    if (exchange.path === logoutPath) return this.#logout(exchange)
    const text = readCookies(exchange.header('cookie'), this.#cookie)
    if (text === null) return this.#withoutSession(context, seal)
    const hashed = tokenHash(text)
    const found = this.#known.find(hashed, this.#parts.epochMs())
    if (found !== null) return this.#admitted(context, found)
    return this.#open(context, seal, { text, hashed })
  }

  /** Null while the Secret that seals cookies cannot be used. */
  #currentSeal(): CookieSeal | null {
    const { secrets } = this.#parts
    if (this.#version === secrets.version) return this.#seal
    this.#version = secrets.version
    this.#known.clear()
    this.#renewals.clear()
    const { issuer, clientId, clientSecret, sessionSecret } = this.#options
    const text = secrets.get(sessionSecret.secret)
    const lacksClient = clientSecret !== undefined && secrets.get(clientSecret.secret) === null
    const isUnusable = text === null || Buffer.byteLength(text) < SHARED_KEY_BYTES_MIN
    const context = JSON.stringify([issuer, clientId, this.#cookie])
    this.#seal = isUnusable || lacksClient ? null : new CookieSeal(text, context)
    return this.#seal
  }

  #open(
    context: RequestContext,
    seal: CookieSeal,
    { text, hashed }: { readonly text: string; readonly hashed: string },
  ): Identity | Reply | null | Promise<Identity | Reply | null> {
    // Nobody but this plugin can have sealed it.
    const session = seal.open('session', text) as Session | null
    const nowMs = this.#parts.epochMs()
    if (session === null || session.endsAtMs <= nowMs) return this.#withoutSession(context, seal)
    if (session.refreshAtMs !== null && session.refreshAtMs <= nowMs) {
      return this.#refresh(context, seal, { session, hashed })
    }
    return this.#admitted(context, this.#keep(hashed, session, text.length))
  }

  #keep(hashed: string, session: Session, chars: number): Identity | Reply {
    const untilMs = Math.min(session.endsAtMs, session.refreshAtMs ?? Infinity)
    return this.#known.keep(hashed, { claims: session.claims, untilMs, chars })
  }

  /** Goes on with the session that the provider makes of one whose tokens end. One question a session, whoever asks. */
  async #refresh(
    context: RequestContext,
    seal: CookieSeal,
    { session, hashed }: { readonly session: Session; readonly hashed: string },
  ): Promise<Identity | Reply | null> {
    const outcome = await this.#renewal(session, hashed).outcome
    const nowMs = this.#parts.epochMs()
    if (outcome === 'refused') {
      context.answerLines += clearCookies(
        context.exchange.header('cookie'),
        this.#cookie,
        this.#cookieOptions(context.exchange),
      )
      return this.#withoutSession(context, seal)
    }
    if (outcome === 'unavailable') {
      // What the provider gave before is good to its own end.
      if (session.tokensEndAtMs <= nowMs) return TOKEN_REPLIES.unavailable
      const claims = { claims: session.claims, untilMs: nowMs, chars: 0 }
      return this.#admitted(context, this.#known.keep(hashed, claims))
    }
    const text = seal.seal('session', outcome)
    const lines = this.#sessionLines(context.exchange, text, outcome)
    if (lines === null) return TOO_LARGE
    context.answerLines += lines
    return this.#admitted(context, this.#keep(tokenHash(text), outcome, text.length))
  }

  #renewal(session: Session, hashed: string): Renewal {
    const nowMs = this.#parts.epochMs()
    const before = this.#renewals.get(hashed)
    if (before !== undefined && before.untilMs > nowMs) return before
    const renewal: Renewal = {
      outcome: refreshed(session, this.#client, this.#parts.epochMs).then((outcome) => {
        const shortly = outcome === 'unavailable' ? REMOTE_RETRY_MS_MIN : SESSION_OVERLAP_MS
        renewal.untilMs = this.#parts.epochMs() + shortly
        return outcome
      }),
      untilMs: Infinity,
    }
    this.#renewals.delete(hashed)
    this.#renewals.set(hashed, renewal)
    const [oldest] = this.#renewals.keys()
    if (this.#renewals.size > KNOWN_SESSIONS_MAX && oldest !== undefined) {
      this.#renewals.delete(oldest)
    }
    return renewal
  }

  #withoutSession(context: RequestContext, seal: CookieSeal): Reply | null | Promise<Reply | null> {
    this.#strip(context)
    // Whoever brings nothing and wants no page is told what is missing, as by every other plugin.
    const isSent = this.#isNeeded && isNavigation(context.exchange)
    return isSent ? this.#login(context.exchange, seal) : null
  }

  /** Sends somebody to log in (OpenID Connect Core 3.1.2.1, with PKCE, RFC 7636). */
  async #login(exchange: Exchange, seal: CookieSeal): Promise<Reply> {
    const provider = await this.#client.provider()
    if (provider === null) return TOKEN_REPLIES.unavailable
    const [state, nonce, verifier] = [randomText(), randomText(), randomText()]
    const wanted = exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`
    const login: Login = {
      state,
      nonce,
      verifier,
      path: wanted.length > RETURN_PATH_CHARS_MAX ? '/' : wanted,
      untilMs: this.#parts.epochMs() + LOGIN_SECONDS_MAX * 1_000,
    }
    const url = new URL(provider.authorizationEndpoint)
    const parameters = {
      response_type: 'code',
      client_id: this.#options.clientId,
      redirect_uri: this.#base(exchange) + this.#options.callbackPath,
      scope: ['openid', ...(this.#options.requestScopes ?? [])].join(' '),
      state,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    const cookie = setCookie(this.#loginCookie(state), seal.seal('login', login), {
      path: this.#options.callbackPath,
      isSecure: this.#isSecure(exchange),
      seconds: LOGIN_SECONDS_MAX,
    })
    return redirect(url.href, cookie)
  }

  /** Somebody is back from the provider. */
  async #callback(exchange: Exchange, seal: CookieSeal): Promise<Reply> {
    const [code] = queryValues(exchange.query, 'code')
    const [state = ''] = queryValues(exchange.query, 'state')
    const [issuer] = queryValues(exchange.query, 'iss')
    if (!/^[A-Za-z0-9_-]{43}$/.test(state)) return LOGIN_FAILED
    const name = this.#loginCookie(state)
    const sealed = cookieValue(exchange.header('cookie'), name)
    const login = sealed === undefined ? null : (seal.open('login', sealed) as Login | null)
    if (login === null || login.state !== state) return LOGIN_FAILED
    const isSecure = this.#isSecure(exchange)
    const gone = setCookie(name, '', { path: this.#options.callbackPath, isSecure, seconds: 0 })
    const failed = { ...LOGIN_FAILED, lines: LOGIN_FAILED.lines + gone }
    if (login.untilMs <= this.#parts.epochMs() || code === undefined || code === '') return failed
    // RFC 9207 2.4: a code of another provider is not for this one.
    if (issuer !== undefined && issuer !== this.#options.issuer) return failed
    const granted = await this.#client.grant({
      grant_type: 'authorization_code',
      code,
      redirect_uri: this.#base(exchange) + this.#options.callbackPath,
      code_verifier: login.verifier,
    })
    if (granted === 'unavailable') return TOKEN_REPLIES.unavailable
    if (granted === 'refused' || granted.claims?.['nonce'] !== login.nonce) return failed
    const { claims } = granted
    const session = sessionOf({ ...granted, claims }, this.#options, this.#parts.epochMs())
    const lines = this.#sessionLines(exchange, seal.seal('session', session), session)
    if (lines === null) return TOO_LARGE
    return redirect(this.#base(exchange) + login.path, lines + gone)
  }

  /** Ends the session here and, where the provider can, there (OpenID Connect RP-Initiated Logout 2). */
  async #logout(exchange: Exchange): Promise<Reply> {
    const { afterLogout = '/', clientId } = this.#options
    const after = afterLogout.startsWith('/') ? this.#base(exchange) + afterLogout : afterLogout
    const provider = await this.#client.provider()
    const lines = clearCookies(
      exchange.header('cookie'),
      this.#cookie,
      this.#cookieOptions(exchange),
    )
    const endpoint = provider?.endSessionEndpoint ?? null
    if (endpoint === null) return redirect(after, lines)
    const url = new URL(endpoint)
    url.searchParams.set('client_id', clientId)
    url.searchParams.set('post_logout_redirect_uri', after)
    return redirect(url.href, lines)
  }

  #admitted(context: RequestContext, result: Identity | Reply): Identity | Reply {
    if (result instanceof Identity) this.#strip(context)
    return result
  }

  /** Targets get no cookie of this plugin. */
  #strip(context: RequestContext): void {
    const [own, pieces, logins] = [this.#cookie, `${this.#cookie}.`, `${this.#cookie}-login-`]
    dropCookies(
      context,
      (name) => name === own || name.startsWith(pieces) || name.startsWith(logins),
    )
  }

  #sessionLines(exchange: Exchange, text: string, { endsAtMs }: Session): string | null {
    const seconds = Math.max(1, Math.ceil((endsAtMs - this.#parts.epochMs()) / 1_000))
    return setCookies(this.#cookie, text, { ...this.#cookieOptions(exchange), seconds })
  }

  #cookieOptions(exchange: Exchange): { readonly path: string; readonly isSecure: boolean } {
    return { path: '/', isSecure: this.#isSecure(exchange) }
  }

  #loginCookie(state: string): string {
    return `${this.#cookie}-login-${state.slice(0, 8)}`
  }

  #isSecure(exchange: Exchange): boolean {
    return this.#base(exchange).startsWith('https:')
  }

  /** Scheme and host as the client sees them. */
  #base({ isTls, authority }: Exchange): string {
    const { baseUrl } = this.#options
    if (baseUrl !== undefined) return new URL(baseUrl).origin
    return `${isTls ? 'https' : 'http'}://${authority}`
  }
}

/** Whether a browser wants to show a page, so that a login page may come in its place. */
function isNavigation(exchange: Exchange): boolean {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return false
  if (exchange.wantsUpgrade) return false
  const mode = exchange.header('sec-fetch-mode')
  if (mode !== undefined) return mode === 'navigate'
  return exchange.header('accept')?.includes('text/html') === true
}

function redirect(location: string, lines: string): Reply {
  return {
    status: 302,
    lines: `Location: ${location}\r\n${NO_STORE}${lines}`,
    body: Buffer.alloc(0),
    code: null,
  }
}

/** 256 bits of chance, as both PKCE and cookies take them. */
function randomText(): string {
  return randomBytes(32).toString('base64url')
}
