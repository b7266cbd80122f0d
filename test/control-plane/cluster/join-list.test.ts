// Goal: names in a join list mean what DNS says of them at the moment. Method: a DNS server of the test's own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expandJoin } from '../../../control-plane/cluster/join-list.ts'
import { startServer, type Server } from '../../../control-plane/main.ts'
import { systemLookup } from '../../../control-plane/system-lookup.ts'
import { SILENT } from '../../../shared/logger.ts'
import { DnsServer } from './dns-server.ts'

let dns: DnsServer

beforeEach(async () => {
  dns = await DnsServer.open()
})

afterEach(() => {
  dns.close()
})

async function expand(...entries: string[]) {
  const { peers, failed } = await expandJoin(entries, systemLookup(dns.address))
  return { peers: [...peers.values()].flat().toSorted(), failed: Object.fromEntries(failed) }
}

test('a host is all of its addresses, of both families', async () => {
  dns.hosts.set('nodes.test', ['10.0.0.1', '10.0.0.2', 'fd00::1'])
  expect(await expand('nodes.test:7401')).toEqual({
    peers: ['10.0.0.1:7401', '10.0.0.2:7401', '[fd00::1]:7401'],
    failed: {},
  })
})

test('addresses are not looked up, and localhost is one place', async () => {
  expect(await expand('10.0.0.9:1', '[fd00::9]:2')).toEqual({
    peers: ['10.0.0.9:1', '[fd00::9]:2'],
    failed: {},
  })
  expect(dns.asked).toBe(0)
  expect((await expand('localhost:3')).peers).toHaveLength(1)
})

test('a service is its hosts with their ports, written either way', async () => {
  dns.services.set('_raftway._tcp.test', [
    { name: 'a.test', port: 7401 },
    { name: 'b.test', port: 7411 },
    { name: 'gone.test', port: 7421 },
  ])
  dns.hosts.set('a.test', ['10.0.0.1'])
  dns.hosts.set('b.test', ['10.0.0.2', '10.0.0.3'])
  const peers = ['10.0.0.1:7401', '10.0.0.2:7411', '10.0.0.3:7411']
  expect(await expand('_raftway._tcp.test')).toEqual({ peers, failed: {} })
  expect(await expand('srv+_raftway._tcp.test')).toEqual({ peers, failed: {} })
})

test('what cannot be looked up is named with the reason, and the rest stands', async () => {
  const { peers, failed } = await expand('10.0.0.1:7401', 'nowhere.test:7401', 'srv+none.test')
  expect(peers).toEqual(['10.0.0.1:7401'])
  expect(failed).toEqual({
    'nowhere.test:7401': expect.stringMatching(/cannot be looked up: .*nowhere\.test/),
    'srv+none.test': expect.stringMatching(/cannot be looked up: .*none\.test/),
  })
})

test('nodes that start before their names exist form once they do', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-dns-'))
  const anyPort = { host: '127.0.0.1', port: 0 }
  const servers: Server[] = []
  try {
    for (const name of ['n1', 'n2', 'n3']) {
      const server = await startServer({
        name,
        dataDir: join(dir, name),
        api: anyPort,
        peer: anyPort,
        join: ['_raftway._tcp.test'],
        dnsServer: dns.address,
        expect: 3,
        advertiseApi: null,
        advertisePeer: null,
        electionMs: 1_000,
        logger: SILENT,
        announceToken: () => {},
      })
      servers.push(server)
    }
    const asked = dns.asked
    expect(asked).toBeGreaterThan(0)
    const port = (server: Server) => Number(server.peer.split(':').at(-1))
    dns.hosts.set('box.test', ['127.0.0.1'])
    dns.services.set(
      '_raftway._tcp.test',
      servers.map((server) => ({ name: 'box.test', port: port(server) })),
    )
    await Promise.all(servers.map(({ formed }) => formed))
    expect(dns.asked).toBeGreaterThan(asked)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
    await rm(dir, { recursive: true, force: true })
  }
})
