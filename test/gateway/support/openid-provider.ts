import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { startTarget, type TestTarget } from './target.ts'
import { newSigner, token, type Signer } from './tokens.ts'

/** What somebody who logs in was sent along with. */
type Asked = { readonly nonce: string; readonly challenge: string; readonly redirectUri: string }

/** What a test may change of a provider, at any time. */
type Habits = {
  /** Status of the answers of an endpoint, by its path; 200 where it says nothing. */
  status: Record<string, number>
  /** Claims of ID tokens beside the usual ones, or in their place. */
  claims: object
  /** Seconds that tokens are good; undefined: it does not say. */
  expiresIn: number | undefined
  givesRefresh: boolean
  signer: Signer
  /** Members of the discovery document in place of the usual ones. */
  document: object
  nowMs: () => number
  /** Waited for before a token is given. */
  wait: Promise<void>
}

/** An OpenID provider at which everybody is logged in as ada. It holds clients to the protocol: what is wrong gets 400. */
export type OpenIdProvider = {
  readonly issuer: string
  readonly target: TestTarget
  readonly habits: Habits
  /** Bodies that came to the token endpoint. */
  readonly grants: readonly URLSearchParams[]
  /** Whether a refresh token is good. */
  readonly isGood: (refreshToken: string) => boolean
}

/** It takes a while to make one. */
const SIGNER = newSigner('RS256', 'provider')

export const CLIENT_ID = 'shop client'
export const CLIENT_SECRET = 'a:secret with + and %'

export async function startOpenIdProvider(): Promise<OpenIdProvider> {
  const habits: Habits = {
    status: {},
    claims: {},
    expiresIn: 300,
    givesRefresh: true,
    signer: SIGNER,
    document: {},
    nowMs: Date.now,
    wait: Promise.resolve(),
  }
  const codes = new Map<string, Asked>()
  const refreshTokens = new Set<string>()
  const grants: URLSearchParams[] = []

  function tokensFor(nonce: string | null): object {
    const now = Math.floor(habits.nowMs() / 1_000)
    const usual = { iss: target.url, sub: 'ada', aud: CLIENT_ID, iat: now, exp: now + 300 }
    const claims = { ...usual, ...(nonce === null ? {} : { nonce }), ...habits.claims }
    const refresh = randomUUID()
    refreshTokens.add(refresh)
    return {
      access_token: randomUUID(),
      token_type: 'Bearer',
      id_token: token(habits.signer, claims),
      ...(habits.expiresIn === undefined ? {} : { expires_in: habits.expiresIn }),
      ...(habits.givesRefresh ? { refresh_token: refresh } : {}),
    }
  }

  function granted(form: URLSearchParams): object | null {
    if (form.get('grant_type') === 'refresh_token') {
      // Each is good once.
      return refreshTokens.delete(form.get('refresh_token') ?? '') ? tokensFor(null) : null
    }
    const asked = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '')
    if (asked?.challenge !== challenge.digest('base64url')) return null
    return asked.redirectUri === form.get('redirect_uri') ? tokensFor(asked.nonce) : null
  }

  async function answerToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await textOf(request))
    grants.push(form)
    await habits.wait
    const isClient = request.headers.authorization === basic(CLIENT_ID, CLIENT_SECRET)
    const answer = isClient ? granted(form) : null
    response.writeHead(answer === null ? 400 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? { error: 'invalid_grant' }))
  }

  function authorize(url: URL, response: ServerResponse): void {
    const given = (name: string): string => url.searchParams.get(name) ?? ''
    const isGood =
      given('response_type') === 'code' &&
      given('client_id') === CLIENT_ID &&
      given('code_challenge_method') === 'S256' &&
      given('scope').split(' ').includes('openid')
    const code = randomUUID()
    const redirectUri = given('redirect_uri')
    codes.set(code, { nonce: given('nonce'), challenge: given('code_challenge'), redirectUri })
    const back = new URL(redirectUri)
    back.search = new URLSearchParams({ code, state: given('state') }).toString()
    response.writeHead(isGood ? 302 : 400, { location: back.href }).end()
  }

  const target = await startTarget((request, response) => {
    const url = new URL(request.url ?? '/', 'http://provider')
    const status = habits.status[url.pathname]
    if (status !== undefined) {
      response.writeHead(status).end('{}')
      return
    }
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        response.end(JSON.stringify({ ...documentOf(target.url), ...habits.document }))
        return
      case '/keys':
        response.end(JSON.stringify({ keys: [habits.signer.jwk] }))
        return
      case '/authorize':
        authorize(url, response)
        return
      case '/token':
        void answerToken(request, response)
        return
      default:
        response.writeHead(404).end()
    }
  })
  return {
    issuer: target.url,
    target,
    habits,
    grants,
    isGood: (refresh) => refreshTokens.has(refresh),
  }
}

function documentOf(issuer: string): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    end_session_endpoint: `${issuer}/end?tenant=1`,
  }
}

/** The Authorization field of a client, escaped as RFC 6749 2.3.1 has it. */
export function basic(id: string, secret: string): string {
  const escaped = [id, secret].map((each) => encodeURIComponent(each).replaceAll('%20', '+'))
  return `Basic ${Buffer.from(escaped.join(':')).toString('base64')}`
}

export async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}
