/**
 * Goal: callers are known by the certificate of their own connection, or by what a trusted proxy says of it, and of nobody
 * else.
 * Method: handshakes of Node's own TLS client with a worker; the test is a proxy, trusted or not.
 */
import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  clientCertificateOf,
  readCertificateHeader,
  readXfcc,
} from '../../../gateway/plugins/client-certificate.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import type { MtlsOptions } from '../../../shared/plugins/mtls.ts'
import { readUntil } from '../support/raw-client.ts'
import { TestAuthority, type Pair } from '../support/test-authority.ts'
import { benchOf, consumer, golden, pluginBench, type PluginBench } from './support.ts'

let servers: TestAuthority
let clients: TestAuthority
let shown: Pair
let other: Pair

beforeAll(async () => {
  servers = await TestAuthority.make('servers')
  clients = await TestAuthority.make('clients')
  shown = await clients.issue(['ada.clients.test'])
  other = await clients.issue(['bob.clients.test'])
})

function fingerprint({ certificate }: Pair): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase()
}

function bearer(name: string, pair: Pair): DefinitionInput {
  return consumer(name, { credentials: { certificates: [{ fingerprint: fingerprint(pair) }] } })
}

describe('over TLS', () => {
  async function start(
    mtls: MtlsOptions,
    ...definitions: readonly DefinitionInput[]
  ): Promise<PluginBench> {
    const server = await servers.issue(['shop.example'])
    const spec = { ...server, clients: { mode: 'ask', authorities: clients.pem } } as const
    const certificate: DefinitionInput = { kind: 'Certificate', name: 'shop', spec }
    return benchOf({ plugins: { mtls } }, { https: {} }, [certificate, ...definitions])
  }

  /** The status line of an answer over a connection that shows a certificate, and the code of an error. */
  async function statusOf(bench: PluginBench, pair: Pair | null): Promise<string> {
    const socket = connect({
      port: bench.worker.httpsPort ?? 0,
      host: '127.0.0.1',
      servername: 'shop.example',
      ca: servers.pem,
      ...(pair !== null && { cert: pair.certificate, key: pair.key }),
    })
    socket.write('GET / HTTP/1.1\r\nHost: shop.example\r\nX-Client-Cert: forged\r\n\r\n')
    const text = await readUntil(socket, (read) => /\r\n\r\n.+/s.test(read))
    socket.destroy()
    const code = /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? ''
    return `${text.split(' ', 2)[1]} ${code}`.trim()
  }

  test('a certificate is a Consumer by its fingerprint', async () => {
    const bench = await start({}, bearer('ada', shown))
    expect(await statusOf(bench, shown)).toBe('200')
    expect(golden(bench.reached[0])).toContain(
      `X-Consumer-Name: ada\nX-Consumer-Credential: ${fingerprint(shown).slice(0, 16)}\n`,
    )
    expect(await statusOf(bench, other)).toBe('401 CREDENTIALS_INVALID')
    expect(await statusOf(bench, null)).toBe('401 CREDENTIALS_MISSING')
    bench.worker.adopt(bearer('ada', other))
    expect(await statusOf(bench, shown)).toBe('401 CREDENTIALS_INVALID')
    expect(await statusOf(bench, other)).toBe('200')
  })

  test('a rule tells the Consumer by a name in the certificate', async () => {
    const rules: MtlsOptions['rules'] = [
      { field: 'dns', value: { regex: 'ada\\.clients\\.[a-z]+' }, consumer: 'ada' },
      { field: 'dns', value: 'bob.clients.test' },
    ]
    const bench = await start({ rules }, consumer('ada'), consumer('bob.clients.test'))
    expect(await statusOf(bench, shown)).toBe('200')
    expect(await statusOf(bench, other)).toBe('200')
    expect(bench.reached[0]).toContain('X-Consumer-Name: ada\r\n')
    expect(bench.reached[1]).toContain('X-Consumer-Name: bob.clients.test\r\n')
    expect(await statusOf(bench, await clients.issue(['xada.clients.test']))).toBe(
      '401 CREDENTIALS_INVALID',
    )
    bench.worker.remove('Consumer', 'ada')
    expect(await statusOf(bench, shown)).toBe('401 CREDENTIALS_INVALID')
  })

  test('a certificate of another authority is none', async () => {
    const bench = await start({}, bearer('ada', shown))
    const foreign = await servers.issue(['ada.clients.test'])
    expect(await statusOf(bench, foreign)).toBe('401 CREDENTIALS_MISSING')
  })
})

describe('behind a proxy', () => {
  const trusted = { networks: ['127.0.0.0/8'] }

  test('its header counts, in each of its forms, and reaches no target', async () => {
    const bench = await pluginBench({ mtls: { proxies: trusted } }, bearer('ada', shown))
    const pem = encodeURIComponent(shown.certificate)
    const der = new X509Certificate(shown.certificate).raw.toString('base64')
    for (const value of [pem, der, `:${der}:`, encodeURIComponent(der)]) {
      expect((await bench.get(`X-Client-Cert: ${value}`)).status).toBe(200)
    }
    expect(bench.reached.every((head) => !head.includes('X-Client-Cert'))).toBe(true)
    expect(bench.reached).toHaveLength(4)
    expect((await bench.get('X-Client-Cert: nonsense')).code).toBe('CREDENTIALS_INVALID')
    expect((await bench.get('X-Client-Cert: %zz')).code).toBe('CREDENTIALS_INVALID')
    expect((await bench.get()).code).toBe('CREDENTIALS_MISSING')
  })

  test('from anybody else the header does not count, and no target gets it', async () => {
    const pem = encodeURIComponent(shown.certificate)
    const bench = await pluginBench(
      {
        mtls: { proxies: { networks: ['10.0.0.0/8'] }, keep: true },
        authentication: { require: 'none' },
      },
      bearer('ada', shown),
    )
    expect((await bench.get(`X-Client-Cert: ${pem}`)).status).toBe(200)
    expect(bench.reached[0]).not.toMatch(/X-Client-Cert|X-Consumer/)
  })

  test('as Envoy has it, the last element counts', async () => {
    const options: MtlsOptions = {
      proxies: { ...trusted, form: 'xfcc' },
      rules: [{ field: 'uri', value: 'spiffe://mesh/bob', consumer: 'bob' }],
    }
    const bench = await pluginBench({ mtls: options }, bearer('ada', shown), consumer('bob'))
    const who = async (value: string) => {
      const answer = await bench.get(`X-Forwarded-Client-Cert: ${value}`)
      return answer.code ?? /X-Consumer-Name: (.*)\r/.exec(bench.reached.at(-1) ?? '')?.[1]
    }
    const hash = fingerprint(shown)
    const bob = `Hash=${'b'.repeat(64)};Subject="CN=x,O=\\"y\\"";URI=spiffe://mesh/bob`
    expect(await who(`By=spiffe://a;Hash=${hash}`)).toBe('ada')
    expect(await who(`Hash=${hash},${bob}`)).toBe('bob')
    expect(await who(`${bob}, Hash=${hash}`)).toBe('ada')
    expect(await who(`Cert="${encodeURIComponent(shown.certificate)}"`)).toBe('ada')
    expect(
      await who(`Hash=${'c'.repeat(64)};URI=spiffe://mesh/eve;Subject="URI=spiffe://mesh/bob"`),
    ).toBe('CREDENTIALS_INVALID')
    expect(await who('Hash="')).toBe('CREDENTIALS_INVALID')
    expect(await who('Subject="CN=bob"')).toBe('CREDENTIALS_INVALID')
  })
})

describe('what is read of a certificate', () => {
  test('a comma in a name does not make two of it', () => {
    const read = clientCertificateOf({
      subject: 'C=DE\nCN=ada\nCN=two',
      fingerprint: 'AB:01',
      alternativeNames:
        'DNS:a.test, URI:"spiffe://x, DNS:evil.test", email:a@b, IP Address:127.0.0.1',
    })
    expect(read).toEqual({
      subject: 'C=DE,CN=ada,CN=two',
      fingerprint: 'ab01',
      commonNames: ['ada', 'two'],
      dns: ['a.test'],
      uris: ['spiffe://x, DNS:evil.test'],
      emails: ['a@b'],
    })
  })

  test('names that cannot be read are none', () => {
    const facts = { subject: '', fingerprint: '', alternativeNames: 'DNS:a.test, "x' }
    expect(clientCertificateOf(facts).dns).toEqual([])
  })

  test('what is no certificate is none', () => {
    expect(readCertificateHeader('')).toBeNull()
    expect(readCertificateHeader('AAAA')).toBeNull()
    expect(readXfcc('Hash=abc')).toBeNull()
    expect(readXfcc('')).toBeNull()
  })
})
