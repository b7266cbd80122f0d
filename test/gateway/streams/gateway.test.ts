// Goal: Streams of a whole gateway: ports that all workers share, what nodes and operators are told, and README's example.
// Method: `startGateway` as the command line calls it, behind a node that speaks the watch protocol.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttps } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startGateway, type RunningGateway } from '../../../gateway/main.ts'
import type { GatewayOptions } from '../../../gateway/options.ts'
import { parseDefinition } from '../../../shared/definitions/parse.ts'
import { SILENT } from '../../../shared/logger.ts'
import { aPair, anAuthority } from '../../control-plane/tls/certificates.ts'
import { TestControlPlane } from '../support/control-plane.ts'
import { freePort, startTcp, stream } from '../support/one-streams.ts'
import { openRaw, readUntil } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

let node: TestControlPlane
let directory: string
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  node = new TestControlPlane()
  await node.start()
  directory = await mkdtemp(join(tmpdir(), 'raftway-streams-'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await node.stop()
  await rm(directory, { recursive: true })
})

async function start(more: Partial<GatewayOptions>): Promise<RunningGateway> {
  const gateway = await startGateway(
    {
      name: 'gw1',
      controlUrls: [node.url],
      http: '127.0.0.1:0',
      status: '127.0.0.1:0',
      dataDir: directory,
      workers: 2,
      drainMs: 2_000,
      ...more,
    },
    SILENT,
  )
  closing.push(() => gateway.stop())
  return gateway
}

async function status(gateway: RunningGateway): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${gateway.statusPort}/status`)
  return (await answer.json()) as Record<string, unknown>
}

async function echo(): Promise<number> {
  const server = await startTcp((socket) => {
    socket.write('db:')
    socket.pipe(socket)
  })
  closing.push(() => server.close())
  return server.port
}

async function greets(port: number): Promise<void> {
  const socket = await openRaw(port)
  await readUntil(socket, (text) => text === 'db:')
  socket.destroy()
}

test('a step is applied once its ports are open, in every worker; connections are counted and recorded', async () => {
  const port = await freePort()
  const path = join(directory, 'access.log')
  const network = { streamPorts: [String(port)], streamHost: '127.0.0.1' }
  const gateway = await start({ network, records: { to: path } })
  const report = await node.reported(node.put(stream('db', port, [await echo()])))
  expect(report.quarantined).toEqual([])
  for (let call = 0; call < 20; call++) await greets(port)
  const metrics = await until('all of them counted', async () => {
    const answer = await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)
    const text = await answer.text()
    return text.includes('raftway_gateway_stream_active_connections{stream="db"} 0') ? text : null
  })
  expect(metrics).toContain('raftway_gateway_stream_connections_total{stream="db"} 20')
  expect(metrics).toContain('raftway_gateway_stream_sent_bytes_total{stream="db"} 60')
  const lines = await until('all of them recorded', async () => {
    const list = (await readFile(path, 'utf8')).trim().split('\n')
    return list.length === 20 ? list : null
  })
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    gateway: 'gw1',
    client: '127.0.0.1',
    protocol: 'TCP',
    stream: 'db',
    port,
    serverName: null,
    code: null,
    sentBytes: 3,
  })
})

test('what cannot be opened is in the report and in /status, until it can', async () => {
  const [port, other] = [await freePort(), await freePort()]
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', () => resolve()))
  const network = { streamPorts: [String(port)], streamHost: '127.0.0.1' }
  const gateway = await start({ network })
  const target = await echo()
  const revision = node.put(stream('db', port, [target]), stream('other', other, [target]))
  const { quarantined } = await node.reported(revision)
  expect(quarantined.map(({ name }) => name)).toEqual(['db', 'other'])
  expect(quarantined[0]?.reason).toContain('EADDRINUSE')
  expect(quarantined[1]?.reason).toContain(`--stream-ports of this gateway says ${port}`)
  expect((await status(gateway))['quarantined']).toEqual(quarantined)
  await new Promise((resolve) => squatter.close(resolve))
  const healed = await until('a report without it', () => {
    const last = node.reports.at(-1)
    return last?.quarantined.length === 1 ? last : null
  })
  expect(healed.quarantined[0]?.name).toBe('other')
  await greets(port)
})

test('a gateway without the option opens nothing, and its own ports never', async () => {
  const own = await freePort()
  const gateway = await start({ http: `127.0.0.1:${own}` })
  const report = await node.reported(node.put(stream('own', own, [await echo()])))
  expect(report.quarantined[0]?.reason).toContain('has for itself')
  await node.reported(node.put(stream('own', await freePort(), [await echo()])))
  const shown = JSON.stringify((await status(gateway))['quarantined'])
  expect(shown).toContain('started without --stream-ports')
})

test('the example in README does what it says', async () => {
  const readme = await readFile(join(import.meta.dirname, '../../../README.md'), 'utf8')
  const section = readme.split('\n## ').find((text) => text.startsWith('TCP and TLS pass-through'))
  const [port, pair] = [await freePort(), await aPair(await anAuthority())]
  const server = createHttps(pair, (_request, response) => response.end('from the target'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  const address = server.address()
  const target = address !== null && typeof address === 'object' ? address.port : 0
  const text = (section ?? '').replaceAll('8443', String(port)).replaceAll('9443', String(target))
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(text) ?? []
  const ports = /--stream-ports (\S+)/.exec(text)?.[1]?.split(',') ?? []
  const curl = /^curl .*$/m.exec(text)?.[0] ?? ''
  const parsed = parseDefinition(parse(yaml))
  expect(parsed).toMatchObject({ ok: true })
  if (parsed.ok) node.put(parsed.value)
  await start({ network: { streamPorts: ports, streamHost: '127.0.0.1' } })
  await node.reported(1)
  const said = await new Promise<string>((resolve, reject) => {
    execFile('bash', ['-c', `${curl} -s --max-time 10`], (error, out) => {
      if (error === null) resolve(out)
      else reject(error)
    })
  })
  expect(said).toBe('from the target')
})
