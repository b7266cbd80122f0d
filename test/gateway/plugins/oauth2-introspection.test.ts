/**
 * Goal: oauth2-introspection lets pass whom the server vouches for, for as long as it may believe that; and nobody without it.
 * Method: a real server of RFC 7662 whose answers the test chooses, a clock that the test moves.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import type { Oauth2IntrospectionOptions } from '../../../shared/plugins/oauth2-introspection.ts'
import { basic, CLIENT_ID, CLIENT_SECRET, textOf } from '../support/openid-provider.ts'
import { startTarget } from '../support/target.ts'
import { newSigner, token } from '../support/tokens.ts'
import { consumer, golden, plan, pluginBench, T0, type PluginBench } from './support.ts'

const NOW = T0 / 1_000
const SECRET: DefinitionInput = { kind: 'Secret', name: 'client', spec: { value: CLIENT_SECRET } }

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

test('an active token lets pass; what reaches the target, and the server', async () => {
  const server = await startServer({ iss: 'x', sub: 'ada', scope: 'read' })
  const bench = await benchFor(
    server,
    { scopes: { plans: { read: 'readers' } }, consumer: { by: 'name' } },
    consumer('ada'),
    plan('readers', { roles: ['reader'] }),
  )
  expect((await bench.get('Authorization: Bearer opaque+/=', 'X-Other: 1')).status).toBe(200)
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
      'X-Consumer-Roles: reader',
      '',
      '',
    ].join('\n'),
  )
  expect(server.asked).toEqual([{ token: 'opaque+/=', token_type_hint: 'access_token' }])
  const [request] = server.requests
  expect(request?.method).toBe('POST')
  expect(request?.headers.authorization).toBe(basic(CLIENT_ID, CLIENT_SECRET))
})

test('the client may show itself in the form', async () => {
  const server = await startServer({})
  const bench = await benchFor(server, { clientAuth: 'post' })
  expect(await codeOf(bench)).toBeNull()
  expect(server.asked[0]).toMatchObject({ client_id: CLIENT_ID, client_secret: CLIENT_SECRET })
  expect(server.requests[0]?.headers.authorization).toBeUndefined()
})

test.each<[string, object, Partial<Oauth2IntrospectionOptions>, string | null]>([
  ['not active', { active: false }, {}, 'TOKEN_INVALID'],
  ['active as a text', { active: 'true' }, {}, 'IDENTITY_UNAVAILABLE'],
  ['active until a moment ago', { exp: NOW - 30 }, {}, 'TOKEN_EXPIRED'],
  ['active until a moment ago, by the skew', { exp: NOW - 29 }, {}, null],
  ['active later', { nbf: NOW + 31 }, {}, 'TOKEN_INVALID'],
  ['of the issuer', { iss: 'a' }, { issuers: ['b', 'a'] }, null],
  ['of another issuer', { iss: 'a' }, { issuers: ['b'] }, 'TOKEN_INVALID'],
  ['of no issuer', {}, { issuers: ['b'] }, 'TOKEN_INVALID'],
  ['for the audience', { aud: ['a', 'b'] }, { audiences: ['b'] }, null],
  ['for another audience', { aud: 'a' }, { audiences: ['b'] }, 'TOKEN_INVALID'],
  ['without a scope', { scope: 'a' }, { scopes: { required: ['b'] } }, 'SCOPE_INSUFFICIENT'],
  ['without a claim', {}, { claims: { username: 'ada' } }, 'SCOPE_INSUFFICIENT'],
  ['of nobody', { sub: 'eve' }, { consumer: {} }, 'ACCESS_DENIED'],
])('%s', async (_what, told, options, code) => {
  const bench = await benchFor(await startServer(told), options)
  expect(await codeOf(bench)).toBe(code)
  expect(bench.reached).toHaveLength(code === null ? 1 : 0)
})

test('no token, and one that is too long, are not asked about', async () => {
  const server = await startServer({})
  const bench = await benchFor(server)
  expect((await bench.get()).code).toBe('TOKEN_MISSING')
  expect(await codeOf(bench, 'x'.repeat(16_385))).toBe('TOKEN_INVALID')
  expect(server.asked).toEqual([])
})

describe('for how long an answer is believed', () => {
  test('requests with one token share a question, and its answer for a minute', async () => {
    const server = await startServer({})
    const bench = await benchFor(server)
    const codes = await Promise.all([1, 2, 3, 4].map(() => codeOf(bench)))
    expect(codes).toEqual([null, null, null, null])
    bench.nowMs += 59_999
    expect(await codeOf(bench)).toBeNull()
    expect(server.asked).toHaveLength(1)
    server.told = { active: false }
    bench.nowMs += 1
    expect(await codeOf(bench)).toBe('TOKEN_INVALID')
    expect(server.asked).toHaveLength(2)
  })

  test('never beyond the end of the token', async () => {
    const server = await startServer({ exp: NOW + 10 })
    const bench = await benchFor(server, { skewSeconds: 0, cacheSeconds: 3_600, staleSeconds: 60 })
    bench.nowMs += 9_999
    expect(await codeOf(bench)).toBeNull()
    bench.nowMs += 1
    expect(await codeOf(bench)).toBe('TOKEN_EXPIRED')
    server.status = 500
    bench.nowMs += 5_000
    expect(await codeOf(bench)).toBe('IDENTITY_UNAVAILABLE')
  })

  test('what is not active is not asked about for five seconds', async () => {
    const server = await startServer({ active: false })
    const bench = await benchFor(server)
    for (let times = 0; times < 3; times++) expect(await codeOf(bench)).toBe('TOKEN_INVALID')
    expect(server.asked).toHaveLength(1)
    server.told = {}
    bench.nowMs += 4_999
    expect(await codeOf(bench)).toBe('TOKEN_INVALID')
    bench.nowMs += 1
    expect(await codeOf(bench)).toBeNull()
    expect(server.asked).toHaveLength(2)
  })

  test('a Consumer that is disabled is refused at once', async () => {
    const server = await startServer({ sub: 'ada' })
    const bench = await benchFor(server, { consumer: { by: 'name' } }, consumer('ada'))
    expect(await codeOf(bench)).toBeNull()
    bench.worker.adopt(consumer('ada', { enabled: false }))
    expect(await codeOf(bench)).toBe('CONSUMER_DISABLED')
    expect(server.asked).toHaveLength(1)
  })
})

describe('without an answer', () => {
  test.each([500, 401, 302])('status %i is none: nobody passes', async (status) => {
    const server = await startServer({})
    server.status = status
    const answer = await (await benchFor(server)).get('Authorization: Bearer t')
    expect([answer.status, answer.code]).toEqual([503, 'IDENTITY_UNAVAILABLE'])
    expect(answer.head).toContain('Retry-After: 1')
  })

  test('a server that takes too long, or is gone', async () => {
    const silent = await startTarget(() => {})
    closing.push(() => silent.close())
    const bench = await benchFor({ url: silent.url }, { timeoutMs: 50 })
    expect(await codeOf(bench)).toBe('IDENTITY_UNAVAILABLE')
    await silent.close()
    expect(await codeOf(bench)).toBe('IDENTITY_UNAVAILABLE')
  })

  test('who passed before passes for as long as the options say, and nobody else', async () => {
    const server = await startServer({})
    const bench = await benchFor(server, { staleSeconds: 10 })
    expect(await codeOf(bench)).toBeNull()
    server.status = 500
    bench.nowMs += 69_999
    expect(await codeOf(bench)).toBeNull()
    expect(await codeOf(bench, 'other')).toBe('IDENTITY_UNAVAILABLE')
    bench.nowMs += 1
    expect(await codeOf(bench)).toBe('IDENTITY_UNAVAILABLE')
  })

  test('what the server takes back is not believed from before', async () => {
    const server = await startServer({})
    const bench = await benchFor(server, { staleSeconds: 1_000 })
    expect(await codeOf(bench)).toBeNull()
    server.told = { active: false }
    bench.nowMs += 60_000
    expect(await codeOf(bench)).toBe('TOKEN_INVALID')
    server.status = 500
    bench.nowMs += 5_000
    expect(await codeOf(bench)).toBe('IDENTITY_UNAVAILABLE')
  })

  test('without the Secret of the client nobody is asked, and nobody passes', async () => {
    const server = await startServer({})
    const bench = await benchFor(server)
    expect(await codeOf(bench)).toBeNull()
    bench.worker.remove('Secret', 'client')
    const answer = await bench.get('Authorization: Bearer t')
    expect([answer.status, answer.code]).toEqual([500, 'PLUGIN_UNUSABLE'])
    expect(server.asked).toHaveLength(1)
  })
})

test('beside jwt, it is asked about what is no JWT', async () => {
  const server = await startServer({ sub: 'opaque' })
  const signer = newSigner('ES256', 'k')
  const pem = signer.publicKey.export({ format: 'pem', type: 'spki' })
  const bench = await pluginBench(
    { jwt: { keys: [{ pem }] }, 'oauth2-introspection': optionsFor(server) },
    SECRET,
  )
  expect(await codeOf(bench)).toBeNull()
  expect(await codeOf(bench, token(signer, { exp: NOW + 60 }))).toBeNull()
  expect(await codeOf(bench, token(newSigner('ES256', 'k'), { exp: NOW + 60 }))).toBe(
    'TOKEN_INVALID',
  )
  expect(server.asked).toHaveLength(1)
})

type Server = {
  readonly url: string
  readonly requests: readonly IncomingMessage[]
  readonly asked: object[]
  told: object
  status: number
}

async function startServer(told: object): Promise<Server> {
  const asked: object[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push(Object.fromEntries(new URLSearchParams(await textOf(request))))
    const body = JSON.stringify({ active: true, ...server.told })
    response.writeHead(server.status, { location: '/other' }).end(body)
  }
  const target = await startTarget((request, response) => void answer(request, response))
  closing.push(() => target.close())
  const server: Server = { url: target.url, requests: target.requests, asked, told, status: 200 }
  return server
}

function optionsFor({ url }: { readonly url: string }): Oauth2IntrospectionOptions {
  return { url, clientId: CLIENT_ID, clientSecret: { secret: 'client' } }
}

async function benchFor(
  server: { readonly url: string },
  options: Partial<Oauth2IntrospectionOptions> = {},
  ...definitions: readonly DefinitionInput[]
): Promise<PluginBench> {
  const plugins = { 'oauth2-introspection': { ...optionsFor(server), ...options } }
  return pluginBench(plugins, SECRET, ...definitions)
}

async function codeOf(bench: PluginBench, shown = 't'): Promise<string | null> {
  return (await bench.get(`Authorization: Bearer ${shown}`)).code
}
