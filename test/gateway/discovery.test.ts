/**
 * Goal: targets come and go without a change of the config, and no request notices. Method: one worker, a DNS server and a
 * registry of our own, targets on several addresses of the loopback network.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { DefinitionInput } from '../../shared/definitions/kinds.ts'
import type { UpstreamSpec } from '../../shared/definitions/upstream.ts'
import { reportUpstreams, type UpstreamReport } from '../../gateway/upstream/report.ts'
import { a, soa, startDns, type DnsReply, type TestDns } from './support/dns-server.ts'
import { api } from './support/definitions.ts'
import { startOneWorker, type OneWorker } from './support/one-worker.ts'
import { startTarget } from './support/target.ts'
import { until } from './support/until.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

type Box = { readonly port: number; readonly server: Server; readonly held: (() => void)[] }

/** A target on an address of its own that answers with that address; `/hold` waits until it is let go. */
async function box(address: string, port = 0): Promise<Box> {
  const held: (() => void)[] = []
  const server = createServer((request, response) => {
    const answer = (): void => void response.end(address)
    if (request.url === '/hold') held.push(answer)
    else answer()
  })
  await new Promise<void>((resolve) => server.listen(port, address, () => resolve()))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { port: (server.address() as AddressInfo).port, server, held }
}

async function dns(answer: Parameters<typeof startDns>[0]): Promise<TestDns> {
  const started = await startDns(answer)
  closing.push(() => started.close())
  return started
}

async function worker(...definitions: readonly DefinitionInput[]): Promise<OneWorker> {
  const started = await startOneWorker(...definitions)
  closing.push(() => started.stop())
  return started
}

async function ask(gateway: OneWorker, path = '/'): Promise<string> {
  return (await fetch(gateway.url + path)).text()
}

async function met(gateway: OneWorker, count = 6): Promise<string[]> {
  const seen = new Set<string>()
  for (let i = 0; i < count; i++) seen.add(await ask(gateway))
  return [...seen].toSorted()
}

function report(gateway: OneWorker): UpstreamReport | undefined {
  return reportUpstreams(gateway.upstreams.all(), performance.now())[0]
}

function urls(gateway: OneWorker): string[] {
  return report(gateway)?.targets.map(({ url }) => url) ?? []
}

describe('by DNS', () => {
  function byName(
    server: TestDns,
    port: number,
    more: Partial<UpstreamSpec> = {},
  ): DefinitionInput {
    const found = { name: 'db.example.', server: server.address, ttlMsMin: 50 } as const
    return api('x', '/', { discover: { port, dns: { ...found, family: 'ipv4' } }, ...more })
  }

  test('follows the addresses of a name, with no request dropped and no connection kept', async () => {
    const first = await box('127.0.0.1')
    const second = await box('127.0.0.2', first.port)
    let addresses = ['127.0.0.1']
    const server = await dns(({ name }) => ({ answers: addresses.map((ip) => a(name, ip)) }))
    const balance = 'random-two-choices' as const
    const gateway = await worker(byName(server, first.port, { balance }))
    expect(await met(gateway)).toEqual(['127.0.0.1'])
    const statuses: number[] = []
    const load = { isOver: false }
    const loaded = (async () => {
      while (!load.isOver) statuses.push((await fetch(gateway.url)).status)
    })()
    addresses = ['127.0.0.1', '127.0.0.2']
    await until('both', async () => (await met(gateway)).length === 2)
    // A request under way keeps its target, though that is no longer found.
    const underWay = Promise.allSettled([1, 2, 3, 4].map(() => ask(gateway, '/hold')))
    await until('all of them', () => first.held.length + second.held.length === 4)
    expect(first.held.length).toBeGreaterThan(0)
    addresses = ['127.0.0.2']
    await until('one only', () => urls(gateway).length === 1)
    expect(await met(gateway)).toEqual(['127.0.0.2'])
    expect(gateway.connections.count).toBe(2)
    for (const answer of [...first.held, ...second.held]) answer()
    await until('the connections to close', () => gateway.connections.count === 1)
    const ended = (await underWay).map((one) => (one.status === 'fulfilled' ? one.value : 'lost'))
    expect(ended.filter((name) => name === '127.0.0.1')).toHaveLength(first.held.length)
    expect(ended).not.toContain('lost')
    load.isOver = true
    await loaded
    expect(statuses.length).toBeGreaterThan(20)
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })

  test('keeps what it knows while the server fails, for as long as that takes', async () => {
    const target = await box('127.0.0.1')
    let reply: DnsReply | null = { answers: [a('db.example', '127.0.0.1')] }
    const server = await dns(() => reply)
    const gateway = await worker(byName(server, target.port))
    expect(await met(gateway, 2)).toEqual(['127.0.0.1'])
    reply = { rcode: 2 }
    await until('the failure', () => report(gateway)?.discovery?.failure === 'SERVFAIL')
    const asked = server.questions.length
    await until('further questions', () => server.questions.length > asked + 3)
    expect(await met(gateway, 2)).toEqual(['127.0.0.1'])
    // A name that is gone is believed to be when it was said three times.
    reply = { rcode: 3, authorities: [soa('example', 0)] }
    await until('nothing', () => urls(gateway).length === 0)
    expect((await fetch(gateway.url)).status).toBe(503)
  })

  test('has nothing for a name that does not exist, and what is written down stands in', async () => {
    const target = await box('127.0.0.1')
    const server = await dns(() => ({ rcode: 3 }))
    const gateway = await worker(byName(server, target.port))
    const answer = await fetch(gateway.url)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ error: { code: 'UPSTREAM_UNHEALTHY' } })
    const targets = [{ url: `http://127.0.0.1:${target.port}` }]
    gateway.adopt(byName(server, target.port, { targets }))
    expect(await ask(gateway)).toBe('127.0.0.1')
  })

  test('lets the first requests wait for the first answer, and no longer than for a connection', async () => {
    const target = await box('127.0.0.1')
    let isSilent = true
    const server = await dns(({ name }) => (isSilent ? null : { answers: [a(name, '127.0.0.1')] }))
    const gateway = await worker(byName(server, target.port, { timeouts: { connectMs: 100 } }))
    expect((await fetch(gateway.url)).status).toBe(503)
    gateway.remove('Api', 'x')
    gateway.adopt(byName(server, target.port, { timeouts: { connectMs: 20_000 } }))
    const waiting = [ask(gateway), ask(gateway)]
    isSilent = false
    expect(await Promise.all(waiting)).toEqual(['127.0.0.1', '127.0.0.1'])
  })

  test('is asked no more once the upstream is gone, and goes on over a change of something else', async () => {
    const target = await box('127.0.0.1')
    const server = await dns(({ name }) => ({ answers: [a(name, '127.0.0.1', 3_600)] }))
    const gateway = await worker(byName(server, target.port))
    await met(gateway, 2)
    for (let i = 1; i <= 20; i++) {
      gateway.adopt(byName(server, target.port, { timeouts: { idleMs: 1_000 + i } }))
      expect(await ask(gateway)).toBe('127.0.0.1')
    }
    // An hour is an hour, whatever changes.
    expect(server.questions).toHaveLength(1)
    gateway.remove('Api', 'x')
    expect(gateway.upstreams.count).toBe(0)
    await until('the connections to close', () => gateway.connections.count === 0)
  })

  test('finds services with their ports and weights', async () => {
    const [one, two] = [await box('127.0.0.1'), await box('127.0.0.2')]
    const srv = (target: string, port: number, weight: number) => ({
      type: 'SRV' as const,
      name: '_http._tcp.example',
      ttl: 3_600,
      data: { target, port, priority: 1, weight },
    })
    const server = await dns(({ name, type }) => {
      if (type === 'SRV') {
        return { answers: [srv('a.example', one.port, 3), srv('b.example', two.port, 1)] }
      }
      const answers = [a(name, name === 'a.example' ? '127.0.0.1' : '127.0.0.2', 3_600)]
      return { answers: type === 'A' ? answers : [] }
    })
    const found = { name: '_http._tcp.example.', type: 'srv', server: server.address } as const
    const gateway = await worker(api('x', '/', { discover: { dns: found } }))
    const names: string[] = []
    for (let i = 0; i < 8; i++) names.push(await ask(gateway))
    expect(names.filter((name) => name === '127.0.0.1')).toHaveLength(6)
    expect(urls(gateway).toSorted()).toEqual([
      `http://127.0.0.1:${one.port}`,
      `http://127.0.0.2:${two.port}`,
    ])
  })
})

test('over HTTP: the list is followed, and a registry that fails changes nothing', async () => {
  const [one, two] = [await box('127.0.0.1'), await box('127.0.0.2')]
  let status = 200
  let nodes: readonly object[] = [{ ip: '127.0.0.1', ports: { http: one.port } }]
  const registry = await startTarget((_request, response) => {
    response.statusCode = status
    response.end(JSON.stringify({ data: { nodes } }))
  })
  closing.push(() => registry.close())
  const http = {
    url: `${registry.url}/nodes`,
    list: 'data.nodes',
    hostField: 'ip',
    portField: 'ports.http',
    intervalMs: 50,
  }
  const gateway = await worker(api('x', '/', { discover: { http } }))
  expect(await met(gateway)).toEqual(['127.0.0.1'])
  expect(registry.requests[0]?.url).toBe('/nodes')
  nodes = [...nodes, { ip: '127.0.0.2', ports: { http: two.port } }]
  await until('both', () => urls(gateway).length === 2)
  expect(await met(gateway)).toEqual(['127.0.0.1', '127.0.0.2'])
  status = 500
  nodes = []
  await until('the failure', () => report(gateway)?.discovery?.failure === 'status 500')
  status = 200
  nodes = [{ ip: '127.0.0.2' }, { nothing: true }]
  await until('the refusal', () =>
    report(gateway)?.discovery?.failure?.startsWith('item 1 has no host'),
  )
  expect(await met(gateway)).toEqual(['127.0.0.1', '127.0.0.2'])
  // An empty list is believed only when it was said three times.
  nodes = []
  await until('nothing', () => urls(gateway).length === 0)
  expect((await fetch(gateway.url)).status).toBe(503)
})

test('in a file: a new one is taken, and half of one is not', async () => {
  const [one, two] = [await box('127.0.0.1'), await box('127.0.0.2')]
  const directory = await mkdtemp(join(tmpdir(), 'raftway-discovery-'))
  closing.push(() => rm(directory, { recursive: true }))
  const path = join(directory, 'targets.json')
  const texts = [`127.0.0.1:${one.port}`, `127.0.0.2:${two.port}`]
  await writeFile(path, JSON.stringify(texts.slice(0, 1)))
  const gateway = await worker(api('x', '/', { discover: { file: { path, intervalMs: 50 } } }))
  expect(await met(gateway)).toEqual(['127.0.0.1'])
  await writeFile(path, '["127.0.0.2')
  await until('the refusal', () => report(gateway)?.discovery?.failure === 'not JSON')
  expect(await met(gateway)).toEqual(['127.0.0.1'])
  await writeFile(`${path}.new`, JSON.stringify(texts))
  await rename(`${path}.new`, path)
  await until('both', () => urls(gateway).length === 2)
  expect(await met(gateway)).toEqual(['127.0.0.1', '127.0.0.2'])
})
