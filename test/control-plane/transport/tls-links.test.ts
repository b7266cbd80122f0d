// Goal: only nodes of this cluster get anywhere on a peer port, and whoever does not is told why, on both sides.
// Method: real transports on loopback, each with the certificate that the case is about.
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import type { Authority } from '../../../control-plane/cluster/authority.ts'
import { TCP_LINKS } from '../../../control-plane/transport/links.ts'
import { fingerprintOf } from '../../../shared/certificate.ts'
import { RaftwayError } from '../../../shared/errors.ts'
import {
  anAuthority,
  aPair,
  LineLogger,
  linksOf,
  TestCredentials,
  TestRevocations,
  type Wanted,
} from '../tls/certificates.ts'
import { TestNodes, until, type TestNode } from './nodes.ts'
import { CallClient } from '../../../control-plane/transport/call-client.ts'
import { dial } from '../../../control-plane/transport/greeting.ts'
import { pinnedLinks } from '../../../control-plane/transport/tls-links.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'

const nodes = new TestNodes()
afterEach(() => nodes.closeAll())

type SecureNode = TestNode & {
  readonly credentials: TestCredentials
  readonly revocations: TestRevocations
  readonly log: LineLogger
}

async function open(authority: Authority, id: number, wanted: Wanted = {}): Promise<SecureNode> {
  const credentials = new TestCredentials(
    authority,
    await aPair(authority, { nodeId: id, ...wanted }),
  )
  const revocations = new TestRevocations()
  const log = new LineLogger()
  const links = linksOf({ credentials, revocations, logger: log })
  const clusterId = wanted.clusterId === undefined ? 'one' : wanted.clusterId
  const node = await nodes.open(id, { links, logger: log, clusterId })
  return Object.assign(node, { credentials, revocations, log })
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RaftwayError)
  return error instanceof RaftwayError ? `${error.code}: ${error.message}` : ''
}

const ask = (from: TestNode, to: TestNode): Promise<unknown> =>
  from.transport.call(to.transport.address, { type: 'hello', body: 'you' }, 5_000)

describe('nodes of one authority', () => {
  test('talk to each other, and what they say does not pass in the clear', async () => {
    const authority = await anAuthority()
    const [a, b] = [await open(authority, 1), await open(authority, 2)]
    const relay = await nodes.relay(b.transport.address)
    let seen = Buffer.alloc(0)
    relay.spoil = (chunk) => {
      seen = Buffer.concat([seen, chunk])
      return chunk
    }
    const note = { type: 'hello', body: 'this is not for everybody' }
    expect(await a.transport.call(relay.address, note, 5_000)).toMatchObject({ body: note.body })
    expect(seen.length).toBeGreaterThan(200)
    expect(seen.includes('everybody')).toBe(false)
    expect(seen[0]).toBe(0x16)
  })

  test('may know each other before they have a cluster', async () => {
    const authority = await anAuthority()
    const [a, b] = [
      await open(authority, 1, { clusterId: null }),
      await open(authority, 2, { clusterId: null }),
    ]
    expect(await ask(a, b)).toMatchObject({ body: 'you', from: { id: 2, clusterId: null } })
  })
})

describe('is refused, and both sides know why', () => {
  const cases: readonly { readonly what: string; readonly wanted: Wanted; readonly why: RegExp }[] =
    [
      {
        what: 'an expired certificate',
        wanted: { validToMs: Date.now() - 1_000 },
        why: /its certificate expired at/,
      },
      {
        what: 'a certificate from the future',
        wanted: { validFromMs: Date.now() + 600_000, validToMs: Date.now() + 700_000 },
        why: /its certificate is valid from/,
      },
      {
        what: 'the certificate of another node',
        wanted: { nodeId: 7, name: 'n7' },
        why: /n2 \(2\) shows the certificate of node n7 \(7\)/,
      },
      {
        what: 'the certificate of a gateway',
        wanted: { role: 'gateway', name: 'n2' },
        why: /n2 \(2\) shows the certificate of gateway n2/,
      },
      {
        what: 'the certificate of another cluster',
        wanted: { clusterId: 'two' },
        why: /belongs to cluster one, and n2 to two/,
      },
    ]
  test.each(cases)('$what', async ({ wanted, why }) => {
    const authority = await anAuthority()
    const a = await open(authority, 1)
    const b = await open(authority, 2, wanted)
    expect(await refusalOf(ask(b, a))).toMatch(new RegExp(`^PEER_REFUSED: .*${why.source}`))
    await until('a says so', () => a.log.has('refused a peer'))
    expect(a.log.lines.join('\n')).toMatch(why)
    expect(a.handler.messages).toEqual([])
  })

  test('a certificate of a cluster, in the hands of a node that says it is of another', async () => {
    const authority = await anAuthority()
    const a = await open(authority, 1)
    const b = await open(authority, 2, { clusterId: 'two' })
    b.identity = { ...b.identity, clusterId: 'one' }
    expect(await refusalOf(ask(b, a))).toMatch(/^PEER_REFUSED: .*shows the certificate/)
  })

  test('a forged certificate, made by an authority of the same name', async () => {
    const a = await open(await anAuthority(), 1)
    const b = await open(await anAuthority(), 2)
    expect(await refusalOf(ask(b, a))).toMatch(
      /^PEER_REFUSED: .*its certificate is not from this cluster’s authority/,
    )
  })

  test('a forger who believes everybody', async () => {
    const real = await anAuthority()
    const a = await open(real, 1)
    const forged = await aPair(await anAuthority(), { nodeId: 2 })
    const links = linksOf({ credentials: new TestCredentials(real, forged) })
    const b = await nodes.open(2, { links })
    expect(await refusalOf(ask(b, a))).toMatch(
      /^PEER_REFUSED: its certificate is not from this cluster’s authority/,
    )
    await until('a says so', () => a.log.has('not from this cluster’s authority'))
  })

  test('no certificate at all', async () => {
    const authority = await anAuthority()
    const a = await open(authority, 1)
    const links = pinnedLinks(authority.fingerprint, SYSTEM_CLOCK)
    const self = { ...a.identity, id: 2, name: 'n2' }
    const dialled = dial({
      links,
      peer: a.transport.address,
      purpose: 'calls',
      self,
      expected: null,
      adopt: () => ({ onFrame() {}, onClose() {} }),
      signal: AbortSignal.timeout(5_000),
    })
    expect(await refusalOf(dialled)).toBe(
      'PEER_REFUSED: n2 has no certificate of this cluster: start it with --join-token',
    )
    await until('a says so', () => a.log.has('n2 has no certificate'))
  })

  test('a plain node at a TLS port', async () => {
    const a = await open(await anAuthority(), 1)
    const b = await nodes.open(2, { links: TCP_LINKS })
    expect(await refusalOf(ask(b, a))).toBe(
      'PEER_REFUSED: this node speaks TLS on its peer port: start the other one with --tls on',
    )
    await until('a says so', () => a.log.has('start the other one with --tls on'))
  })

  test('a TLS node at a plain port', async () => {
    const log = new LineLogger()
    const a = await nodes.open(1, { links: TCP_LINKS, logger: log })
    const b = await open(await anAuthority(), 2)
    expect(await refusalOf(ask(b, a))).toMatch(
      /^PEER_REFUSED: .*does not speak TLS on this port, and this node does/,
    )
    await until('a says so', () => log.has('it speaks TLS, and this node does not'))
  })

  test('whoever speaks another protocol over TLS', async () => {
    const a = await open(await anAuthority(), 1)
    const [host = '', port] = a.transport.address.split(':')
    const code = await new Promise((resolve) => {
      const options = { rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }
      const socket = connectTls(Number(port), host, options)
      socket.on('error', (error: Error & { code?: string }) => resolve(error.code))
      socket.on('secureConnect', () => resolve('let in'))
    })
    expect(code).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('whoever connects and says nothing, or hangs up', async () => {
    const a = await open(await anAuthority(), 1)
    const [host = '', port] = a.transport.address.split(':')
    const mute = connectPlain(Number(port), host)
    const closed = new Promise((resolve) => {
      mute.on('error', () => {})
      mute.on('close', () => resolve('closed'))
    })
    connectPlain(Number(port), host).end()
    expect(await closed).toBe('closed')
    expect((await ask(a, a)) as object).toMatchObject({ body: 'you' })
  })
})

describe('while links stand', () => {
  test('a revoked certificate loses its links at once, and gets no new ones', async () => {
    const authority = await anAuthority()
    const [a, b] = [await open(authority, 1), await open(authority, 2)]
    a.transport.setPeers([a.address, b.address])
    b.transport.setPeers([a.address, b.address])
    await until(
      'connected',
      () => a.transport.lastHeardMs(2) !== null && b.transport.lastHeardMs(1) !== null,
    )
    await ask(b, a)
    a.revocations.revoke('n2')
    await until('b hears of it', () => b.handler.unreachable.includes(1))
    expect(a.log.lines.join('\n')).toContain(
      'closes a link: the certificate of n2 is revoked: lost',
    )
    expect(await refusalOf(ask(b, a))).toMatch(/^PEER_REFUSED: its certificate is revoked: lost/)
    expect(await refusalOf(ask(a, b))).toMatch(/^PEER_REFUSED: .*its certificate is revoked: lost/)
  })

  test('a link ends with the certificate that it was opened with, and the renewed one opens the next', async () => {
    const authority = await anAuthority()
    const [a, b] = [
      await open(authority, 1),
      await open(authority, 2, { validToMs: Date.now() + 2_000 }),
    ]
    expect(await ask(b, a)).toMatchObject({ body: 'you' })
    b.credentials.renew(await aPair(authority, { nodeId: 2 }))
    await until('the old link is closed', () => a.log.has('the certificate of n2 has expired'))
    // Whether b knows that yet or not, its next link is a new one.
    expect(await ask(b, a).catch(() => ask(b, a))).toMatchObject({ body: 'you' })
    // And whoever dials b now sees the renewed one too.
    expect(await ask(a, b)).toMatchObject({ body: 'you' })
  })
})

describe('a node without a certificate that knows the authority', () => {
  function caller(fingerprint: string): CallClient {
    const self = () => ({ id: 9, name: 'n9', api: '', peer: '127.0.0.1:1', clusterId: null })
    const links = pinnedLinks(fingerprint, SYSTEM_CLOCK)
    return new CallClient({
      self,
      dial: (peer, adopt, signal) =>
        dial({ links, peer, purpose: 'enrol', self: self(), expected: null, adopt, signal }),
    })
  }
  const closing = new RaftwayError('STOPPING', 'the test is over')

  test('reaches what answers for enrolment, and nothing else', async () => {
    const authority = await anAuthority()
    const links = linksOf({ credentials: new TestCredentials(authority, await aPair(authority)) })
    const a = await nodes.open(1, {
      links,
      onEnrol: (call) => Promise.resolve({ enrolled: call.type }),
    })
    const calls = caller(authority.fingerprint)
    const answer = await calls.call(a.transport.address, { type: 'join', body: {} }, 5_000)
    expect(answer.body).toEqual({ enrolled: 'join' })
    calls.close(closing)
  })

  test('says nothing to a node of another cluster', async () => {
    const authority = await anAuthority()
    const a = await open(authority, 1)
    const calls = caller((await anAuthority()).fingerprint)
    const refusal = await refusalOf(
      calls.call(a.transport.address, { type: 'enrol', body: {} }, 5_000),
    )
    expect(refusal).toMatch(/^PEER_REFUSED: .*it is of another cluster/)
    calls.close(closing)
  })

  test('is not fooled by the true authority’s certificate behind a forged one', async () => {
    const [real, other] = [await anAuthority(), await anAuthority()]
    const forged = await aPair(other, { nodeId: 1 })
    const leaf = forged.cert.slice(0, forged.cert.indexOf('-----END CERTIFICATE-----\n') + 26)
    const pair = { key: forged.key, cert: leaf + real.certificate.toString() }
    const fake = await nodes.open(1, {
      links: linksOf({ credentials: new TestCredentials(other, pair) }),
    })
    const calls = caller(fingerprintOf(real.certificate.raw))
    const refusal = await refusalOf(
      calls.call(fake.transport.address, { type: 'enrol', body: {} }, 5_000),
    )
    expect(refusal).toMatch(/^PEER_REFUSED/)
    calls.close(closing)
  })
})
