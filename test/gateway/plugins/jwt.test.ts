/**
 * Goal: jwt believes a token that a trusted issuer has signed, says what it should, and is good now; and nothing else.
 * Method: tokens made by hand with node:crypto, keys in options or on a server of JWK sets, a clock that the test moves.
 */
import { createServer as createTlsServer } from 'node:https'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Consumers } from '../../../gateway/consumers/consumers.ts'
import { jwt } from '../../../gateway/plugins/jwt.ts'
import { Secrets } from '../../../gateway/secrets/secrets.ts'
import { RequestContext } from '../../../gateway/request-context.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { jwtSchema, type JwtOptions } from '../../../shared/plugins/jwt.ts'
import { startTarget, type TestTarget } from '../support/target.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { inputOf, newSigner, sharedToken, token, type Signer } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { consumer, golden, plan, pluginBench, T0, type PluginBench } from './support.ts'

const ISSUER = 'https://id.example'
const NOW = T0 / 1_000
const SHARED = 'a text that both sides of it know, and nobody else'
const rsa = newSigner('RS256', 'rsa')
const other = newSigner('RS256', 'rsa')
const ec = newSigner('ES256', 'ec')
const PEM = pemOf(rsa)
const ERRORS = { TOKEN_INVALID: 'invalid_token', SCOPE_INSUFFICIENT: 'insufficient_scope' }
const CLAIMS = { iss: ISSUER, sub: 'ada', exp: NOW + 600 }

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

test('a good token lets pass; what reaches the target', async () => {
  const bench = await pluginBench(
    {
      authentication: {
        headers: { claims: { sub: 'X-Subject', 'realm.roles': 'X-Realm-Roles', none: 'X-None' } },
      },
      jwt: {
        keys: [{ pem: PEM }],
        issuers: [ISSUER],
        audiences: ['shop', 'bank'],
        scopes: { plans: { read: 'readers' } },
        consumer: {},
      },
    },
    consumer('ada', {
      roles: ['own'],
      credentials: { subjects: [{ issuer: ISSUER, subject: 'ada' }] },
    }),
    plan('readers', { roles: ['reader'] }),
  )
  const shown = token(rsa, {
    ...CLAIMS,
    aud: 'shop',
    scope: 'read x',
    realm: { roles: ['a', 'b'] },
  })
  const answer = await bench.get(
    `Authorization: Bearer ${shown}`,
    'X-Subject: forged',
    'X-None: forged',
    'X-Other: 1',
  )
  expect(answer.status).toBe(200)
  expect(golden(bench.reached[0])).toBe(
    [
      'GET / HTTP/1.1',
      'Host: shop.example',
      'X-Other: 1',
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Port: *',
      'X-Request-Id: *',
      'Via: 1.1 raftway',
      'X-Consumer-Name: ada',
      'X-Consumer-Roles: own,reader',
      'X-Subject: ada',
      'X-Realm-Roles: ["a","b"]',
      '',
      '',
    ].join('\n'),
  )
})

test.each([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
])('%s, with the key as PEM and as JWK', async (algorithm) => {
  // RSA keys take a while to make, and are for all of its algorithms.
  const isRsa = /^[RP]S/.test(algorithm)
  const signer = isRsa ? { ...rsa, algorithm } : newSigner(algorithm, 'k')
  const stranger = isRsa ? { ...other, algorithm } : newSigner(algorithm, 'k')
  for (const key of [{ pem: pemOf(signer) }, { jwk: { ...signer.jwk } }] as JwtOptions['keys']) {
    const bench = await withKeys({ keys: [key] })
    expect(await codeOf(bench, token(signer, CLAIMS))).toBeNull()
    expect(await codeOf(bench, token(stranger, CLAIMS))).toBe('TOKEN_INVALID')
  }
})

test.each(['HS256', 'HS384', 'HS512'])('%s, with the key as a Secret', async (algorithm) => {
  const bench = await withKeys({ keys: [{ secret: 'shared' }] }, secret('shared', SHARED))
  expect(await codeOf(bench, sharedToken(algorithm, SHARED, CLAIMS))).toBeNull()
  expect(await codeOf(bench, sharedToken(algorithm, `${SHARED}.`, CLAIMS))).toBe('TOKEN_INVALID')
})

test('the token of RFC 7515 A.1 is good by its own key, up to its end', async () => {
  const text =
    'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow'
  const shown =
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
  const keys: JwtOptions['keys'] = [{ secret: 'rfc', encoding: 'base64' }]
  const bench = await withKeys(
    { keys, skewSeconds: 0, claims: { 'http://example.com/is_root': true } },
    secret('rfc', text),
  )
  bench.nowMs = 1_300_819_379_999
  expect(await codeOf(bench, shown)).toBeNull()
  bench.nowMs += 1
  expect(await codeOf(bench, shown)).toBe('TOKEN_EXPIRED')
})

describe('what is no token of the issuer', () => {
  const good = token(rsa, CLAIMS)
  const [header = '', claims = '', signature = ''] = good.split('.')
  const spki = rsa.publicKey.export({ format: 'der', type: 'spki' }).toString('latin1')

  test.each([
    ['a token without a signature', `${inputOf({ alg: 'none' }, CLAIMS)}.`],
    ['alg none with a signature', `${inputOf({ alg: 'none' }, CLAIMS)}.${signature}`],
    ['alg nOnE', `${inputOf({ alg: 'nOnE' }, CLAIMS)}.${signature}`],
    ['HS256 with the PEM as the key', sharedToken('HS256', PEM, CLAIMS)],
    ['HS256 with the PEM without its last line end', sharedToken('HS256', PEM.trim(), CLAIMS)],
    ['HS512 with the bytes of the public key', sharedToken('HS512', spki, CLAIMS)],
    ['HS256 with an empty key', sharedToken('HS256', '', CLAIMS)],
    [
      'other claims',
      `${header}.${inputOf({}, { ...CLAIMS, sub: 'eve' }).split('.')[1]}.${signature}`,
    ],
    [
      'another signature',
      `${header}.${claims}.${signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`,
    ],
    ['half a signature', `${header}.${claims}.${signature.slice(0, 100)}`],
    ['another key', token(other, CLAIMS)],
    ['a key of another kind', token(ec, CLAIMS)],
    ['a key that the token brings along', token(other, CLAIMS, { jwk: other.jwk })],
    ['a kid that leads elsewhere', token(other, CLAIMS, { kid: '../../etc/passwd' })],
    ['an extension that nobody knows', token(rsa, CLAIMS, { crit: ['x'], x: 1 })],
    ['claims that are not encoded', token(rsa, CLAIMS, { crit: ['b64'], b64: false })],
    ['an algorithm that is no text', token(rsa, CLAIMS, { alg: ['RS256'] })],
    ['claims that are a list', token(rsa, [CLAIMS])],
    ['four parts', `${good}.${signature}`],
    ['two parts', `${header}.${claims}`],
    ['an opaque token', 'abcdef'],
    ['a token that is too long', token(rsa, { ...CLAIMS, x: 'x'.repeat(12_300) })],
    ['a character that no token has', `${good}=`],
  ])('%s', async (_what, shown) => {
    const bench = await withKeys({})
    const answer = await bench.get(`Authorization: Bearer ${shown}`)
    expect([answer.status, answer.code]).toEqual([401, 'TOKEN_INVALID'])
    expect(answer.head).toContain('WWW-Authenticate: Bearer error="invalid_token"')
    expect(answer.head + answer.body).not.toContain(shown)
    expect(bench.reached).toEqual([])
  })

  test('the same key passes where its token is whole', async () => {
    expect(await codeOf(await withKeys({}), good)).toBeNull()
  })

  test('two tokens in two fields are none', async () => {
    const bench = await withKeys({})
    const field = `Authorization: Bearer ${good}`
    expect((await bench.get(field, field)).code).toBe('TOKEN_INVALID')
  })

  test('an algorithm that is not listed is refused, though its key would do', async () => {
    const bench = await withKeys({ algorithms: ['RS512', 'ES256'] })
    expect(await codeOf(bench, good)).toBe('TOKEN_INVALID')
    expect(await codeOf(bench, token({ ...rsa, algorithm: 'RS512' }, CLAIMS))).toBeNull()
  })

  test('a JWK that names its algorithm is for no other', async () => {
    const bench = await withKeys({ keys: [{ jwk: { ...rsa.jwk, alg: 'RS256' } }] })
    expect(await codeOf(bench, token({ ...rsa, algorithm: 'PS256' }, CLAIMS))).toBe('TOKEN_INVALID')
    expect(await codeOf(bench, good)).toBeNull()
  })
})

test.each([
  ['none at all', []],
  ['other credentials', ['Authorization: Basic YTpi']],
  ['a scheme that only begins so', ['Authorization: Bearerx y']],
  ['a token where none is looked for', [`X-Token: ${token(rsa, CLAIMS)}`]],
])('%s is no token', async (_what, fields) => {
  const bench = await withKeys({})
  const answer = await bench.get(...fields)
  expect([answer.status, answer.code]).toEqual([401, 'TOKEN_MISSING'])
  expect(answer.head).toMatch(/WWW-Authenticate: Bearer\r?$/m)
})

describe('when a token is good', () => {
  /** After so many milliseconds, what a token is refused with. */
  type Step = readonly [afterMs: number, code: string | null]

  test.each<[string, object, Step, Step]>([
    ['exp', { exp: NOW + 100 }, [129_999, null], [130_000, 'TOKEN_EXPIRED']],
    ['nbf', { nbf: NOW + 100 }, [69_999, 'TOKEN_INVALID'], [70_000, null]],
    ['iat', { iat: NOW + 100 }, [69_999, 'TOKEN_INVALID'], [70_000, null]],
  ])('%s, by at most the skew', async (_claim, claims, ...steps) => {
    const bench = await withKeys({})
    const shown = token(rsa, { ...CLAIMS, ...claims })
    for (const [ms, code] of steps) {
      bench.nowMs = T0 + ms
      expect(await codeOf(bench, shown)).toBe(code)
    }
    const [, [afterMs, code]] = steps
    const fresh = await withKeys({})
    fresh.nowMs = T0 + afterMs
    expect(await codeOf(fresh, shown)).toBe(code)
  })

  test('a token must have an end, unless none is needed', async () => {
    const shown = token(rsa, { ...CLAIMS, exp: undefined })
    expect(await codeOf(await withKeys({}), shown)).toBe('TOKEN_INVALID')
    expect(await codeOf(await withKeys({ requireExpiry: false }), shown)).toBeNull()
    const odd = token(rsa, { ...CLAIMS, exp: String(NOW + 600) })
    expect(await codeOf(await withKeys({ requireExpiry: false }), odd)).toBe('TOKEN_INVALID')
  })

  test('a token must not be older than it may, and say how old it is', async () => {
    const bench = await withKeys({ maxAgeSeconds: 60, skewSeconds: 0 })
    const shown = token(rsa, { ...CLAIMS, iat: NOW })
    bench.nowMs = T0 + 60_000
    expect(await codeOf(bench, shown)).toBeNull()
    bench.nowMs = T0 + 61_000
    expect(await codeOf(bench, shown)).toBe('TOKEN_EXPIRED')
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBe('TOKEN_INVALID')
  })
})

describe('what a token says', () => {
  test.each<[string, Partial<JwtOptions>, object, string | null]>([
    ['the issuer', { issuers: ['a', ISSUER] }, {}, null],
    ['another issuer', { issuers: ['a'] }, {}, 'TOKEN_INVALID'],
    ['no issuer', { issuers: ['a'] }, { iss: undefined }, 'TOKEN_INVALID'],
    ['the audience among several', { audiences: ['b', 'c'] }, { aud: ['a', 'b'] }, null],
    ['another audience', { audiences: ['b'] }, { aud: 'bb' }, 'TOKEN_INVALID'],
    ['no audience', { audiences: ['b'] }, {}, 'TOKEN_INVALID'],
    ['a value', { claims: { tenant: 'x' } }, { tenant: 'x' }, null],
    ['another value', { claims: { tenant: 'x' } }, { tenant: 'y' }, 'SCOPE_INSUFFICIENT'],
    ['a value of another type', { claims: { n: 1 } }, { n: '1' }, 'SCOPE_INSUFFICIENT'],
    ['one of several', { claims: { tenant: ['x', 'y'] } }, { tenant: 'y' }, null],
    ['one in a list', { claims: { groups: ['x', 'y'] } }, { groups: ['z', 'y'] }, null],
    ['none in a list', { claims: { groups: ['x'] } }, { groups: ['z'] }, 'SCOPE_INSUFFICIENT'],
    ['a nested claim', { claims: { 'a.b': 'x' } }, { a: { b: ['x'] } }, null],
    ['a claim with a dot', { claims: { 'a.b': 'x' } }, { 'a.b': 'x' }, null],
    [
      'a claim of every object',
      { claims: { 'a.constructor': { present: true } } },
      { a: {} },
      'SCOPE_INSUFFICIENT',
    ],
    ['a claim that is there', { claims: { x: { present: true } } }, { x: 0 }, null],
    [
      'a claim that is null',
      { claims: { x: { present: true } } },
      { x: null },
      'SCOPE_INSUFFICIENT',
    ],
    ['the scopes', { scopes: { required: ['a', 'b'] } }, { scope: 'b c a' }, null],
    ['scopes in a list', { scopes: { required: ['a'] } }, { scp: ['a'] }, null],
    ['scopes elsewhere', { scopes: { claim: 'p.s', required: ['a'] } }, { p: { s: 'a' } }, null],
    [
      'too few scopes',
      { scopes: { required: ['a', 'b'] } },
      { scope: 'a bb' },
      'SCOPE_INSUFFICIENT',
    ],
    [
      'no scope that gives a plan',
      { scopes: { plans: { a: 'p' } } },
      { scope: 'b' },
      'SCOPE_INSUFFICIENT',
    ],
    ['the type', { type: 'at+jwt' }, {}, 'TOKEN_INVALID'],
    ['an id that was revoked', { revoked: ['7', '8'] }, { jti: '8' }, 'TOKEN_INVALID'],
    ['an id that was not', { revoked: ['7', '8'] }, { jti: '88' }, null],
  ])('%s', async (_what, options, claims, code) => {
    const bench = await withKeys(options)
    const answer = await bench.get(`Authorization: Bearer ${token(rsa, { ...CLAIMS, ...claims })}`)
    expect(answer.code).toBe(code)
    expect(answer.status).toBe(code === null ? 200 : code === 'TOKEN_INVALID' ? 401 : 403)
    const error = /error="([a-z_]+)"/.exec(answer.head)?.[1] ?? null
    expect(error).toBe(code === null ? null : ERRORS[code as keyof typeof ERRORS])
  })

  test('the type, with and without application/ before it', async () => {
    const bench = await withKeys({ type: 'at+jwt' })
    for (const typ of ['at+jwt', 'application/at+jwt']) {
      expect(await codeOf(bench, token(rsa, CLAIMS, { typ }))).toBeNull()
    }
    expect(await codeOf(bench, token(rsa, CLAIMS, { typ: 'JWT' }))).toBe('TOKEN_INVALID')
  })

  test('a refusal for want of scopes names them', async () => {
    const bench = await withKeys({ scopes: { required: ['a:b', 'c'] } })
    const answer = await bench.get(`Authorization: Bearer ${token(rsa, CLAIMS)}`)
    expect(answer.head).toContain('error="insufficient_scope", scope="a:b c"')
  })
})

describe('who bears it', () => {
  const bound = (name: string, issuer?: string): DefinitionInput =>
    consumer(name, {
      credentials: { subjects: [{ subject: 'ada', ...(issuer === undefined ? {} : { issuer }) }] },
    })

  test.each<[string, JwtOptions['consumer'], readonly DefinitionInput[], string | null]>([
    ['of the issuer', {}, [bound('one', ISSUER), bound('two')], 'one'],
    ['of any issuer', {}, [bound('one', 'https://other.example'), bound('two')], 'two'],
    ['of another issuer', {}, [bound('one', 'https://other.example')], null],
    ['by name', { by: 'name' }, [consumer('ada')], 'ada'],
    ['by the name in another claim', { by: 'name', claim: 'x.y' }, [consumer('eve')], 'eve'],
    ['by no name', { by: 'name', claim: 'none' }, [consumer('ada')], null],
  ])('a Consumer %s', async (_how, how, consumers, name) => {
    const options = { consumer: how }
    const bench = await withKeys(options, ...consumers)
    const answer = await bench.get(
      `Authorization: Bearer ${token(rsa, { ...CLAIMS, x: { y: 'eve' } })}`,
    )
    expect(answer.code).toBe(name === null ? 'ACCESS_DENIED' : null)
    const reached = /X-Consumer-Name: (.*)\r/.exec(bench.reached[0] ?? '')
    expect(reached?.[1] ?? null).toBe(name)
  })

  test('nobody, where no Consumer is needed', async () => {
    for (const options of [{}, { consumer: { required: false } }]) {
      const bench = await withKeys(options)
      expect(await codeOf(bench, token(rsa, CLAIMS))).toBeNull()
      expect(bench.reached[0]).not.toContain('X-Consumer-Name')
    }
  })

  test('a change of Consumers counts from the next request on, for a token that is known', async () => {
    const bench = await withKeys({ consumer: {} }, bound('one'))
    const shown = token(rsa, CLAIMS)
    for (let times = 0; times < 3; times++) expect(await codeOf(bench, shown)).toBeNull()
    bench.worker.adopt(
      consumer('one', { enabled: false, credentials: { subjects: [{ subject: 'ada' }] } }),
    )
    expect(await codeOf(bench, shown)).toBe('CONSUMER_DISABLED')
    bench.worker.adopt(consumer('one'))
    expect(await codeOf(bench, shown)).toBe('ACCESS_DENIED')
    bench.worker.adopt(bound('two'))
    expect(await codeOf(bench, shown)).toBeNull()
    expect(bench.reached.at(-1)).toContain('X-Consumer-Name: two')
    bench.worker.remove('Consumer', 'two')
    expect(await codeOf(bench, shown)).toBe('ACCESS_DENIED')
  })
})

describe('where it stands', () => {
  const shown = token(rsa, CLAIMS)
  const places = { header: 'X-Token', query: 'access_token', cookie: 'token' }

  test.each([
    ['the header', 'GET /a?b=1 HTTP/1.1', `X-Token: ${shown}`],
    ['the header as a bearer token', 'GET /a?b=1 HTTP/1.1', `X-Token: bEaReR  ${shown}`],
    ['the query', `GET /a?access_token=${shown}&b=1 HTTP/1.1`, 'X-A: 1'],
    ['a cookie', 'GET /a?b=1 HTTP/1.1', `Cookie: c=1; token=${shown}; d=2`],
  ])('%s', async (_place, line, field) => {
    const bench = await withKeys(places)
    for (let times = 0; times < 2; times++) {
      expect((await bench.ask(`${line}\r\n${field}\r\n`)).status).toBe(200)
      expect(bench.reached[times]).not.toContain(shown)
      expect(bench.reached[times]).toContain('GET /a?b=1 HTTP/1.1')
    }
  })

  test('other cookies stay', async () => {
    const bench = await withKeys(places)
    await bench.get(`Cookie: c=1; token=${shown}; d=2`)
    expect(bench.reached[0]).toContain('Cookie: c=1; d=2\r\n')
    await bench.get(`Cookie: token=${shown}`)
    expect(bench.reached[1]).not.toContain('Cookie')
  })

  test('keep leaves it where it is', async () => {
    const bench = await withKeys({ keep: true })
    await bench.get(`Authorization: Bearer ${shown}`)
    expect(bench.reached[0]).toContain(`Authorization: Bearer ${shown}`)
  })

  test('other credentials in Authorization stay', async () => {
    const bench = await withKeys({ query: 'access_token' })
    await bench.ask(`GET /?access_token=${shown} HTTP/1.1\r\nAuthorization: Basic YTpi\r\n`)
    expect(bench.reached[0]).toContain('Authorization: Basic YTpi')
  })
})

describe('a Secret as the key', () => {
  const keys: JwtOptions['keys'] = [{ secret: 'shared' }]
  const shown = sharedToken('HS256', SHARED, CLAIMS)

  test('another text ends every token of the one before, also those that are known', async () => {
    const bench = await withKeys({ keys }, secret('shared', SHARED))
    for (let times = 0; times < 3; times++) expect(await codeOf(bench, shown)).toBeNull()
    bench.worker.adopt(secret('shared', `${SHARED}!`))
    expect(await codeOf(bench, shown)).toBe('TOKEN_INVALID')
    expect(await codeOf(bench, sharedToken('HS256', `${SHARED}!`, CLAIMS))).toBeNull()
  })

  test('without it nobody passes', async () => {
    const bench = await withKeys({ keys }, secret('shared', SHARED))
    expect(await codeOf(bench, shown)).toBeNull()
    bench.worker.remove('Secret', 'shared')
    const answer = await bench.get(`Authorization: Bearer ${shown}`)
    expect([answer.status, answer.code]).toEqual([500, 'PLUGIN_UNUSABLE'])
  })

  test('31 bytes are no key', async () => {
    const short = SHARED.slice(0, 31)
    const bench = await withKeys({ keys }, secret('shared', short))
    expect(await codeOf(bench, sharedToken('HS256', short, CLAIMS))).toBe('PLUGIN_UNUSABLE')
  })

  test('what is signed with a text is never checked with a public key, nor the other way round', async () => {
    const bench = await withKeys({ keys: [{ pem: PEM }, ...keys] }, secret('shared', PEM))
    expect(await codeOf(bench, sharedToken('HS256', PEM, CLAIMS))).toBeNull()
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBeNull()
    const onlyPublic = await withKeys({ keys: [{ pem: PEM }] }, secret('shared', PEM))
    expect(await codeOf(onlyPublic, sharedToken('HS256', PEM, CLAIMS))).toBe('TOKEN_INVALID')
  })
})

describe('keys at a URL', () => {
  test('they are asked for once, whatever number of tokens', async () => {
    const issuer = await startIssuer(rsa, ec)
    const bench = await withKeys({ keys: [{ jwks: issuer.url }] })
    const shown = [1, 2, 3].flatMap((n) => [
      token(rsa, { ...CLAIMS, n }),
      token(ec, { ...CLAIMS, n }),
    ])
    expect(await Promise.all(shown.map((each) => codeOf(bench, each)))).toEqual(
      shown.map(() => null),
    )
    expect(issuer.requests).toHaveLength(1)
  })

  test('a token that is known needs no key, and no promise', async () => {
    const issuer = await startIssuer(rsa)
    const parts = {
      consumers: new Consumers(),
      secrets: new Secrets([]),
      epochMs: () => T0,
    }
    const { authenticate } = jwt({ keys: [{ jwks: issuer.url }] }, parts, { leavesOpaque: false })
    const field = `Bearer ${token(rsa, CLAIMS)}`
    const context: RequestContext = Object.assign(
      Object.create(RequestContext.prototype) as RequestContext,
      { dropped: null, exchange: { query: '', header: () => field } },
    )
    const waited: boolean[] = []
    for (let times = 0; times < 4; times++) {
      const result = authenticate(context)
      waited.push(result instanceof Promise)
      expect(await result).toMatchObject({ claims: { sub: 'ada' } })
    }
    // The second finds the keys changed: there were none before.
    expect(waited).toEqual([true, true, false, false])
    expect(issuer.requests).toHaveLength(1)
  })

  test('an unknown key is looked for, but not more than once in ten seconds', async () => {
    const keys = [rsa]
    const issuer = await startIssuerOf(() => keys)
    const bench = await withKeys({ keys: [{ jwks: issuer.url }] })
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBeNull()
    const next = newSigner('ES256', 'next')
    keys.push(next)
    bench.nowMs += 9_999
    expect(await codeOf(bench, token(next, CLAIMS))).toBe('TOKEN_INVALID')
    expect(issuer.requests).toHaveLength(1)
    bench.nowMs += 1
    expect(await codeOf(bench, token(next, CLAIMS))).toBeNull()
    const strange = newSigner('ES256', 'strange')
    for (let n = 0; n < 5; n++)
      expect(await codeOf(bench, token(strange, { ...CLAIMS, n }))).toBe('TOKEN_INVALID')
    expect(issuer.requests).toHaveLength(2)
  })

  test('a key that is gone ends its tokens once the set is old, also those that are known', async () => {
    let keys = [rsa, ec]
    const issuer = await startIssuerOf(() => keys)
    const bench = await withKeys({ keys: [{ jwks: issuer.url, cacheSeconds: 60 }] })
    const [first, second] = [token(rsa, CLAIMS), token(ec, CLAIMS)]
    for (let times = 0; times < 3; times++) {
      for (const each of [first, second]) expect(await codeOf(bench, each)).toBeNull()
    }
    keys = [ec]
    bench.nowMs += 59_999
    expect(await codeOf(bench, first)).toBeNull()
    bench.nowMs += 1
    await until('the key to be gone', async () => (await codeOf(bench, first)) === 'TOKEN_INVALID')
    expect(await codeOf(bench, second)).toBeNull()
    expect(issuer.requests.length).toBe(2)
  })

  test('an issuer that fails is asked ever more rarely, and its keys are good for as long as they may be', async () => {
    let status = 200
    const issuer = await startIssuerOf(
      () => [rsa],
      () => status,
    )
    const bench = await withKeys({
      keys: [{ jwks: issuer.url, cacheSeconds: 60, staleSeconds: 100 }],
    })
    const later = (n: number): string => token(rsa, { ...CLAIMS, n })
    expect(await codeOf(bench, later(1))).toBeNull()
    status = 500
    bench.nowMs += 60_000
    expect(await codeOf(bench, later(2))).toBeNull()
    expect(await codeOf(bench, later(3))).toBeNull()
    expect(issuer.requests).toHaveLength(2)
    bench.nowMs += 1_000
    expect(await codeOf(bench, later(4))).toBeNull()
    bench.nowMs += 1_000
    expect(await codeOf(bench, later(5))).toBeNull()
    expect(issuer.requests).toHaveLength(3)
    bench.nowMs = T0 + 159_999
    expect(await codeOf(bench, later(6))).toBeNull()
    bench.nowMs = T0 + 160_000
    const answer = await bench.get(`Authorization: Bearer ${later(6)}`)
    expect([answer.status, answer.code]).toEqual([503, 'IDENTITY_UNAVAILABLE'])
    expect(answer.head).toContain('Retry-After: 1')
    status = 200
    bench.nowMs += 30_000
    expect(await codeOf(bench, later(6))).toBeNull()
  })

  test.each<[string, (response: ServerResponse) => void]>([
    ['nothing', () => {}],
    ['no JSON', (response) => response.end('<html>')],
    ['no keys', (response) => response.end('{"keys":{}}')],
    ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
    ['too much', (response) => response.end(`{"keys":[],"x":"${'x'.repeat(600_000)}"}`)],
  ])('%s in place of keys lets nobody pass', async (_what, answer) => {
    const target = await startTarget((_request, response) => answer(response))
    closing.push(() => target.close())
    const bench = await withKeys({ keys: [{ jwks: `${target.url}/keys`, timeoutMs: 100 }] })
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBe('IDENTITY_UNAVAILABLE')
    expect(target.requests).toHaveLength(1)
  })

  test('a certificate that nobody vouches for', async () => {
    const pair = await (await TestAuthority.make('Nobody')).issue(['localhost'])
    const server = createTlsServer(
      { cert: pair.certificate, key: pair.key },
      (_request, response) => {
        response.end(JSON.stringify({ keys: [rsa.jwk] }))
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    closing.push(async () => void server.close())
    const { port } = server.address() as AddressInfo
    const bench = await withKeys({ keys: [{ jwks: `https://localhost:${port}/` }] })
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBe('IDENTITY_UNAVAILABLE')
  })

  test('a set is good only for the issuer that it belongs to', async () => {
    const [mine, yours] = [await startIssuer(rsa), await startIssuer(other)]
    const bench = await withKeys({
      keys: [
        { jwks: mine.url, issuer: 'mine' },
        { jwks: yours.url, issuer: 'yours' },
      ],
    })
    expect(await codeOf(bench, token(rsa, { ...CLAIMS, iss: 'mine' }))).toBeNull()
    expect(yours.requests).toHaveLength(0)
    expect(await codeOf(bench, token(other, { ...CLAIMS, iss: 'yours' }))).toBeNull()
    expect(await codeOf(bench, token(rsa, { ...CLAIMS, iss: 'yours' }))).toBe('TOKEN_INVALID')
  })

  test('symmetric keys and those for encryption are none', async () => {
    const shared = { kty: 'oct', k: Buffer.from(SHARED).toString('base64url'), kid: 'oct' }
    const target = await startTarget((_request, response) => {
      response.end(
        JSON.stringify({
          keys: [shared, { ...rsa.jwk, use: 'enc' }, 7, null, { kty: 'RSA' }, ec.jwk],
        }),
      )
    })
    closing.push(() => target.close())
    const bench = await withKeys({ keys: [{ jwks: target.url }] })
    expect(await codeOf(bench, sharedToken('HS256', SHARED, CLAIMS))).toBe('TOKEN_INVALID')
    expect(await codeOf(bench, token(rsa, CLAIMS))).toBe('TOKEN_INVALID')
    expect(await codeOf(bench, token(ec, CLAIMS))).toBeNull()
  })
})

describe('what the leader takes', () => {
  const privatePem = rsa.privateKey.export({ format: 'pem', type: 'pkcs8' })
  const shared = { kty: 'oct', k: Buffer.from(SHARED).toString('base64url') }

  test.each<[string, object, boolean]>([
    ['a public key', { keys: [{ pem: PEM }] }, true],
    ['a private key', { keys: [{ pem: privatePem }] }, false],
    ['no key', { keys: [{ pem: 'x' }] }, false],
    ['a public JWK', { keys: [{ jwk: rsa.jwk }] }, true],
    ['a private JWK', { keys: [{ jwk: rsa.privateKey.export({ format: 'jwk' }) }] }, false],
    ['a symmetric JWK', { keys: [{ jwk: shared }] }, false],
    ['a URL', { keys: [{ jwks: 'https://id.example/keys' }] }, true],
    ['a URL with credentials', { keys: [{ jwks: 'https://a:b@id.example/keys' }] }, false],
    ['a file', { keys: [{ jwks: 'file:///etc/passwd' }] }, false],
    ['the algorithm none', { keys: [{ pem: PEM }], algorithms: ['none'] }, false],
    ['no keys', { keys: [] }, false],
    ['two kinds in one key', { keys: [{ pem: PEM, secret: 'a' }] }, false],
  ])('%s', (_what, options, isTaken) => {
    expect(jwtSchema.safeParse(options).success).toBe(isTaken)
  })
})

async function withKeys(
  options: Partial<JwtOptions>,
  ...definitions: readonly DefinitionInput[]
): Promise<PluginBench> {
  return pluginBench({ jwt: { keys: [{ pem: PEM }], ...options } }, ...definitions)
}

async function codeOf(bench: PluginBench, shown: string): Promise<string | null> {
  return (await bench.get(`Authorization: Bearer ${shown}`)).code
}

function secret(name: string, value: string): DefinitionInput {
  return { kind: 'Secret', name, spec: { value } }
}

function pemOf({ publicKey }: Signer): string {
  return publicKey.export({ format: 'pem', type: 'spki' })
}

async function startIssuer(...signers: readonly Signer[]): Promise<TestTarget> {
  return startIssuerOf(() => signers)
}

async function startIssuerOf(
  signers: () => readonly Signer[],
  status: () => number = () => 200,
): Promise<TestTarget> {
  const target = await startTarget((_request, response) => {
    response.writeHead(status()).end(JSON.stringify({ keys: signers().map(({ jwk }) => jwk) }))
  })
  closing.push(() => target.close())
  return target
}
