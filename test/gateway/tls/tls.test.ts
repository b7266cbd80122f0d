/**
 * Goal: TLS at the gateway as clients meet it. Method: a worker with real sockets whose https port shows Certificates, and
 * Node's own TLS client.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { Networks } from '../../../shared/addresses/networks.ts'
import { SLOT } from '../../../gateway/metrics/slots.ts'
import { writeProxyHeader } from '../../../gateway/proxy-protocol/write-proxy-header.ts'
import { TicketKeyMaker, type TicketMemory } from '../../../gateway/tls/ticket-keys.ts'
import type { CertificateSpec } from '../../../shared/definitions/certificate.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import { readSealKeys, sealSecret } from '../../../shared/definitions/seal.ts'
import { TICKET_KEY_MS } from '../../../shared/limits.ts'
import { api, targets } from '../support/definitions.ts'
import { fetchHttp2 } from '../support/http2-client.ts'
import { startImpatientWorker, type OneWorker } from '../support/one-worker.ts'
import { programOf } from '../support/programs.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from '../support/raw-client.ts'
import { startTarget, type TestTarget } from '../support/target.ts'
import { TestAuthority, type Pair } from '../support/test-authority.ts'
import { until } from '../support/until.ts'

const OPENSSL = programOf('openssl')
const closing: (() => Promise<void>)[] = []
let authority: TestAuthority
let clients: TestAuthority

beforeAll(async () => {
  authority = await TestAuthority.make('servers')
  clients = await TestAuthority.make('clients')
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function worker(...definitions: readonly DefinitionInput[]): Promise<SecureWorker> {
  return workerWith({}, ...definitions)
}

type SecureWorker = OneWorker & { readonly https: number; readonly behind: TestTarget }

async function workerWith(
  https: { readonly ticketKeys?: TicketMemory },
  ...definitions: readonly DefinitionInput[]
): Promise<OneWorker & { readonly https: number; readonly behind: TestTarget }> {
  const behind = await startTarget((_request, response) => response.end('hello'))
  closing.push(() => behind.close())
  const started = await startImpatientWorker(
    { https },
    api('a', '/', targets(behind.url)),
    ...definitions,
  )
  closing.push(() => started.stop())
  return { ...started, https: started.httpsPort ?? 0, behind }
}

function certificate(
  name: string,
  pair: Pair,
  more: Partial<CertificateSpec> = {},
): DefinitionInput {
  return { kind: 'Certificate', name, spec: { ...pair, ...more } }
}

/** A connection that speaks TLS, or why there is none. */
function secure(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.pem, ...options })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
    closing.push(async () => void socket.destroy())
  })
}

async function ask(socket: TLSSocket, host: string): Promise<string> {
  socket.write(`GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  return readUntil(socket, (text) => /\r\n\r\n.+/s.test(text))
}

test('the host that a client names decides what it is shown', async () => {
  const gateway = await worker(
    certificate('one', await authority.issue(['one.test'])),
    certificate('wild', await authority.issue(['*.wild.test'])),
    certificate('named', await authority.issue(['other.test']), {
      hosts: ['Three.test'],
      default: true,
    }),
  )
  for (const [servername, shown] of [
    ['one.test', 'one.test'],
    ['ONE.test', 'one.test'],
    ['a.wild.test', '*.wild.test'],
    ['three.test', 'other.test'],
    ['a.b.wild.test', 'other.test'],
    ['nobody.test', 'other.test'],
    ['', 'other.test'],
  ] as const) {
    const socket = await secure(gateway.https, { servername, checkServerIdentity: () => undefined })
    expect([servername, socket.getPeerCertificate().subject.CN]).toEqual([servername, shown])
    expect(await ask(socket, 'one.test')).toContain('hello')
  }
  const seen = gateway.behind.requests[0]?.headers
  expect(seen?.['x-forwarded-proto']).toBe('https')
  expect(seen?.['x-forwarded-port']).toBe(String(gateway.https))
})

test('a host without a certificate is told so by an alert; what is no TLS is disconnected', async () => {
  const gateway = await worker(certificate('one', await authority.issue(['one.test'])))
  await expect(secure(gateway.https, { servername: 'two.test' })).rejects.toThrow(
    /unrecognized.name/i,
  )
  expect(await sendRaw(gateway.https, 'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n')).toBe('')
  await until('both to be counted', () => gateway.slots[SLOT.handshakesFailed] === 2)
})

test('TLS 1.2 and 1.3, never older, and only 1.3 where that is asked for', async () => {
  const gateway = await worker(
    certificate('one', await authority.issue(['one.test'])),
    certificate('new', await authority.issue(['new.test']), { minVersion: '1.3' }),
  )
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await secure(gateway.https, {
      servername: 'one.test',
      minVersion: version,
      maxVersion: version,
    })
    expect(socket.getProtocol()).toBe(version)
  }
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  await expect(secure(gateway.https, { servername: 'one.test', ...old })).rejects.toThrow(
    /version|protocol/i,
  )
  await expect(
    secure(gateway.https, { servername: 'new.test', maxVersion: 'TLSv1.2' }),
  ).rejects.toThrow(/version/i)
})

test('a renewed certificate is shown from the next handshake on; open connections go on', async () => {
  const before = await authority.issue(['one.test'])
  const gateway = await worker(certificate('one', before))
  const open = await secure(gateway.https, { servername: 'one.test' })
  expect(await ask(open, 'one.test')).toContain('hello')
  const serial = open.getPeerCertificate().serialNumber
  for (let round = 0; round < 20; round++) {
    gateway.adopt(certificate('one', await authority.issue(['one.test'])))
    expect(await ask(open, 'one.test')).toContain('hello')
  }
  const next = await secure(gateway.https, { servername: 'one.test' })
  expect(next.getPeerCertificate().serialNumber).not.toBe(serial)
  gateway.remove('Certificate', 'one')
  expect(await ask(open, 'one.test')).toContain('hello')
  await expect(secure(gateway.https, { servername: 'one.test' })).rejects.toThrow(
    /unrecognized.name/i,
  )
})

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  '%s sessions are resumed, also after a renewal',
  async (version) => {
    const gateway = await worker(certificate('one', await authority.issue(['one.test'])))
    const options = { servername: 'one.test', minVersion: version, maxVersion: version }
    const first = await secure(gateway.https, options)
    const tickets: Buffer[] = []
    first.on('session', (session) => tickets.push(session))
    await ask(first, 'one.test')
    const session = await until('a ticket', () =>
      version === 'TLSv1.3' ? tickets.at(-1) : first.getSession(),
    )
    expect((await secure(gateway.https, { ...options, session })).isSessionReused()).toBe(true)
    gateway.adopt(certificate('one', await authority.issue(['one.test'])))
    expect((await secure(gateway.https, { ...options, session })).isSessionReused()).toBe(true)
    await until('both to be counted', () => gateway.slots[SLOT.handshakesResumed] === 2)
    // Once clients must show who they are, a session from before does not let anybody in.
    gateway.adopt(
      certificate('one', await authority.issue(['one.test']), {
        clients: { mode: 'require', authorities: clients.pem },
      }),
    )
    const late = await secure(gateway.https, { ...options, session }).then(
      (socket) => readToEnd(socket),
      () => 'refused',
    )
    expect(['', 'refused']).toContain(late)
  },
)

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  '%s sessions are resumed by every worker, also for one period after a new key came',
  async (version) => {
    const keys = new TicketKeyMaker(TICKET_KEY_MS)
    closing.push(async () => keys.stop())
    const pair = await authority.issue(['one.test'])
    const [first, second] = [
      await workerWith({ ticketKeys: keys.memory }, certificate('one', pair)),
      await workerWith({ ticketKeys: keys.memory }, certificate('one', pair)),
    ]
    const options = { servername: 'one.test', minVersion: version, maxVersion: version }
    const sessionOf = async (socket: TLSSocket): Promise<Buffer> => {
      const tickets: Buffer[] = []
      socket.on('session', (ticket) => tickets.push(ticket))
      await ask(socket, 'one.test')
      return until('a ticket', () => (version === 'TLSv1.3' ? tickets.at(-1) : socket.getSession()))
    }
    const isResumed = async (gateway: SecureWorker, session: Buffer): Promise<boolean> => {
      const socket = await secure(gateway.https, { ...options, session })
      // It is a whole connection, whichever it is.
      expect(await ask(socket, 'one.test')).toContain('hello')
      return socket.isSessionReused()
    }
    const old = await sessionOf(await secure(first.https, options))
    expect(await isResumed(second, old)).toBe(true)
    keys.rotate()
    expect([await isResumed(first, old), await isResumed(second, old)]).toEqual([true, true])
    const young = await sessionOf(await secure(first.https, options))
    expect(await isResumed(second, young)).toBe(true)
    keys.rotate()
    expect([await isResumed(first, old), await isResumed(second, old)]).toEqual([false, false])
    expect(await isResumed(second, young)).toBe(true)
  },
)

test('clients are asked for certificates by the host that wants them, and by no other', async () => {
  const pair = await clients.issue(['alice'])
  const stranger = await authority.issue(['mallory'])
  const gateway = await worker(
    certificate('open', await authority.issue(['open.test'])),
    certificate('ask', await authority.issue(['ask.test']), {
      clients: { mode: 'ask', authorities: clients.pem },
    }),
    certificate('strict', await authority.issue(['strict.test']), {
      clients: { mode: 'require', authorities: clients.pem },
    }),
  )
  const statusOf = async (
    servername: string,
    shown: Pair | null,
    host = servername,
  ): Promise<string> => {
    const own = shown === null ? {} : { cert: shown.certificate, key: shown.key }
    try {
      const socket = await secure(gateway.https, { servername, ...own })
      return (await ask(socket, host)).slice(9, 12)
    } catch {
      return 'refused'
    }
  }
  expect(await statusOf('open.test', null)).toBe('200')
  expect(await statusOf('ask.test', null)).toBe('200')
  expect(await statusOf('ask.test', pair)).toBe('200')
  expect(await statusOf('strict.test', pair)).toBe('200')
  expect(await statusOf('strict.test', null)).toBe('refused')
  expect(await statusOf('strict.test', stranger)).toBe('refused')
  // Neither another host's handshake nor a connection without TLS is a way around.
  expect(await statusOf('open.test', pair, 'strict.test')).toBe('421')
  expect(await statusOf('ask.test', null, 'strict.test')).toBe('421')
  const plain = await sendRaw(
    gateway.port,
    'GET / HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n',
  )
  expect(plain).toContain('MISDIRECTED_REQUEST')
})

test('an OCSP response is stapled for clients that ask', async () => {
  const response = randomBytes(64)
  const gateway = await worker(
    certificate('one', await authority.issue(['one.test']), { ocsp: response.toString('base64') }),
  )
  const socket = connect({
    port: gateway.https,
    host: '127.0.0.1',
    servername: 'one.test',
    ca: authority.pem,
    requestOCSP: true,
  })
  const stapled = await new Promise<Buffer>((resolve) => socket.once('OCSPResponse', resolve))
  socket.destroy()
  expect(stapled).toEqual(response)
})

test.skipIf(OPENSSL === null)(
  'openssl takes what is stapled for what its own authority says',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-ocsp-'))
    closing.push(() => rm(dir, { recursive: true, force: true }))
    const openssl = (...args: readonly string[]): Promise<{ readonly stdout: string }> => {
      const running = promisify(execFile)(OPENSSL ?? '', args, { cwd: dir })
      running.child.stdin?.end()
      return running
    }
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    await openssl(
      'req',
      '-x509',
      ...curve,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=ca',
    )
    const name = ['-subj', '/CN=one.test', '-addext', 'subjectAltName=DNS:one.test']
    await openssl('req', ...curve, '-keyout', 'key.pem', '-out', 'request.pem', ...name)
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', '4097']
    const copied = ['-copy_extensions', 'copy', '-out', 'cert.pem']
    await openssl('x509', '-req', '-in', 'request.pem', ...signed, ...copied)
    await writeFile(join(dir, 'index'), 'V\t491231235959Z\t\t1001\tunknown\t/CN=one.test\n')
    const asked = ['-issuer', 'ca.pem', '-serial', '4097', '-respout', 'ocsp.der', '-noverify']
    const signer = ['-index', 'index', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key']
    await openssl('ocsp', ...signer, ...asked, '-ndays', '1')
    const read = (file: string): Promise<string> => readFile(join(dir, file), 'utf8')
    const gateway = await worker(
      certificate(
        'one',
        { certificate: await read('cert.pem'), key: await read('key.pem') },
        { ocsp: (await readFile(join(dir, 'ocsp.der'))).toString('base64') },
      ),
    )
    const at = ['-connect', `127.0.0.1:${gateway.https}`, '-servername', 'one.test']
    const { stdout } = await openssl('s_client', ...at, '-CAfile', 'ca.pem', '-status')
    expect(stdout).toContain('OCSP Response Status: successful')
    expect(stdout).toContain('Cert Status: good')
    expect(stdout).toContain('Verify return code: 0 (ok)')
  },
)

test('an Api sends its requests to https', async () => {
  const gateway = await worker(certificate('one', await authority.issue(['one.test'])), {
    kind: 'Api',
    name: 'safe',
    spec: {
      hosts: ['one.test'],
      https: 'redirect',
      routes: [{ path: '/safe' }],
      upstream: targets('http://127.0.0.1:9'),
    },
  })
  const get = (method: string): Promise<string> =>
    sendRaw(
      gateway.port,
      `${method} /safe/x?y=1 HTTP/1.1\r\nHost: One.test:81\r\nConnection: close\r\n\r\n`,
    )
  expect(await get('GET')).toMatch(/^HTTP\/1\.1 301 /)
  const posted = await get('POST')
  expect(posted).toMatch(/^HTTP\/1\.1 308 /)
  expect(posted).toContain(`\r\nLocation: https://one.test:${gateway.https}/safe/x?y=1\r\n`)
  const socket = await secure(gateway.https, { servername: 'one.test' })
  socket.write('GET /safe HTTP/1.1\r\nHost: one.test\r\n\r\n')
  expect(await readUntil(socket, (text) => text.includes('UPSTREAM'))).toMatch(/^HTTP\/1\.1 502 /)
})

test('a sealed key is opened with the gateway’s own; what cannot be opened is quarantined, and the one before stays', async () => {
  const read = readSealKeys(randomBytes(32).toString('base64'))
  const other = readSealKeys(randomBytes(32).toString('base64'))
  if (!read.ok || !other.ok) throw new Error('no keys')
  const started = await startImpatientWorker({ https: {}, sealKeys: read.keys })
  closing.push(() => started.stop())
  const sealed = async (
    keys: typeof read.keys,
    names: readonly string[],
  ): Promise<DefinitionInput> => {
    const pair = await authority.issue(names)
    const [key] = keys
    if (key === undefined) throw new Error('no key')
    const place = { kind: 'Certificate', name: 'one', path: 'spec.key' }
    return certificate(
      'one',
      { ...pair, key: '' },
      { key: { sealed: sealSecret(key, place, pair.key) } },
    )
  }
  started.adopt(await sealed(read.keys, ['one.test']))
  const port = started.httpsPort ?? 0
  await secure(port, { servername: 'one.test' })
  const refused = await sealed(other.keys, ['one.test'])
  expect(() => started.adopt(refused)).toThrow(/which --seal-key does not have/)
  await secure(port, { servername: 'one.test' })
  const redacted = certificate('one', await authority.issue(['one.test']), {
    key: { redacted: '0'.repeat(32) },
  })
  expect(() => started.adopt(redacted)).toThrow(/redacted/)
})

test('a trusted proxy says whether its client came by https, and nobody else does', async () => {
  const behind = await startTarget((_request, response) => response.end('hello'))
  closing.push(() => behind.close())
  const safe: DefinitionInput = {
    kind: 'Api',
    name: 'safe',
    spec: { https: 'redirect', routes: [{ path: '/' }], upstream: targets(behind.url) },
  }
  const statusesOf = async (networks: readonly string[]): Promise<readonly string[]> => {
    const trusted = { networks: new Networks(networks), field: 'x-forwarded-for' } as const
    const started = await startImpatientWorker({ trusted }, safe)
    closing.push(() => started.stop())
    const statuses: string[] = []
    for (const proto of ['https', 'http', 'http, HTTPS', 'https, http', 'ftp']) {
      const head = `GET / HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-Proto: ${proto}\r\n`
      statuses.push((await sendRaw(started.port, `${head}Connection: close\r\n\r\n`)).slice(9, 12))
    }
    return statuses
  }
  expect(await statusesOf(['127.0.0.1'])).toEqual(['200', '301', '200', '301', '301'])
  expect(behind.requests[0]?.headers['x-forwarded-proto']).toBe('https')
  expect(await statusesOf(['10.0.0.0/8'])).toEqual(['301', '301', '301', '301', '301'])
})

test('behind a PROXY header, TLS goes on as it would without one', async () => {
  const behind = await startTarget((_request, response) => response.end('hello'))
  closing.push(() => behind.close())
  const gateway = await startImpatientWorker(
    {
      https: {},
      trusted: { networks: new Networks(['127.0.0.1']), field: 'x-forwarded-for' },
      proxyProtocol: 'require',
    },
    api('a', '/', targets(behind.url)),
    certificate('one', await authority.issue(['one.test'])),
  )
  closing.push(() => gateway.stop())
  const proxied = await openRaw(gateway.httpsPort ?? 0)
  proxied.write(
    writeProxyHeader('v2', {
      source: { address: '192.0.2.7', port: 4_711 },
      destination: { address: '192.0.2.1', port: 443 },
    }),
  )
  const socket = await secure(0, { socket: proxied, servername: 'one.test' })
  expect(await ask(socket, 'one.test')).toContain('hello')
  expect(behind.requests[0]?.headers['x-forwarded-for']).toBe('192.0.2.7')
})

test('a client that never finishes its handshake is not waited for when the gateway stops', async () => {
  const gateway = await worker(certificate('one', await authority.issue(['one.test'])))
  const silent = await openRaw(gateway.https)
  silent.write(Buffer.from([22, 3, 1]))
  const closed = readToEnd(silent)
  for (const close of closing.splice(0).toReversed()) await close()
  expect(await closed).toBe('')
})

test('a client that offers HTTP/2 is served in it, and told apart from others by its handshake', async () => {
  const gateway = await worker(
    certificate('open', await authority.issue(['open.test'])),
    certificate('asks', await authority.issue(['asks.test']), {
      clients: { mode: 'require', authorities: clients.pem },
    }),
  )
  const session = connectHttp2(`https://127.0.0.1:${gateway.https}`, {
    ca: authority.pem,
    servername: 'open.test',
  })
  closing.push(async () => session.destroy())
  const own = await fetchHttp2(session, { ':path': '/', ':authority': 'open.test' })
  expect(own).toMatchObject({ status: 200, body: 'hello' })
  expect(gateway.behind.requests[0]?.headers['x-forwarded-proto']).toBe('https')
  // A host that asks for certificates is not reached over the handshake of another one.
  const other = await fetchHttp2(session, { ':path': '/', ':authority': 'asks.test' })
  expect(other.status).toBe(421)
})
