/**
 * Goal: oidc lets pass whoever has logged in at the provider, keeps nothing that a browser could read or make, and sends
 * nobody anywhere else than to the provider and back.
 * Method: a real OpenID provider that holds clients to the protocol, a browser of a few lines, a clock that the test moves.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { oidcSchema, type OidcOptions } from '../../../shared/plugins/oidc.ts'
import {
  CLIENT_ID,
  CLIENT_SECRET,
  startOpenIdProvider,
  type OpenIdProvider,
} from '../support/openid-provider.ts'
import { newSigner } from '../support/tokens.ts'
import { consumer, golden, plan, pluginBench, T0, type PluginBench } from './support.ts'

const NAVIGATION = ['Accept: text/html', 'Sec-Fetch-Mode: navigate']
const SESSION_SECRET = 'what seals the sessions of the shop, of which nobody knows'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Answer = Awaited<ReturnType<PluginBench['ask']>>

/** Keeps cookies by name and path, as a browser does. */
class Browser {
  readonly cookies = new Map<string, { value: string; path: string }>()
  readonly #bench: PluginBench

  constructor(bench: PluginBench) {
    this.#bench = bench
  }

  async get(target: string, ...fields: readonly string[]): Promise<Answer> {
    const shown = this.shown(target)
    const cookie = shown === '' ? [] : [`Cookie: ${shown}`]
    const lines = [
      `GET ${target} HTTP/1.1`,
      ...(fields.length > 0 ? fields : NAVIGATION),
      ...cookie,
    ]
    const answer = await this.#bench.ask(lines.map((line) => `${line}\r\n`).join(''))
    this.#keep(answer)
    return answer
  }

  shown(target: string): string {
    return Array.from(this.cookies)
      .filter(([, { path }]) => target.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
  }

  /** Follows a page to the provider, and back as far as the page itself. */
  async logIn(target: string): Promise<Answer> {
    const back = await this.toCallback(target)
    return this.get(pathOf(locationOf(await this.get(back))))
  }

  /** As far as the address at which the provider sends it back. */
  async toCallback(target: string): Promise<string> {
    const response = await fetch(locationOf(await this.get(target)), { redirect: 'manual' })
    return pathOf(response.headers.get('location') ?? '')
  }

  #keep({ head }: Answer): void {
    for (const [, name = '', value = '', rest = ''] of head.matchAll(
      /^Set-Cookie: ([^=]+)=([^;]*)(.*?)\r?$/gm,
    )) {
      const path = /Path=([^;]*)/.exec(rest)?.[1] ?? '/'
      if (/Max-Age=0(;|$)/.test(rest)) this.cookies.delete(name)
      else this.cookies.set(name, { value, path })
    }
  }
}

test('a page leads to the login, the login back to the page; what reaches the target', async () => {
  const { bench, browser, provider } = await shop(
    {
      claims: { email_verified: true },
      scopes: { claim: 'groups', plans: { staff: 'readers' } },
      consumer: {},
      requestScopes: ['email'],
    },
    consumer('ada', { credentials: { subjects: [{ subject: 'ada' }] } }),
    plan('readers', { roles: ['reader'] }),
  )
  provider.habits.claims = { email_verified: true, groups: ['staff'] }
  const sent = await browser.get('/a?b=1&c=%20')
  const url = new URL(locationOf(sent))
  expect(`${url.origin}${url.pathname}`).toBe(`${provider.issuer}/authorize`)
  expect(Object.fromEntries(url.searchParams)).toEqual({
    response_type: 'code',
    client_id: CLIENT_ID,
    redirect_uri: 'http://shop.example/in',
    scope: 'openid email',
    state: expect.stringMatching(/^[\w-]{43}$/) as string,
    nonce: expect.stringMatching(/^[\w-]{43}$/) as string,
    code_challenge: expect.stringMatching(/^[\w-]{43}$/) as string,
    code_challenge_method: 'S256',
  })
  expect(sent.head).toMatch(
    /Set-Cookie: raftway-session-login-[\w-]{8}=[\w-]+; Path=\/in; Max-Age=600; HttpOnly; SameSite=Lax\r/,
  )
  expect(sent.head).toContain('Cache-Control: no-store')
  const response = await fetch(url, { redirect: 'manual' })
  const back = await browser.get(pathOf(response.headers.get('location') ?? ''))
  expect(locationOf(back)).toBe('http://shop.example/a?b=1&c=%20')
  expect(back.head).toMatch(
    /Set-Cookie: raftway-session=1\.[\w-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite=Lax\r/,
  )
  expect([...browser.cookies.keys()]).toEqual(['raftway-session'])
  browser.cookies.set('theme', { value: 'dark', path: '/' })
  expect((await browser.get('/a?b=1', 'X-Other: 1')).status).toBe(200)
  expect(golden(bench.reached[0])).toBe(
    [
      'GET /a?b=1 HTTP/1.1',
      'Host: shop.example',
      'X-Other: 1',
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Port: *',
      'X-Request-Id: *',
      'Via: 1.1 raftway',
      'Cookie: theme=dark',
      'X-Consumer-Name: ada',
      'X-Consumer-Roles: reader',
      'X-Subject: ada',
      '',
      '',
    ].join('\n'),
  )
})

describe('who has no session', () => {
  test.each<[string, readonly string[], number]>([
    ['a page', NAVIGATION, 302],
    ['a page of an old browser', ['Accept: text/html,*/*'], 302],
    ['a script', ['Accept: text/html', 'Sec-Fetch-Mode: cors'], 401],
    ['a program', ['Accept: */*'], 401],
    ['JSON', ['Accept: application/json'], 401],
  ])('%s', async (_what, fields, status) => {
    const { browser, bench } = await shop()
    const answer = await browser.get('/a', ...fields)
    expect([answer.status, answer.code]).toEqual([status, status === 401 ? 'LOGIN_REQUIRED' : null])
    expect(bench.reached).toEqual([])
  })

  test('a form that is posted is not sent to the login', async () => {
    const { bench } = await shop()
    const answer = await bench.ask(
      `POST /a HTTP/1.1\r\n${NAVIGATION.join('\r\n')}\r\nContent-Length: 0\r\n`,
    )
    expect(answer.code).toBe('LOGIN_REQUIRED')
  })

  test('where callers may stay nobody, nobody is sent to the login, and pieces of sessions stay here', async () => {
    const { bench } = await shop({}, 'none')
    const answer = await bench.get(...NAVIGATION, 'Cookie: raftway-session=1.x; a=1')
    expect(answer.status).toBe(200)
    expect(bench.reached[0]).toContain('Cookie: a=1\r\n')
  })

  test('a provider that does not answer is 503', async () => {
    const { browser, provider } = await shop()
    provider.habits.status['/.well-known/openid-configuration'] = 500
    expect((await browser.get('/a')).code).toBe('IDENTITY_UNAVAILABLE')
  })

  test.each([
    ['of another issuer', { issuer: 'https://other.example' }],
    ['with a token endpoint that is no URL', { token_endpoint: 'javascript:x' }],
  ])('a document %s is none', async (_what, document) => {
    const { browser, provider } = await shop()
    provider.habits.document = document
    expect((await browser.get('/a')).code).toBe('IDENTITY_UNAVAILABLE')
  })

  test.each(['//evil.example/x', '/\\evil.example', '/a//evil.example'])(
    '%s leads back to this host',
    async (path) => {
      const { browser } = await shop()
      const back = await browser.get(await browser.toCallback(path))
      expect(new URL(locationOf(back)).origin).toBe('http://shop.example')
    },
  )

  test('a path that is too long leads back to /', async () => {
    const { browser } = await shop()
    const back = await browser.get(await browser.toCallback(`/${'x'.repeat(1_024)}`))
    expect(locationOf(back)).toBe('http://shop.example/')
  })

  test('baseUrl stands in place of what the request says', async () => {
    const { browser } = await shop({ baseUrl: 'https://www.shop.example' })
    const sent = await browser.get('/a')
    expect(new URL(locationOf(sent)).searchParams.get('redirect_uri')).toBe(
      'https://www.shop.example/in',
    )
    expect(sent.head).toMatch(/SameSite=Lax; Secure\r/)
  })
})

describe('what is no login', () => {
  test.each<[string, (back: string, browser: Browser) => string]>([
    ['another state', (back) => back.replace(/state=./, 'state=_')],
    ['no state', (back) => back.replace(/&state=[^&]*/, '')],
    ['no code', (back) => back.replace(/code=[^&]*&/, '')],
    ['another code', (back) => back.replace(/code=[^&]*/, 'code=x')],
    ['the code of another issuer', (back) => `${back}&iss=https%3A%2F%2Fother.example`],
    ['a browser that did not begin it', (back, browser) => (browser.cookies.clear(), back)],
  ])('%s', async (_what, change) => {
    const { bench, browser } = await shop()
    const back = await browser.toCallback('/a')
    const answer = await browser.get(change(back, browser))
    expect([answer.status, answer.code]).toEqual([400, 'LOGIN_FAILED'])
    expect(answer.head).not.toContain('Set-Cookie: raftway-session=')
    expect(bench.reached).toEqual([])
  })

  test.each<[string, object]>([
    ['another nonce', { nonce: 'x' }],
    ['another audience', { aud: 'x' }],
    ['another party', { azp: 'x' }],
    ['another issuer', { iss: 'https://other.example' }],
    ['an end that has been', { exp: T0 / 1_000 - 31 }],
  ])('an ID token with %s', async (_what, claims) => {
    const { browser, provider } = await shop()
    provider.habits.claims = claims
    expect((await browser.get(await browser.toCallback('/a'))).code).toBe('LOGIN_FAILED')
  })

  test('an ID token that the provider has not signed', async () => {
    const { browser, provider } = await shop()
    const { jwk } = provider.habits.signer
    provider.habits.signer = { ...newSigner('RS256', 'provider'), jwk }
    expect((await browser.get(await browser.toCallback('/a'))).code).toBe('LOGIN_FAILED')
  })

  test('a login that took ten minutes, and a code that is used twice', async () => {
    const { bench, browser } = await shop()
    const late = await browser.toCallback('/a')
    bench.nowMs += 600_000
    expect((await browser.get(late)).code).toBe('LOGIN_FAILED')
    const back = await browser.toCallback('/a')
    const cookies = new Map(browser.cookies)
    expect((await browser.get(back)).status).toBe(302)
    for (const [name, cookie] of cookies) browser.cookies.set(name, cookie)
    expect((await browser.get(back)).code).toBe('LOGIN_FAILED')
  })

  test('a provider that refuses the client, and one that gives no answer', async () => {
    const { browser, provider } = await shop()
    provider.habits.status['/token'] = 401
    expect((await browser.get(await browser.toCallback('/a'))).code).toBe('LOGIN_FAILED')
    provider.habits.status['/token'] = 502
    expect((await browser.get(await browser.toCallback('/a'))).code).toBe('IDENTITY_UNAVAILABLE')
  })
})

describe('a session', () => {
  test('is read nowhere else, and changed nowhere', async () => {
    const { browser, provider } = await shop()
    provider.habits.claims = { email: 'ada@example.com' }
    await browser.logIn('/a')
    const { value = '' } = browser.cookies.get('raftway-session') ?? {}
    const bytes = Buffer.from(value.slice(2), 'base64url')
    expect(bytes.toString('latin1')).not.toContain('ada')
    for (const at of [0, 12, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      browser.cookies.set('raftway-session', {
        value: `1.${changed.toString('base64url')}`,
        path: '/',
      })
      expect((await browser.get('/a')).status).toBe(302)
    }
  })

  test('a login that is under way is no session', async () => {
    const { browser } = await shop()
    await browser.get('/a')
    const [login] = browser.cookies.values()
    browser.cookies.set('raftway-session', { value: `1.${login?.value}`, path: '/' })
    expect((await browser.get('/a')).status).toBe(302)
  })

  test('ends when the options say, whatever happens', async () => {
    const { bench, browser, provider } = await shop({ sessionSeconds: 60 })
    provider.habits.givesRefresh = false
    expect((await browser.logIn('/a')).status).toBe(200)
    bench.nowMs += 59_999
    expect((await browser.get('/a')).status).toBe(200)
    bench.nowMs += 1
    expect((await browser.get('/a')).status).toBe(302)
  })

  test('another Secret ends it, and without one nobody passes', async () => {
    const { bench, browser } = await shop()
    expect((await browser.logIn('/a')).status).toBe(200)
    bench.worker.adopt(secret('session', `${SESSION_SECRET}!`))
    expect((await browser.get('/a')).status).toBe(302)
    bench.worker.adopt(secret('session', SESSION_SECRET))
    expect((await browser.get('/a')).status).toBe(200)
    bench.worker.remove('Secret', 'session')
    expect((await browser.get('/a')).code).toBe('PLUGIN_UNUSABLE')
    bench.worker.adopt(secret('session', SESSION_SECRET))
    expect((await browser.get('/a')).status).toBe(200)
    bench.worker.remove('Secret', 'client')
    expect((await browser.get('/a')).code).toBe('PLUGIN_UNUSABLE')
  })

  test('of a Consumer that is disabled is refused at once', async () => {
    const { bench, browser } = await shop({ consumer: { by: 'name' } }, consumer('ada'))
    expect((await browser.logIn('/a')).status).toBe(200)
    bench.worker.adopt(consumer('ada', { enabled: false }))
    expect((await browser.get('/a')).code).toBe('CONSUMER_DISABLED')
  })

  test('that is large takes several cookies, and one that is too large is refused', async () => {
    const { bench, browser, provider } = await shop()
    provider.habits.claims = { large: 'x'.repeat(6_000) }
    expect((await browser.logIn('/a')).status).toBe(200)
    expect([...browser.cookies.keys()]).toEqual(
      [0, 1, 2].map((n) => `raftway-session${n === 0 ? '' : `.${n}`}`),
    )
    expect(bench.reached[0]).not.toContain('Cookie')
    browser.cookies.delete('raftway-session.1')
    expect((await browser.get('/a')).status).toBe(302)
    provider.habits.claims = { large: 'x'.repeat(12_000) }
    const answer = await browser.get(await browser.toCallback('/a'))
    expect([answer.status, answer.code]).toEqual([400, 'LOGIN_FAILED'])
  })
})

describe('tokens that end', () => {
  test('are refreshed half a minute before, once, whoever asks', async () => {
    const { bench, browser, provider } = await shop()
    await browser.logIn('/a')
    bench.nowMs += 269_999
    await browser.get('/a')
    expect(provider.grants).toHaveLength(1)
    bench.nowMs += 1
    const before = new Map(browser.cookies)
    const answers = await Promise.all([1, 2, 3].map(() => browser.get('/a')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    for (const { head } of answers) expect(head).toContain('Set-Cookie: raftway-session=1.')
    expect(provider.grants.map((form) => form.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ])
    const after = new Map(browser.cookies)
    // A request that was on its way with the cookie from before.
    for (const [name, cookie] of before) browser.cookies.set(name, cookie)
    expect((await browser.get('/a')).status).toBe(200)
    for (const [name, cookie] of after) browser.cookies.set(name, cookie)
    bench.nowMs += 270_000
    expect((await browser.get('/a')).status).toBe(200)
    expect(provider.grants).toHaveLength(3)
  })

  test('a provider that refuses ends the session', async () => {
    const { bench, browser, provider } = await shop()
    await browser.logIn('/a')
    provider.habits.status['/token'] = 400
    bench.nowMs += 270_000
    expect((await browser.get('/a', 'Accept: */*')).code).toBe('LOGIN_REQUIRED')
    expect(browser.cookies.has('raftway-session')).toBe(false)
  })

  test('nobody becomes somebody else', async () => {
    const { bench, browser, provider } = await shop()
    await browser.logIn('/a')
    provider.habits.claims = { sub: 'eve' }
    bench.nowMs += 270_000
    expect((await browser.get('/a')).status).toBe(302)
  })

  test('without an answer the session is good until they end, then nobody passes', async () => {
    const { bench, browser, provider } = await shop()
    await browser.logIn('/a')
    provider.habits.status['/token'] = 503
    bench.nowMs += 299_999
    expect((await browser.get('/a')).status).toBe(200)
    bench.nowMs += 1
    expect((await browser.get('/a')).code).toBe('IDENTITY_UNAVAILABLE')
    provider.habits.status = {}
    bench.nowMs += 1_000
    expect((await browser.get('/a')).status).toBe(200)
  })
})

describe('logging out', () => {
  test('ends the session here and at the provider', async () => {
    const { browser, provider } = await shop({ logoutPath: '/out', afterLogout: '/bye' })
    await browser.logIn('/a')
    const answer = await browser.get('/out')
    const url = new URL(locationOf(answer))
    expect(url.href.startsWith(`${provider.issuer}/end?tenant=1&`)).toBe(true)
    expect(url.searchParams.get('client_id')).toBe(CLIENT_ID)
    expect(url.searchParams.get('post_logout_redirect_uri')).toBe('http://shop.example/bye')
    expect(browser.cookies.size).toBe(0)
    expect((await browser.get('/a')).status).toBe(302)
  })

  test('is here alone where the provider knows of none', async () => {
    const { browser, provider } = await shop({ logoutPath: '/out' })
    provider.habits.document = { end_session_endpoint: undefined }
    await browser.logIn('/a')
    expect(locationOf(await browser.get('/out'))).toBe('http://shop.example/')
    expect(browser.cookies.size).toBe(0)
  })
})

test.each<[string, object, boolean]>([
  ['what is needed', {}, true],
  ['a path of another host', { callbackPath: '//evil.example' }, false],
  ['an issuer that is no URL', { issuer: 'javascript:alert(1)' }, false],
  ['a scope that ends a text', { requestScopes: ['a"b'] }, false],
  ['a plain secret', { sessionSecret: SESSION_SECRET }, false],
])('the leader looks at %s', (_what, options, isTaken) => {
  const given = { ...optionsFor('https://id.example'), ...options }
  expect(oidcSchema.safeParse(given).success).toBe(isTaken)
})

type Shop = {
  readonly bench: PluginBench
  readonly browser: Browser
  readonly provider: OpenIdProvider
}

async function shop(
  options: Partial<OidcOptions> = {},
  ...more: readonly (DefinitionInput | 'none')[]
): Promise<Shop> {
  const provider = await startOpenIdProvider()
  closing.push(() => provider.target.close())
  const definitions = more.filter((each) => each !== 'none')
  const bench = await pluginBench(
    {
      authentication: {
        headers: { claims: { sub: 'X-Subject' } },
        ...(more.includes('none') ? { require: 'none' } : {}),
      },
      oidc: { ...optionsFor(provider.issuer), ...options },
    },
    secret('client', CLIENT_SECRET),
    secret('session', SESSION_SECRET),
    ...definitions,
  )
  provider.habits.nowMs = () => bench.nowMs
  return { bench, browser: new Browser(bench), provider }
}

function optionsFor(issuer: string): OidcOptions {
  return {
    issuer,
    clientId: CLIENT_ID,
    clientSecret: { secret: 'client' },
    sessionSecret: { secret: 'session' },
    callbackPath: '/in',
  }
}

function secret(name: string, value: string): DefinitionInput {
  return { kind: 'Secret', name, spec: { value } }
}

function locationOf({ head }: Answer): string {
  return /^Location: (.*?)\r?$/m.exec(head)?.[1] ?? ''
}

function pathOf(location: string): string {
  const { pathname, search } = new URL(location)
  return pathname + search
}
