// Goal: names are looked up as the machine does it, with what DNS says of time. Method: DNS servers on ports of their own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DnsClient } from '../../../gateway/dns/dns-client.ts'
import { Resolver } from '../../../gateway/dns/resolver.ts'
import { a, soa, startDns, type DnsReply, type TestDns } from '../support/dns-server.ts'

const closing: (() => Promise<void>)[] = []
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'raftway-dns-'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await rm(directory, { recursive: true })
})

async function dns(answer: Parameters<typeof startDns>[0]): Promise<TestDns> {
  const started = await startDns(answer)
  closing.push(() => started.close())
  return started
}

const soon = (): AbortSignal => AbortSignal.timeout(10_000)

async function resolver(server: TestDns, files: { hosts?: string; conf?: string } = {}) {
  const hosts = join(directory, 'hosts')
  const resolvConf = join(directory, 'resolv.conf')
  await writeFile(hosts, files.hosts ?? '')
  await writeFile(resolvConf, `options timeout:1 attempts:1\n${files.conf ?? ''}`)
  return new Resolver({ server: { host: '127.0.0.1', port: server.port }, hosts, resolvConf })
}

function client(...servers: readonly TestDns[]): DnsClient {
  const places = servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  return new DnsClient({ servers: places, timeoutMs: 150, attempts: 2 })
}

describe('the client', () => {
  test('asks over TCP for what did not fit', async () => {
    const many = Array.from({ length: 200 }, (_, i) => a('big.example', `10.0.${i}.1`, 60))
    const server = await dns(() => ({ answers: many, isTruncated: true }))
    const outcome = await client(server).ask({ name: 'big.example', type: 'A' }, soon())
    expect(outcome).toMatchObject({ type: 'found', ttlMs: 60_000 })
    expect(outcome.type === 'found' && outcome.found).toHaveLength(200)
    expect(server.questions).toEqual(['udp A big.example', 'tcp A big.example'])
  })

  test('goes on to the next server when one is silent or broken, and says why in the end', async () => {
    const silent = await dns(() => null)
    const broken = await dns(() => ({ rcode: 2 }))
    const good = await dns(({ name }) => ({ answers: [a(name, '10.0.0.1', 9)] }))
    const question = { name: 'x.example', type: 'A' } as const
    expect(await client(silent, broken, good).ask(question, soon())).toMatchObject({
      type: 'found',
      found: ['10.0.0.1'],
    })
    expect(await client(silent).ask(question, soon())).toEqual({
      type: 'failed',
      reason: 'no answer in time',
    })
    expect(silent.questions).toHaveLength(3)
    expect(await client(broken).ask(question, soon())).toEqual({
      type: 'failed',
      reason: 'SERVFAIL',
    })
    const gone = await dns(() => null)
    await gone.close()
    closing.pop()
    expect(await client(gone).ask(question, soon())).toMatchObject({ type: 'failed' })
  })

  test('takes nothing for an answer that belongs to another question', async () => {
    const server = await dns(() => ({ answers: [] }))
    const asked = await dns(() => null)
    // What the other one says comes from another port, to nobody.
    void client(server).ask({ name: 'other.example', type: 'A' }, soon())
    const outcome = await client(asked).ask({ name: 'x.example', type: 'A' }, soon())
    expect(outcome).toEqual({ type: 'failed', reason: 'no answer in time' })
  })
})

describe('a look-up', () => {
  const zone =
    (records: Readonly<Record<string, DnsReply>>) =>
    ({ name, type }: { name: string; type: string }): DnsReply =>
      records[`${type} ${name}`] ?? { rcode: 3, authorities: [soa('example', 30)] }

  test('asks for both families, or for one', async () => {
    const server = await dns(
      zone({
        'A db.example': { answers: [a('db.example', '10.0.0.1', 60)] },
        'AAAA db.example': {
          answers: [{ type: 'AAAA', name: 'db.example', data: 'fd00::1', ttl: 20 }],
        },
      }),
    )
    const it = await resolver(server)
    expect(await it.addresses('db.example', 'any', soon())).toEqual({
      type: 'found',
      found: ['10.0.0.1', 'fd00::1'],
      ttlMs: 20_000,
    })
    expect(await it.addresses('db.example', 'ipv4', soon())).toMatchObject({ found: ['10.0.0.1'] })
    expect(await it.addresses('no.example', 'any', soon())).toEqual({
      type: 'nothing',
      ttlMs: 30_000,
    })
    expect(await it.addresses('10.0.0.9', 'any', soon())).toMatchObject({ found: ['10.0.0.9'] })
  })

  test('looks into the hosts file first', async () => {
    const server = await dns(() => ({ rcode: 2 }))
    const it = await resolver(server, { hosts: '10.0.0.5 db.example\nfd00::5 db.example' })
    expect(await it.addresses('DB.example', 'any', soon())).toMatchObject({
      found: ['10.0.0.5', 'fd00::5'],
    })
    expect(await it.addresses('db.example.', 'ipv6', soon())).toMatchObject({ found: ['fd00::5'] })
    expect(server.questions).toEqual([])
  })

  test('tries the search domains of a short name', async () => {
    const server = await dns(
      zone({ 'A db.b.example': { answers: [a('db.b.example', '10.0.0.2', 60)] } }),
    )
    const it = await resolver(server, { conf: 'search a.example b.example' })
    expect(await it.addresses('db', 'ipv4', soon())).toMatchObject({ found: ['10.0.0.2'] })
    expect(server.questions).toEqual(['udp A db.a.example', 'udp A db.b.example'])
  })

  test('of a service gives those of the best priority', async () => {
    const srv = (target: string, port: number, priority: number) => ({
      type: 'SRV' as const,
      name: '_http._tcp.example',
      ttl: 15,
      data: { target, port, priority, weight: 5 },
    })
    const server = await dns(
      zone({
        'SRV _http._tcp.example': {
          answers: [srv('a.example', 8_001, 10), srv('b.example', 8_002, 20)],
        },
      }),
    )
    const it = await resolver(server)
    expect(await it.services('_http._tcp.example', soon())).toEqual({
      type: 'found',
      found: [{ target: 'a.example', port: 8_001, priority: 10, weight: 5 }],
      ttlMs: 15_000,
    })
  })
})
