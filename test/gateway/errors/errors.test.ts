/**
 * Goal: what clients are told of errors, byte for byte, in the form that they ask for and in the words of the Api.
 * Method: a worker with a real socket whose Api refuses callers without a key.
 */
import { describe, expect, test } from 'vitest'
import { compileErrors } from '../../../gateway/errors/compile-errors.ts'
import { writeError } from '../../../gateway/errors/write-error.ts'
import type { ApiErrors } from '../../../shared/definitions/api-errors.ts'
import { benchOf, pluginBench, type PluginBench } from '../plugins/support.ts'
import { connectHttp2, fetchHttp2 } from '../support/http2-client.ts'
import { sendRaw } from '../support/raw-client.ts'

async function benchWith(errors?: ApiErrors): Promise<PluginBench> {
  return benchOf({ plugins: { 'key-auth': {} }, ...(errors && { errors }) }, {}, [])
}

describe('without anything of the Api', () => {
  test.each([
    [
      '/a',
      'application/json',
      '{"error":{"code":"API_KEY_MISSING","message":"no API key was given"}}\n',
    ],
    [
      '/a.xml',
      'application/xml',
      '<?xml version="1.0" encoding="UTF-8"?><response><error><code>API_KEY_MISSING</code>' +
        '<message>no API key was given</message></error></response>',
    ],
    ['/a.csv', 'text/csv', 'Error Code,Error Message\n"API_KEY_MISSING","no API key was given"'],
    [
      '/a.html',
      'text/html',
      '<html><body><h1>API_KEY_MISSING</h1><p>no API key was given</p></body></html>',
    ],
  ])('%s is answered as %s', async (path, type, body) => {
    const bench = await benchWith()
    const answer = await bench.ask(`GET ${path} HTTP/1.1\r\n`)
    expect(answer.status).toBe(401)
    expect(answer.body).toBe(body)
    expect(answer.head).toContain(`\r\nContent-Type: ${type}\r\n`)
    expect(answer.head).toContain('WWW-Authenticate: ApiKey')
    expect(answer.head).toContain(`Content-Length: ${body.length}`)
  })

  test('HEAD is told the length, and nothing else', async () => {
    const bench = await benchWith()
    const answer = await bench.ask('HEAD /a.csv HTTP/1.1\r\n')
    expect([answer.status, answer.body]).toEqual([401, ''])
    expect(answer.head).toContain('Content-Length: 65')
  })

  test('requests that match no Api, and targets that are away, are told of alike', async () => {
    const bench = await pluginBench({})
    bench.worker.remove('Api', 'shop')
    const none = await bench.ask('GET /a?format=xml HTTP/1.1\r\n')
    expect(none.status).toBe(404)
    expect(none.body).toContain('<code>NOT_FOUND</code>')
    bench.worker.adopt({
      kind: 'Api',
      name: 'gone',
      spec: { upstream: { targets: [{ url: 'http://127.0.0.1:1' }] }, routes: [{ path: '/' }] },
    })
    const away = await bench.ask('GET / HTTP/1.1\r\nAccept: text/csv\r\n')
    expect([away.status, away.body]).toEqual([
      502,
      'Error Code,Error Message\n"UPSTREAM_UNREACHABLE","the target cannot be reached"',
    ])
  })

  test('what is no HTTP is told of in JSON, whatever it asks for', async () => {
    const bench = await benchWith()
    const answer = await sendRaw(bench.worker.port, 'GET /a.xml HTTP/1.1\r\nHost: a b\r\n\r\n')
    expect(answer).toContain('{"error":{"code":"BAD_REQUEST"')
  })
})

describe('with what the Api says', () => {
  test('statuses, messages, templates and variables are its own', async () => {
    const bench = await benchWith({
      statuses: { API_KEY_MISSING: 403 },
      messages: { API_KEY_MISSING: 'No api_key was supplied. Get one at {{signup_url}}' },
      data: { signup_url: '{{base_url}}/"keys"', team: 'A & B', cache_control: 'no-store' },
      templates: {
        json: '{"code":{{code}},"m":"{{message}}","s":"{{status}}","t":{{team}},"u":"{{unknown}}"}',
        xml: '<e u="{{https_url}}" c="{{contact_url}}">{{message}} {{team}}</e>',
      },
    })
    const json = await bench.ask('GET /a?b="c" HTTP/1.1\r\n')
    expect(json.status).toBe(403)
    expect(JSON.parse(json.body)).toEqual({
      code: 'API_KEY_MISSING',
      m: 'No api_key was supplied. Get one at http://shop.example/"keys"',
      s: '403',
      t: 'A & B',
      u: '{{unknown}}',
    })
    expect(json.head).toContain('\r\nCache-Control: no-store\r\n')
    const xml = await bench.ask('GET /a?format=xml&b="c" HTTP/1.1\r\n')
    expect(xml.body).toBe(
      '<e u="https://shop.example/a?format=xml&amp;b=&quot;c&quot;" c="http://shop.example/contact/">' +
        'No api_key was supplied. Get one at http://shop.example/&quot;keys&quot; A &amp; B</e>',
    )
    // What has no template of its own still has the messages.
    const csv = await bench.ask('GET /a.csv HTTP/1.1\r\n')
    expect(csv.body).toBe(
      'Error Code,Error Message\n"API_KEY_MISSING","No api_key was supplied. Get one at http://shop.example/""keys"""',
    )
  })

  test('pages take the place of the HTML template for their code', async () => {
    const bench = await benchWith({
      templates: { html: '<p>{{code}}' },
      pages: { API_KEY_MISSING: '<h1>Keys</h1>{{request_id}}' },
    })
    const asked = 'Accept: text/html\r\nX-Request-Id: my-request-id-0001\r\n'
    const page = await bench.ask(`GET / HTTP/1.1\r\n${asked}`)
    expect(page.body).toBe('<h1>Keys</h1>my-request-id-0001')
    const other = await bench.ask(`GET / HTTP/1.1\r\nX-Api-Key: wrong\r\n${asked}`)
    expect(other.body).toBe('<p>API_KEY_INVALID')
  })

  test('the form of before is told until the change, and the new one from then on', async () => {
    const bench = await benchWith({ messages: { API_KEY_MISSING: 'one' } })
    expect((await bench.get()).body).toContain('"message":"one"')
    const spec = { upstream: { targets: [{ url: 'http://127.0.0.1:1' }] }, routes: [{ path: '/' }] }
    bench.worker.adopt({
      kind: 'Api',
      name: 'shop',
      spec: {
        ...spec,
        plugins: { 'key-auth': {} },
        errors: { messages: { API_KEY_MISSING: 'two' } },
      },
    })
    expect((await bench.get()).body).toBe('{"error":{"code":"API_KEY_MISSING","message":"two"}}\n')
  })
})

test('gRPC is told in its own way, whatever path and Api say', async () => {
  const bench = await benchWith({ statuses: { API_KEY_MISSING: 418 }, templates: { json: '{}' } })
  const session = await connectHttp2(bench.worker.url)
  const answer = await fetchHttp2(session, {
    ':method': 'POST',
    ':path': '/a.xml',
    'content-type': 'application/grpc',
  })
  session.close()
  expect(answer.headers).toMatchObject({
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': '16',
    'grpc-message': 'API_KEY_MISSING: no API key was given',
  })
})

const FACTS = {
  code: 'NOT_FOUND',
  message: 'm',
  status: 404,
  requestId: 'r',
  baseUrl: 'http://a',
  httpsUrl: 'https://a/b',
}
const JSON_FORM = { format: 'json', type: 'application/json' } as const

test('a template that is broken all the same gives way to the default', () => {
  for (const json of ['{"a":"{{code}', '{"a":{{none}}}', '{']) {
    const errors = compileErrors({ templates: { json } })
    expect(writeError(FACTS, JSON_FORM, errors).body).toBe(
      '{"error":{"code":"NOT_FOUND","message":"m"}}\n',
    )
  }
})

test('variables that name each other come to an end', () => {
  const errors = compileErrors({
    data: { a: '{{b}}', b: '{{a}}', c: '{{d}}{{d}}', d: '{{e}}{{e}}', e: 'x'.repeat(4_000) },
    templates: { json: '{"a":{{a}},"c":{{c}}}' },
  })
  const { a, c } = JSON.parse(writeError(FACTS, JSON_FORM, errors).body) as { a: string; c: string }
  expect(a).toMatch(/^\{\{[ab]\}\}$/)
  expect(c).toHaveLength(16_000)
})

test('what would become too long is told in the default form', () => {
  const data = Object.fromEntries(
    Array.from({ length: 4 }, (_, at) => [`v${at}`, `{{v${at + 1}}}`.repeat(500)]),
  )
  const errors = compileErrors({
    data: { ...data, v4: 'x'.repeat(4_000) },
    templates: { json: '{"a":{{v0}},"b":{{v0}}}' },
  })
  expect(writeError(FACTS, JSON_FORM, errors).body.length).toBeLessThan(140_000)
})
