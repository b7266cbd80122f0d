/**
 * Goal: callers are known by signatures, new (RFC 9421) and old (draft-cavage); nothing that was signed can be changed, used
 * again or used late, and no target gets a whole body that is not the signed one.
 * Method: the test signs by hand, with the strings of the two documents written out.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { readSealKeys, sealSecret } from '../../../shared/definitions/seal.ts'
import type { HmacOptions } from '../../../shared/plugins/hmac.ts'
import { api, targets } from '../support/definitions.ts'
import { startTarget } from '../support/target.ts'
import { benchOf, consumer, golden, pluginBench, T0, type PluginBench } from './support.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const SECRET = 'a secret that never travels'
const NOW = T0 / 1_000

const ada: DefinitionInput = consumer('ada', {
  credentials: { hmac: [{ keyId: 'ada-1', secret: SECRET }] },
})

async function start(hmac: HmacOptions = {}): Promise<PluginBench> {
  return pluginBench({ hmac }, ada)
}

function mac(text: string, hash = 'sha256', secret = SECRET): string {
  return createHmac(hash, secret).update(text).digest('base64')
}

/** Fields of RFC 9421 over `lines`, which are the signature base without its last one. */
function signed(
  lines: readonly string[],
  parameters = `;created=${NOW};keyid="ada-1"`,
  hash = 'sha256',
): string[] {
  const names = lines.map((line) => /^("[^"]*"[^:]*): /.exec(line)?.[1] ?? '')
  const input = `(${names.join(' ')})${parameters}`
  const base = [...lines, `"@signature-params": ${input}`].join('\n')
  return [`Signature-Input: sig1=${input}`, `Signature: sig1=:${mac(base, hash)}:`]
}

const GET = ['"@method": GET', '"@path": /']

describe('RFC 9421', () => {
  test('a good signature lets pass; what reaches the target', async () => {
    const bench = await start()
    expect((await bench.get(...signed(GET), 'X-Other: 1')).status).toBe(200)
    expect(golden(bench.reached[0])).toBe(`GET / HTTP/1.1
Host: shop.example
X-Other: 1
X-Forwarded-For: 127.0.0.1
X-Forwarded-Proto: http
X-Forwarded-Host: shop.example
X-Forwarded-Port: *
X-Request-Id: *
Via: 1.1 raftway
X-Consumer-Name: ada
X-Consumer-Credential: ada-1

`)
  })

  test('every component that can be covered is as the document has it', async () => {
    const bench = await start()
    const lines = [
      '"@method": PUT',
      '"@authority": shop.example',
      '"@scheme": http',
      '"@target-uri": http://shop.example/a%20b?x=1&y=a+b%2Fc%7E',
      '"@request-target": /a%20b?x=1&y=a+b%2Fc%7E',
      '"@path": /a%20b',
      '"@query": ?x=1&y=a+b%2Fc%7E',
      '"@query-param";name="y": a%20b%2Fc%7E',
      '"x-two": one, two',
      '"x-empty": ',
    ]
    const fields = ['X-Two: one', 'X-Two:  two ', 'X-Empty:', ...signed(lines)]
    const head = ['PUT /a%20b?x=1&y=a+b%2Fc%7E HTTP/1.1', 'Content-Length: 0', ...fields]
    const answer = await bench.ask(head.map((line) => `${line}\r\n`).join(''))
    expect([answer.status, answer.body]).toEqual([200, 'ok'])
  })

  test.each([
    ['hmac-sha256', 'sha256'],
    ['hmac-sha384', 'sha384'],
    ['hmac-sha512', 'sha512'],
  ])('%s is known, unless the options say otherwise', async (algorithm, hash) => {
    const fields = signed(GET, `;created=${NOW};keyid="ada-1";alg="${algorithm}"`, hash)
    expect((await (await start()).get(...fields)).status).toBe(200)
    const strict = await start({ algorithms: ['hmac-sha512'] })
    expect((await strict.get(...fields)).status).toBe(algorithm === 'hmac-sha512' ? 200 : 401)
  })

  test.each<[string, string[]]>([
    ['another secret', signed(GET).map((line) => line.replace(/=:.*:/, `=:${mac('x')}:`))],
    ['another path', signed(['"@method": GET', '"@path": /other'])],
    ['another key', signed(GET, `;created=${NOW};keyid="bob"`)],
    ['no key', signed(GET, `;created=${NOW}`)],
    ['no method', signed(['"@path": /'])],
    ['no time', signed(GET, ';keyid="ada-1"')],
    ['a time that is too late', signed(GET, `;created=${NOW + 61};keyid="ada-1"`)],
    ['a time that is too early', signed(GET, `;created=${NOW - 301};keyid="ada-1"`)],
    ['an end that has come', signed(GET, `;created=${NOW};expires=${NOW};keyid="ada-1"`)],
    ['an algorithm of other keys', signed(GET, `;created=${NOW};keyid="ada-1";alg="ed25519"`)],
    ['a component twice', signed([...GET, '"@path": /'])],
    ['a header that is not there', signed([...GET, '"x-none": '])],
    ['a component that is not known', signed([...GET, '"@status": 200'])],
    ['a form that is not read', signed([...GET, '"host";sf: shop.example'])],
    ['no signature', signed(GET).slice(0, 1)],
    ['an input that is malformed', ['Signature-Input: sig1=("@method"', 'Signature: sig1=:AAAA:']],
    [
      'a label without a signature',
      ['Signature-Input: sig2=();keyid="ada-1"', 'Signature: sig1=:AAAA:'],
    ],
  ])('with %s it is refused', async (_what, fields) => {
    const bench = await start()
    const answer = await bench.get(...fields)
    expect([answer.status, answer.code]).toEqual([401, 'CREDENTIALS_INVALID'])
    expect(answer.head).toContain('WWW-Authenticate: Signature')
    expect(bench.reached).toEqual([])
  })

  test.each([
    [`;created=${NOW + 60};keyid="ada-1"`],
    [`;created=${NOW - 300};keyid="ada-1"`],
    [`;created=${NOW};expires=${NOW + 1};keyid="ada-1"`],
  ])('the clocks may differ so far: %s', async (parameters) => {
    expect((await (await start()).get(...signed(GET, parameters))).status).toBe(200)
  })

  test('of several signatures the one of a known key counts', async () => {
    const [input = '', signature = ''] = signed(GET)
    const bench = await start()
    const fields = [
      input.replace('Signature-Input: ', 'Signature-Input: proxy=("@path");keyid="who", '),
      signature.replace('Signature: ', 'Signature: proxy=:AAAA:, '),
    ]
    expect((await bench.get(...fields)).status).toBe(200)
  })

  test('the query must be covered where there is one', async () => {
    const bench = await start()
    const get = async (lines: string[]) => {
      const fields = signed(lines)
        .map((line) => `${line}\r\n`)
        .join('')
      return (await bench.ask(`GET /?a=1 HTTP/1.1\r\n${fields}`)).status
    }
    expect(await get(GET)).toBe(401)
    expect(await get([...GET, '"@query": ?a=1'])).toBe(200)
    expect(await get(['"@method": GET', '"@target-uri": http://shop.example/?a=1'])).toBe(200)
  })

  test('what must be covered is as the options say', async () => {
    const bench = await start({ components: ['@method', '@authority', 'x-tenant'] })
    const tenant = ['"@method": GET', '"@authority": shop.example', '"x-tenant": t']
    expect((await bench.get(...signed(tenant), 'X-Tenant: t')).status).toBe(200)
    const without = await bench.get(...signed(tenant.slice(0, 2)), 'X-Tenant: t')
    expect(without.body).toContain('does not cover x-tenant')
  })

  test('a nonce is good once, for as long as its signature would be', async () => {
    const bench = await start()
    const fields = signed(GET, `;created=${NOW};keyid="ada-1";nonce="n1"`)
    expect((await bench.get(...fields)).status).toBe(200)
    expect((await bench.get(...fields)).body).toContain('nonce')
    bench.nowMs = T0 + 300_000
    expect((await bench.get(...fields)).status).toBe(401)
    bench.nowMs = T0 + 301_000
    expect((await bench.get(...fields)).body).toContain('too old')
    // A signature that is not good takes no nonce from anybody.
    bench.nowMs = T0
    const forged = signed(GET, `;created=${NOW};keyid="ada-1";nonce="n2"`)
    await bench.get(forged[0] ?? '', 'Signature: sig1=:AAAA:')
    expect((await bench.get(...forged)).status).toBe(200)
  })

  test('a nonce may be required', async () => {
    const bench = await start({ nonce: 'required' })
    expect((await bench.get(...signed(GET))).status).toBe(401)
    const fields = signed(GET, `;created=${NOW};keyid="ada-1";nonce="n"`)
    expect((await bench.get(...fields)).status).toBe(200)
  })
})

describe('draft-cavage', () => {
  const DATE = new Date(T0).toUTCString()

  function old(covered: string, text: string, more = ''): string {
    return `Authorization: Signature keyId="ada-1",algorithm="hmac-sha256"${more},headers="${covered}",signature="${mac(text)}"`
  }

  test('a good signature lets pass, and its field reaches no target', async () => {
    const bench = await start()
    const text = `(request-target): get /?a=1\nhost: shop.example\ndate: ${DATE}`
    const field = old('(request-target) host date', text)
    const answer = await bench.ask(`GET /?a=1 HTTP/1.1\r\nDate: ${DATE}\r\n${field}\r\n`)
    expect(answer.status).toBe(200)
    expect(bench.reached[0]).not.toContain('Authorization')
    expect(bench.reached[0]).toContain('X-Consumer-Name: ada\r\n')
  })

  test('(created) and (expires) count as they are signed', async () => {
    const bench = await start()
    const get = async (created: number, expires: number) => {
      const text = `(request-target): get /\n(created): ${created}\n(expires): ${expires}`
      const more = `,created=${created},expires=${expires}`
      return (await bench.get(old('(request-target) (created) (expires)', text, more))).status
    }
    expect(await get(NOW, NOW + 1)).toBe(200)
    expect(await get(NOW - 301, NOW + 1)).toBe(401)
    expect(await get(NOW, NOW)).toBe(401)
  })

  test('another header stands in for Date where the options name it', async () => {
    const text = `(request-target): get /\nx-aux-date: ${DATE}`
    const fields = [`X-Aux-Date: ${DATE}`, old('(request-target) x-aux-date', text)]
    expect((await (await start({ dateHeader: 'X-Aux-Date' })).get(...fields)).status).toBe(200)
    expect((await (await start()).get(...fields)).status).toBe(401)
  })

  test.each<[string, string[]]>([
    ['the date alone', [`Date: ${DATE}`, old('date', `date: ${DATE}`)]],
    [
      'a date that is not signed',
      [`Date: ${DATE}`, old('(request-target)', '(request-target): get /')],
    ],
    [
      'an old date',
      [
        `Date: ${new Date(T0 - 301_000).toUTCString()}`,
        old(
          '(request-target) date',
          `(request-target): get /\ndate: ${new Date(T0 - 301_000).toUTCString()}`,
        ),
      ],
    ],
    ['a parameter twice', [`Date: ${DATE}`, `${old('date', 'x')},keyId="b"`]],
    ['nothing', ['Authorization: Signature x']],
  ])('with %s it is refused', async (_what, fields) => {
    expect((await (await start()).get(...fields)).code).toBe('CREDENTIALS_INVALID')
  })

  test('it can be switched off', async () => {
    const bench = await start({ forms: ['rfc9421'] })
    const answer = await bench.get(`Date: ${DATE}`, old('date', `date: ${DATE}`))
    expect(answer.code).toBe('CREDENTIALS_MISSING')
  })

  test('a Digest that is signed is compared with the body', async () => {
    const bench = await start()
    const put = async (body: string, of = body) => {
      const digest = `SHA-256=${createHash('sha256').update(of).digest('base64')}`
      const text = `(request-target): put /\ndate: ${DATE}\ndigest: ${digest}`
      const head = [
        'PUT / HTTP/1.1',
        `Content-Length: ${body.length}`,
        `Date: ${DATE}`,
        `Digest: ${digest}`,
        old('(request-target) date digest', text),
      ]
      return (await bench.ask(head.map((line) => `${line}\r\n`).join(''), body)).status
    }
    expect(await put('hello')).toBe(200)
    expect(await put('hello', 'hellO')).toBe(401)
    expect(await put('')).toBe(200)
    expect(await put('', 'x')).toBe(401)
  })
})

describe('a body', () => {
  const PUT = ['"@method": PUT', '"@path": /']

  function contentDigest(of: string, algorithm = 'sha-256'): string {
    const hash = createHash(algorithm.replace('-', '')).update(of).digest('base64')
    return `${algorithm}=:${hash}:`
  }

  function headOf(
    body: string,
    digest: string,
    framing = `Content-Length: ${body.length}`,
  ): string {
    const fields = signed([...PUT, `"content-digest": ${digest}`])
    const lines = ['PUT / HTTP/1.1', framing, `Content-Digest: ${digest}`, ...fields]
    return lines.map((line) => `${line}\r\n`).join('')
  }

  /** A worker before a target that answers with what it got, once it has all of it; and the bodies that were whole there. */
  async function startReading(): Promise<{
    readonly bench: PluginBench
    readonly whole: string[]
  }> {
    const whole: string[] = []
    const target = await startTarget((request, response) => {
      let body = ''
      request.on('data', (piece: Buffer) => (body += piece.toString('latin1')))
      request.on('end', () => {
        whole.push(body)
        response.end('read')
      })
    })
    closing.push(() => target.close())
    const bench = await start()
    bench.worker.adopt(api('shop', '/', targets(target.url), { plugins: { hmac: {} } }))
    return { bench, whole }
  }

  test('that is the signed one reaches the target byte for byte, in pieces or whole', async () => {
    const { bench, whole } = await startReading()
    for (const algorithm of ['sha-256', 'sha-512']) {
      const answer = await bench.ask(headOf('hello', contentDigest('hello', algorithm)), 'hello')
      expect(answer.status).toBe(200)
    }
    const head = headOf('', contentDigest('hello world'), 'Transfer-Encoding: chunked')
    const chunked = await bench.ask(head, '5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n')
    expect(chunked.status).toBe(200)
    const empty = headOf('', contentDigest(''), 'Transfer-Encoding: chunked')
    expect((await bench.ask(empty, '0\r\n\r\n')).status).toBe(200)
    expect(whole).toEqual(['hello', 'hello', 'hello world', ''])
  })

  test('that is another one is refused, and never whole at the target', async () => {
    const { bench, whole } = await startReading()
    const large = 'x'.repeat(100_000)
    for (const [body, of] of [
      ['hellO', 'hello'],
      ['h', 'H'],
      [`${large}y`, large],
      [large, `${large}y`],
    ] as const) {
      const answer = await bench.ask(headOf(body, contentDigest(of)), body)
      expect([answer.status, answer.code]).toEqual([401, 'CREDENTIALS_INVALID'])
    }
    const head = headOf('', contentDigest('hello'), 'Transfer-Encoding: chunked')
    expect((await bench.ask(head, '5\r\nhellO\r\n0\r\n\r\n')).status).toBe(401)
    expect((await bench.ask(head, '0\r\n\r\n')).status).toBe(401)
    // What follows on other connections is served, so nothing is still under way behind it.
    expect((await bench.ask(headOf('hello', contentDigest('hello')), 'hello')).status).toBe(200)
    expect(whole).toEqual(['hello'])
  })

  test('must be signed where the options say so', async () => {
    const bench = await start({ digest: 'required' })
    const fields = signed(PUT)
      .map((line) => `${line}\r\n`)
      .join('')
    const without = await bench.ask(`PUT / HTTP/1.1\r\nContent-Length: 1\r\n${fields}`, 'x')
    expect(without.body).toContain('the body is not signed')
    expect((await bench.ask(`PUT / HTTP/1.1\r\nContent-Length: 0\r\n${fields}`)).status).toBe(200)
    expect((await bench.ask(headOf('x', contentDigest('x')), 'x')).status).toBe(200)
  })

  test('whose digest cannot be read is refused', async () => {
    const bench = await start()
    expect((await bench.ask(headOf('x', 'md5=:AAAA:'), 'x')).code).toBe('CREDENTIALS_INVALID')
  })
})

test('secrets that are sealed are opened, or nobody is let in', async () => {
  const read = readSealKeys(randomBytes(32).toString('hex'))
  if (!read.ok) throw new Error(read.message)
  const place = { kind: 'Consumer', name: 'ada', path: 'spec.credentials.hmac.0.secret' }
  const [key] = read.keys
  if (key === undefined) throw new Error('no key')
  const secret = { sealed: sealSecret(key, place, SECRET) }
  const sealed = consumer('ada', { credentials: { hmac: [{ keyId: 'ada-1', secret }] } })
  const bench = await benchOf({ plugins: { hmac: {} } }, { sealKeys: read.keys }, [sealed])
  expect((await bench.get(...signed(GET))).status).toBe(200)
  const without = await pluginBench({ hmac: {} }, sealed)
  expect((await without.get(...signed(GET))).code).toBe('INTERNAL')
})

test('a key that is taken away is refused from the change on', async () => {
  const bench = await start()
  expect((await bench.get(...signed(GET))).status).toBe(200)
  bench.worker.adopt(
    consumer('ada', { credentials: { hmac: [{ keyId: 'ada-1', secret: 'new' }] } }),
  )
  expect((await bench.get(...signed(GET))).status).toBe(401)
  bench.worker.remove('Consumer', 'ada')
  expect((await bench.get(...signed(GET))).status).toBe(401)
})
