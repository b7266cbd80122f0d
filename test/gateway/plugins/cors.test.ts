/**
 * Goal: the CORS protocol of the Fetch standard: which pages may call, on every answer whoever gives it, and preflights
 * that are answered before anybody is asked for credentials.
 * Method: a worker with a real socket, and a target that says of CORS what it likes.
 */
import { describe, expect, test } from 'vitest'
import { corsSchema, type CorsOptions } from '../../../shared/plugins/cors.ts'
import { consumer, golden, pluginBench, withKey, type PluginBench } from './support.ts'

const APP = 'https://app.example.com'

function corsLines(head: string): string[] {
  return head.split('\r\n').filter((line) => /^(access-control-|vary)/i.test(line))
}

async function preflight(bench: PluginBench, origin: string, ...fields: string[]) {
  const lines = [`Origin: ${origin}`, ...fields].map((line) => `${line}\r\n`).join('')
  return bench.ask(`OPTIONS / HTTP/1.1\r\n${lines}`)
}

describe('a request', () => {
  test.each<[CorsOptions['origins'], string, boolean]>([
    [[APP], APP, true],
    [[APP], 'https://APP.example.com', true],
    [[APP], 'http://app.example.com', false],
    [[APP], 'https://app.example.com:8443', false],
    [[APP], 'https://app.example.com.evil', false],
    [['https://*.example.com'], APP, true],
    [['https://*.example.com'], 'https://a.b.example.com', true],
    [['https://*.example.com'], 'https://example.com', false],
    [['https://*.example.com'], 'https://evil/.example.com', false],
    [['https://*.example.com'], 'https://xexampleXcom', false],
    [[{ regex: 'https://[a-z]+\\.example\\.com' }], APP, true],
    [[{ regex: 'https://[a-z]+\\.example\\.com' }], `${APP}.evil`, false],
    [[{ regex: 'https://a|b' }], 'https://evil/b', false],
    [[APP], 'null', false],
    [['null'], 'null', true],
  ])('with origins %j from %s: %s', async (origins, origin, isAllowed) => {
    const bench = await pluginBench({ cors: { origins, credentials: true } })
    const { status, head } = await bench.get(`Origin: ${origin}`)
    expect(status).toBe(200)
    expect(corsLines(head)).toEqual(
      isAllowed
        ? [
            `Access-Control-Allow-Origin: ${origin}`,
            'Access-Control-Allow-Credentials: true',
            'Vary: Origin',
          ]
        : ['Vary: Origin'],
    )
  })

  test('without an origin tells caches that there are others', async () => {
    const bench = await pluginBench({ cors: { origins: [APP] } })
    expect(corsLines((await bench.get()).head)).toEqual(['Vary: Origin'])
    expect(golden(bench.reached[0])).toContain('GET / HTTP/1.1\nHost: shop.example\n')
  })

  test('any origin may read, where all may, and caches need not tell them apart', async () => {
    const bench = await pluginBench({ cors: { origins: ['*'], exposed: ['X-Total', 'X-Page'] } })
    expect(corsLines((await bench.get(`Origin: ${APP}`)).head)).toEqual([
      'Access-Control-Allow-Origin: *',
      'Access-Control-Expose-Headers: X-Total, X-Page',
    ])
  })

  test('of another origin is refused where the options say so, but not a page of this host', async () => {
    const bench = await pluginBench({ cors: { origins: [APP], others: 'deny' } })
    const answer = await bench.get('Origin: https://evil.example')
    expect([answer.status, answer.code]).toEqual([403, 'ORIGIN_DENIED'])
    expect((await bench.get('Origin: http://shop.example')).status).toBe(200)
    expect((await bench.get('Origin: https://shop.example')).status).toBe(403)
    expect((await bench.get()).status).toBe(200)
  })

  test('what the target says of CORS is replaced, and its Vary stays', async () => {
    const bench = await pluginBench({ cors: { origins: [APP] } })
    bench.answerLines =
      'Access-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\nVary: Accept\r\n' +
      'Access-Control-Expose-Headers: X-A\r\nAccess-Control-Max-Age: 5\r\nX-From: target\r\n'
    const { head } = await bench.get(`Origin: ${APP}`)
    expect(corsLines(head)).toEqual([
      'Vary: Accept',
      `Access-Control-Allow-Origin: ${APP}`,
      'Vary: Origin',
    ])
    expect(head).toContain('X-From: target')
    expect(corsLines((await bench.get()).head)).toEqual(['Vary: Accept', 'Vary: Origin'])
  })
})

describe('errors of the gateway', () => {
  test('of access checks and of targets can be read by the page', async () => {
    const bench = await pluginBench({ cors: { origins: [APP] }, 'key-auth': {} })
    const refused = await bench.get(`Origin: ${APP}`)
    expect([refused.status, refused.code]).toEqual([401, 'API_KEY_MISSING'])
    expect(corsLines(refused.head)).toContain(`Access-Control-Allow-Origin: ${APP}`)
    bench.worker.adopt(consumer('ada', withKey('k')), {
      kind: 'Api',
      name: 'gone',
      spec: {
        upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
        plugins: { cors: { origins: [APP] } },
        routes: [{ path: '/gone', bodyBytesMax: 1 }],
      },
    })
    const gone = await bench.ask(`GET /gone HTTP/1.1\r\nOrigin: ${APP}\r\n`)
    expect(gone.status).toBe(502)
    expect(corsLines(gone.head)).toContain(`Access-Control-Allow-Origin: ${APP}`)
  })

  test('that come before any check can, too', async () => {
    const bench = await pluginBench({})
    bench.worker.adopt({
      kind: 'Api',
      name: 'small',
      spec: {
        upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
        plugins: { cors: { origins: [APP] } },
        routes: [{ path: '/small', bodyBytesMax: 1 }],
      },
    })
    const large = await bench.ask(`PUT /small HTTP/1.1\r\nOrigin: ${APP}\r\nContent-Length: 2\r\n`)
    expect(large.status).toBe(413)
    expect(corsLines(large.head)).toContain(`Access-Control-Allow-Origin: ${APP}`)
  })

  test('a path that is no route belongs to no Api, and its 404 to no page', async () => {
    const bench = await pluginBench({})
    bench.worker.remove('Api', 'shop')
    bench.worker.adopt({
      kind: 'Api',
      name: 'pets',
      spec: {
        upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
        plugins: { cors: { origins: [APP] } },
        routes: [{ path: '/pets' }],
      },
    })
    const answer = await bench.ask(`GET /other HTTP/1.1\r\nOrigin: ${APP}\r\n`)
    expect(answer.status).toBe(404)
    expect(corsLines(answer.head)).toEqual([])
  })
})

describe('a preflight', () => {
  const ASKED = 'Access-Control-Request-Method: PUT'

  test('is answered before credentials are asked for, and reaches no target', async () => {
    const bench = await pluginBench({
      cors: {
        origins: [APP],
        methods: ['GET', 'PUT'],
        headers: ['X-A', 'Content-Type'],
        credentials: true,
        maxAgeSeconds: 600,
        privateNetwork: true,
      },
      'key-auth': {},
      'require-https': {},
      'ip-deny': { networks: ['127.0.0.0/8'] },
    })
    const { status, head, body } = await preflight(
      bench,
      APP,
      ASKED,
      'Access-Control-Request-Headers: x-other',
      'Access-Control-Request-Private-Network: true',
    )
    expect([status, body]).toEqual([204, ''])
    expect(corsLines(head)).toEqual([
      `Access-Control-Allow-Origin: ${APP}`,
      'Access-Control-Allow-Credentials: true',
      'Access-Control-Allow-Methods: GET, PUT',
      'Access-Control-Allow-Headers: X-A, Content-Type',
      'Access-Control-Allow-Private-Network: true',
      'Access-Control-Max-Age: 600',
      'Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    ])
    expect(bench.reached).toEqual([])
  })

  test('lets in what it asks for where the options name nothing', async () => {
    const bench = await pluginBench({ cors: { origins: ['*'] } })
    const { head } = await preflight(
      bench,
      APP,
      ASKED,
      'Access-Control-Request-Headers: x-one, x-two',
      'Access-Control-Request-Private-Network: true',
    )
    expect(corsLines(head)).toEqual([
      'Access-Control-Allow-Origin: *',
      'Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE',
      'Access-Control-Allow-Headers: x-one, x-two',
      'Vary: Access-Control-Request-Method, Access-Control-Request-Headers',
    ])
  })

  test('of an origin that may not call is answered without permission', async () => {
    const bench = await pluginBench({ cors: { origins: [APP] } })
    const { status, head } = await preflight(bench, 'https://evil.example', ASKED)
    expect(status).toBe(204)
    expect(corsLines(head)).toEqual([
      'Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    ])
  })

  test('finds the route by the method that is asked for', async () => {
    const bench = await pluginBench({})
    bench.worker.remove('Api', 'shop')
    bench.worker.adopt({
      kind: 'Api',
      name: 'pets',
      spec: {
        upstream: { targets: [{ url: 'http://127.0.0.1:1' }] },
        routes: [
          { path: '/', methods: ['PUT'], plugins: { cors: { origins: [APP] } } },
          { path: '/', methods: ['GET'], plugins: { cors: { origins: ['https://b.example'] } } },
          { path: '/', methods: ['OPTIONS', 'PATCH'] },
        ],
      },
    })
    const allowed = async (method: string) => {
      const answer = await preflight(bench, APP, `Access-Control-Request-Method: ${method}`)
      return [answer.status, corsLines(answer.head).length > 1]
    }
    expect(await allowed('PUT')).toEqual([204, true])
    expect(await allowed('GET')).toEqual([204, false])
    // Routes without cors: the question is for the target, if it takes OPTIONS.
    expect(await allowed('PATCH')).toEqual([502, false])
    expect(await allowed('DELETE')).toEqual([502, false])
  })

  test('is one only with an origin and a method: any other OPTIONS goes its way', async () => {
    const bench = await pluginBench({ cors: { origins: [APP] }, 'key-auth': {} })
    expect((await bench.ask(`OPTIONS / HTTP/1.1\r\nOrigin: ${APP}\r\n`)).status).toBe(401)
    expect((await bench.ask(`OPTIONS / HTTP/1.1\r\n${ASKED}\r\n`)).status).toBe(401)
  })
})

test.each([
  [{ origins: ['*'], credentials: true }, false],
  [{ origins: [APP], credentials: true }, true],
  [{ origins: [`${APP}/`] }, false],
  [{ origins: ['app.example.com'] }, false],
  [{ origins: [] }, false],
  [{ origins: ['https://a\r\nX: y'] }, false],
])('options %j are good: %s', (options, isGood) => {
  expect(corsSchema.safeParse(options).success).toBe(isGood)
})
