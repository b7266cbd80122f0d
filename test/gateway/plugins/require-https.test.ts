/**
 * Goal: requests without TLS are refused or sent to https; in a transition only those of new credentials, and of none.
 * Method: the test is a trusted proxy that says whether its client came by https.
 */
import { expect, test } from 'vitest'
import { consumer, golden, proxiedBench, withKey } from './support.ts'

const SECURE = 'X-Forwarded-Proto: https'

test('the error names the https URL, with its query', async () => {
  const bench = await proxiedBench({ 'require-https': {}, 'key-auth': {} })
  const answer = await bench.ask('GET /a/b?c=1&d="x" HTTP/1.1\r\n')
  expect([answer.status, answer.code]).toEqual([400, 'HTTPS_REQUIRED'])
  expect(JSON.parse(answer.body)).toEqual({
    error: {
      code: 'HTTPS_REQUIRED',
      message:
        'requests must be made over HTTPS; try accessing the API at: https://shop.example/a/b?c=1&d="x"',
    },
  })
})

test('with TLS, also before a trusted proxy, a request passes', async () => {
  const bench = await proxiedBench({ 'require-https': {} })
  expect((await bench.get(SECURE)).status).toBe(200)
  expect((await bench.get('X-Forwarded-Proto: http')).status).toBe(400)
  expect(golden(bench.reached[0])).toContain('X-Forwarded-Proto: https\n')
})

test.each([
  ['GET', 301],
  ['HEAD', 301],
  ['POST', 308],
  ['DELETE', 308],
])('redirect sends %s to https with %i', async (method, status) => {
  const bench = await proxiedBench({ 'require-https': { action: 'redirect' } })
  const answer = await bench.ask(`${method} /a?b=c HTTP/1.1\r\nContent-Length: 0\r\n`)
  expect(answer.status).toBe(status)
  expect(answer.head).toContain('Location: https://shop.example/a?b=c')
  expect(bench.reached).toEqual([])
})

test('in a transition only new keys, and callers without one, must use https', async () => {
  const bench = await proxiedBench(
    { 'require-https': { from: '2026-06-01T00:00:00Z' }, 'key-auth': {} },
    consumer('old', withKey('before', { createdAt: '2026-05-31T23:59:59Z' })),
    consumer('new', withKey('after', { createdAt: '2026-06-01T00:00:00Z' })),
    consumer('unknown', withKey('undated')),
  )
  const codes = async (...fields: string[]) => {
    const plain = await bench.get(...fields)
    const secure = await bench.get(...fields, SECURE)
    return [plain.code, secure.code]
  }
  expect(await codes('X-Api-Key: before')).toEqual([null, null])
  expect(await codes('X-Api-Key: undated')).toEqual([null, null])
  expect(await codes('X-Api-Key: after')).toEqual(['HTTPS_REQUIRED', null])
  expect(await codes()).toEqual(['HTTPS_REQUIRED', 'API_KEY_MISSING'])
  expect(await codes('X-Api-Key: wrong')).toEqual(['API_KEY_INVALID', 'API_KEY_INVALID'])
})

test('in a transition an anonymous consumer must use https', async () => {
  const bench = await proxiedBench(
    {
      'require-https': { from: '2026-06-01T00:00:00Z' },
      'key-auth': {},
      authentication: { anonymous: 'guest' },
    },
    consumer('guest'),
  )
  expect((await bench.get()).code).toBe('HTTPS_REQUIRED')
  expect((await bench.get(SECURE)).status).toBe(200)
})
