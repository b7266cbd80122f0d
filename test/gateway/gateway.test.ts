/**
 * Goal: a whole gateway, with its worker threads. Method: `startGateway` as the command line calls it, in front of real
 * targets and behind a node that speaks the watch protocol.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startGateway, type RunningGateway } from '../../gateway/main.ts'
import type { GatewayOptions } from '../../gateway/options.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { isRaftwayError } from '../../shared/errors.ts'
import { SILENT } from '../../shared/logger.ts'
import { VERSION } from '../../shared/version.ts'
import { gatewayReportSchema } from '../../shared/watch-protocol.ts'
import { TestControlPlane } from './support/control-plane.ts'
import { api, targets } from './support/definitions.ts'
import { openRaw, readToEnd, readUntil, sendRaw } from './support/raw-client.ts'
import type { UpstreamReport } from '../../gateway/upstream/report.ts'
import { deadUrl, startTarget, type TestTarget } from './support/target.ts'
import { TestAuthority } from './support/test-authority.ts'
import { until } from './support/until.ts'

let node: TestControlPlane
let directory: string
const closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  node = new TestControlPlane()
  await node.start()
  directory = await mkdtemp(join(tmpdir(), 'raftway-gateway-'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await node.stop()
  await rm(directory, { recursive: true })
  vi.restoreAllMocks()
})

async function start(more: Partial<GatewayOptions> = {}): Promise<RunningGateway> {
  const gateway = await startGateway(
    {
      name: 'gw1',
      controlUrls: [node.url],
      http: '127.0.0.1:0',
      status: '127.0.0.1:0',
      dataDir: directory,
      workers: 2,
      drainMs: 5_000,
      ...more,
    },
    SILENT,
  )
  closing.push(() => gateway.stop())
  return gateway
}

async function target(name: string): Promise<TestTarget> {
  const started = await startTarget((_request, response) => response.end(name))
  closing.push(() => started.close())
  return started
}

function ask(gateway: RunningGateway, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${gateway.httpPort}${path}`)
}

type TargetsDocument = { readonly workers: number; readonly upstreams: readonly UpstreamReport[] }

type Status = {
  readonly revision: number
  readonly source: string
  readonly workers: number
  readonly routes: number
  readonly controlPlane: {
    readonly connected: boolean
    readonly url: string
    readonly awaySince?: string
  }
  readonly quarantined: readonly {
    readonly kind: string
    readonly name: string
    readonly reason: string
  }[]
  readonly lastGood: { readonly notices: readonly string[] }
}

async function statusOf(gateway: RunningGateway): Promise<Status> {
  const answer = await fetch(`http://127.0.0.1:${gateway.statusPort}/status`)
  return (await answer.json()) as Status
}

async function ready(gateway: RunningGateway): Promise<number> {
  return (await fetch(`http://127.0.0.1:${gateway.statusPort}/readyz`)).status
}

async function applied(gateway: RunningGateway, revision: number): Promise<Status> {
  return until(`revision ${revision}`, async () => {
    const status = await statusOf(gateway)
    return status.revision >= revision ? status : null
  })
}

test('every worker serves what the node says, and the node hears it', async () => {
  const [a, b] = [await target('a'), await target('b')]
  node.put(api('a', '/a', targets(a.url)))
  const gateway = await start({ labels: { zone: 'x' } })
  const report = await node.reported(1)
  expect(gatewayReportSchema.parse(report)).toEqual({
    revision: 1,
    hash: node.hash,
    version: VERSION,
    workers: 2,
    routes: 1,
    source: 'control-plane',
    labels: { zone: 'x' },
    quarantined: [],
  })
  node.put(api('b', '/b', targets(b.url)))
  await node.reported(2)
  // Enough connections that both workers answer some.
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, '/b')))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
})

test('the status port has the shape that tools rely on', async () => {
  const a = await target('a')
  const gateway = await start()
  node.put(api('a', '/a', targets(a.url)))
  await applied(gateway, 1)
  expect(await statusOf(gateway)).toEqual({
    name: 'gw1',
    version: VERSION,
    revision: 1,
    hash: node.hash,
    source: 'control-plane',
    controlPlane: { connected: true, url: node.url },
    workers: 2,
    routes: 1,
    quarantined: [],
    targets: { upstreams: 0, targets: 0, down: 0, ejected: 0, panic: 0, open: 0 },
    labels: {},
    lastGood: { notices: [] },
  })
  await ask(gateway, '/a')
  await ask(gateway, '/nothing')
  const base = `http://127.0.0.1:${gateway.statusPort}`
  const metrics = await until('the counters', async () => {
    const text = await (await fetch(`${base}/metrics`)).text()
    // A reply is counted after it is sent: the one that was asked for last may still be on its way into the sums.
    const isCounted = ['2xx', '4xx'].every((one) =>
      text.includes(`requests_total{class="${one}"} 1`),
    )
    return isCounted ? text : null
  })
  expect(metrics).toContain('raftway_gateway_config_revision 1')
  expect(metrics).toContain('raftway_gateway_control_plane_connected 1')
  expect(metrics).toContain('raftway_gateway_request_duration_seconds_bucket{le="+Inf"} 2')
  expect((await fetch(`${base}/healthz`)).status).toBe(200)
  expect((await fetch(`${base}/else`)).status).toBe(404)
  expect((await fetch(`${base}/status`, { method: 'POST' })).status).toBe(405)
})

test('without any config it is not ready, answers NO_CONFIG, and keeps trying', async () => {
  await node.stop()
  const gateway = await start()
  expect(await ready(gateway)).toBe(503)
  const answer = await ask(gateway, '/')
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({ error: { code: 'NO_CONFIG' } })
  await node.start()
  await until('readiness', async () => (await ready(gateway)) === 200)
  expect((await ask(gateway, '/')).status).toBe(404)
})

test('300 changes under load, and not one answer other than 200', async () => {
  const [a, b] = [await target('a'), await target('b')]
  node.put(api('stable', '/stable', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  const load = { isOver: false }
  const statuses = new Map<number, number>()
  const clients = Array.from({ length: 8 }, async () => {
    while (!load.isOver) {
      const { status } = await ask(gateway, '/stable')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  for (let i = 0; i < 300; i++) {
    const url = i % 2 === 0 ? b.url : a.url
    node.put(api('stable', '/stable', targets(url)), api(`n${i % 7}`, `/n${i}`, targets(a.url)))
    if (i % 20 === 0) await applied(gateway, node.revision)
  }
  const status = await applied(gateway, 301)
  load.isOver = true
  await Promise.all(clients)
  expect([...statuses.keys()]).toEqual([200])
  expect(statuses.get(200)).toBeGreaterThan(100)
  expect(status.routes).toBe(8)
})

test('a config whose hash is not the node’s is taken anew, whole, while every request is answered', async () => {
  const [a, b] = [await target('a'), await target('b')]
  node.put(api('stays', '/stays', targets(a.url)), api('moves', '/moves', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  const load = { isOver: false }
  const statuses = new Set<number>()
  const client = (async () => {
    while (!load.isOver) statuses.add((await ask(gateway, '/stays')).status)
  })()
  // The node says another hash than what the gateway comes to: what it has must differ from what the node has.
  const moved = { ...api('moves', '/moves', targets(b.url)), revision: 2, createdRevision: 1 }
  node.commit([{ op: 'put', definition: moved as Definition }], 'f'.repeat(64))
  const { hash } = await node.reported(2)
  expect(hash).toBe(node.hash)
  // It came as a snapshot, and not by going on from where it was.
  expect(node.watches.map((query) => query.has('from'))).toEqual([false, false])
  await until('every worker has it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, '/moves')))
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    return texts.every((text) => text === 'b')
  })
  // It follows as before.
  node.put(api('later', '/later', targets(b.url)))
  await applied(gateway, 3)
  expect(node.watches).toHaveLength(2)
  load.isOver = true
  await client
  expect([...statuses]).toEqual([200])
})

test('a worker that dies is replaced, and never answers without a config', async () => {
  // The threads are seen on their way to a listener of Node's own; nothing of theirs is changed.
  const seen = vi.spyOn(Worker.prototype, 'postMessage')
  const a = await target('a')
  node.put(api('a', '/a', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  const workers = (): Worker[] => [...new Set(seen.mock.contexts as Worker[])]
  expect(workers()).toHaveLength(2)
  await Promise.all(Array.from({ length: 40 }, () => ask(gateway, '/a')))
  await workers()[0]?.terminate()
  await until('one worker', async () => (await statusOf(gateway)).workers === 1)
  expect((await ask(gateway, '/a')).status).toBe(200)
  // What comes meanwhile reaches the new one too.
  node.put(api('b', '/b', targets(a.url)))
  await until('two workers', async () => (await statusOf(gateway)).workers === 2)
  await applied(gateway, 2)
  expect(workers()).toHaveLength(3)
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, '/b')))
  expect(answers.map(({ status }) => status).filter((status) => status !== 200)).toEqual([])
  const metrics = await (await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)).text()
  expect(metrics).toContain('raftway_gateway_worker_restarts_total 1')
  // What was counted survives the worker and the swap.
  expect(metrics).toContain('route_requests_total{api="a",route="a/0",class="2xx"} 41')
})

test('the status port tells of every target, over all workers and across changes', async () => {
  const [a, dead] = [await target('a'), await deadUrl()]
  const health = { active: { type: 'tcp' as const, intervalMs: 50, unhealthyAfter: 1 } }
  const upstream = { targets: [{ url: a.url, weight: 3 }, { url: dead }], health }
  node.put(api('a', '/', upstream))
  const gateway = await start()
  await applied(gateway, 1)
  const base = `http://127.0.0.1:${gateway.statusPort}`
  const targetsOf = async () => {
    const document = (await (await fetch(`${base}/targets`)).json()) as TargetsDocument
    return new Map(document.upstreams[0]?.targets.map((target) => [target.url, target]))
  }
  await until('both workers to know', async () => {
    const told = await targetsOf()
    return told.get(dead)?.workersUp === 0 && told.get(a.url)?.workersUp === 2
  })
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, '/')))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  node.put(api('a', '/', { ...upstream, timeouts: { idleMs: 1_234 } }))
  await applied(gateway, 2)
  const told = await targetsOf()
  expect(told.get(a.url)).toMatchObject({ state: 'up', weight: 3, requests: 20, failures: 0 })
  expect(told.get(dead)).toMatchObject({ state: 'down', requests: 0, inFlight: 0 })
  expect(told.get(dead)?.lastCheck?.failure).toBe('ECONNREFUSED')
  const status = (await (await fetch(`${base}/status`)).json()) as Record<string, unknown>
  expect(status['targets']).toEqual({
    upstreams: 1,
    targets: 2,
    down: 1,
    ejected: 0,
    panic: 0,
    open: 0,
  })
  const metrics = await (await fetch(`${base}/metrics`)).text()
  const labels = `{upstream="Api/a",target="${a.url}"}`
  expect(metrics).toContain(`raftway_gateway_target_requests_total${labels} 20\n`)
  expect(metrics).toContain(`raftway_gateway_target_workers_up${labels} 2\n`)
})

test('what this version does not understand is quarantined; its last good form stays, across a restart too', async () => {
  const [a, b] = [await target('a'), await target('b')]
  node.put(api('x', '/x', targets(a.url)), api('y', '/y', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  const future = {
    ...api('x', '/x', targets(b.url)),
    spec: { ...api('x', '/x', 'u').spec, warp: 9 },
  }
  node.put(future, api('y', '/y', targets(b.url)))
  const report = await node.reported(2)
  expect(report.quarantined).toEqual([
    { kind: 'Api', name: 'x', reason: expect.stringContaining('spec.warp') },
  ])
  expect(await (await ask(gateway, '/x')).text()).toBe('a')
  expect(await (await ask(gateway, '/y')).text()).toBe('b')
  expect((await statusOf(gateway)).quarantined).toHaveLength(1)

  await gateway.stop()
  await node.stop()
  const again = await start()
  expect((await statusOf(again)).quarantined).toHaveLength(1)
  expect(await (await ask(again, '/x')).text()).toBe('a')
  await node.start()
  node.put(api('x', '/x', targets(b.url)))
  const status = await applied(again, 3)
  expect(status.quarantined).toEqual([])
  expect(await (await ask(again, '/x')).text()).toBe('b')
})

test('what does not compile here is quarantined too, until what it waits for comes', async () => {
  const [a, b] = [await target('a'), await target('b')]
  node.put(api('x', '/x', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  node.put(api('x', '/x', 'missing'))
  const report = await node.reported(2)
  expect(report.quarantined).toMatchObject([{ kind: 'Api', name: 'x' }])
  expect(await (await ask(gateway, '/x')).text()).toBe('a')

  await gateway.stop()
  await node.stop()
  const again = await start()
  expect(await (await ask(again, '/x')).text()).toBe('a')
  expect((await statusOf(again)).quarantined).toMatchObject([{ kind: 'Api', name: 'x' }])
  await node.start()
  node.put({ kind: 'Upstream', name: 'missing', spec: targets(b.url) })
  expect((await applied(again, 3)).quarantined).toEqual([])
  expect(await (await ask(again, '/x')).text()).toBe('b')
})

test('it serves on without its control plane, says since when, and starts again from its file', async () => {
  const a = await target('a')
  node.put(api('a', '/a', targets(a.url)))
  const gateway = await start()
  await applied(gateway, 1)
  await node.stop()
  const away = await until('the loss', async () => {
    const { controlPlane } = await statusOf(gateway)
    return controlPlane.connected ? null : controlPlane
  })
  expect(Date.now() - Date.parse(away.awaySince ?? '')).toBeLessThan(10_000)
  expect((await ask(gateway, '/a')).status).toBe(200)
  expect(await ready(gateway)).toBe(200)
  await gateway.stop()

  const again = await start()
  expect(await ready(again)).toBe(200)
  expect((await ask(again, '/a')).status).toBe(200)
  expect(await statusOf(again)).toMatchObject({
    revision: 1,
    hash: node.hash,
    source: 'last-good-file',
    controlPlane: { connected: false, url: node.url, awaySince: null },
    routes: 1,
  })
  await node.start()
  await until('the control plane', async () => (await statusOf(again)).source === 'control-plane')
  expect(node.watches.at(-1)?.get('from')).toBe('1')
})

test('a damaged last-good file is refused, the one before it used, and both are said', async () => {
  const a = await target('a')
  node.put(api('a', '/a', targets(a.url)))
  const first = await start()
  await applied(first, 1)
  await first.stop()
  const second = await start()
  node.put(api('b', '/b', targets(a.url)))
  await applied(second, 2)
  await second.stop()
  await node.stop()
  const path = join(directory, 'last-good.json')
  const bytes = await readFile(path)
  bytes[bytes.length - 20] = bytes[bytes.length - 20]! ^ 1
  await writeFile(path, bytes)
  const third = await start()
  expect((await ask(third, '/a')).status).toBe(200)
  expect((await ask(third, '/b')).status).toBe(404)
  const status = await statusOf(third)
  expect(status.revision).toBe(1)
  expect(status.lastGood.notices[0]).toMatch(/^last-good\.json was refused: its checksum/)
})

test('a stop finishes what is under way, closes what is idle, and takes nothing new', async () => {
  let finish: () => void = () => {}
  const slow = await startTarget((_request, response) => {
    response.write('begun ')
    finish = () => response.end('and finished')
  })
  closing.push(() => slow.close())
  node.put(api('a', '/a', targets(slow.url)))
  const gateway = await start()
  await applied(gateway, 1)
  const idle = await openRaw(gateway.httpPort)
  const closed = readToEnd(idle)
  const busy = await openRaw(gateway.httpPort)
  busy.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
  await readUntil(busy, (text) => text.includes('begun'))
  const stopped = gateway.stop()
  expect(await closed).toBe('')
  await until('the port to be closed', () =>
    openRaw(gateway.httpPort).then(
      (socket) => void socket.destroy(),
      () => true,
    ),
  )
  const rest = readToEnd(busy)
  finish()
  expect(await rest).toContain('and finished')
  await stopped
})

test('a stop that waits in vain cuts off what is left', async () => {
  const stuck = await startTarget(() => {})
  closing.push(() => stuck.close())
  node.put(api('a', '/a', targets(stuck.url)))
  const gateway = await start({ drainMs: 100 })
  await applied(gateway, 1)
  const answer = ask(gateway, '/a')
  const failed = answer.then(
    () => false,
    () => true,
  )
  await until('the request', () => stuck.requests.length === 1)
  await gateway.stop()
  expect(await failed).toBe(true)
})

test('a directory of definitions is enough', async () => {
  const a = await target('a')
  const definitions = await mkdtemp(join(tmpdir(), 'raftway-definitions-'))
  closing.push(() => rm(definitions, { recursive: true }))
  await writeFile(join(definitions, 'a.json'), JSON.stringify(api('a', '/a', targets(a.url))))
  const gateway = await start({ controlUrls: [], definitionsDir: definitions })
  expect((await ask(gateway, '/a')).status).toBe(200)
  expect(await statusOf(gateway)).toMatchObject({ source: 'definitions', routes: 1 })
  await writeFile(join(definitions, 'b.json'), JSON.stringify(api('b', '/b', targets(a.url))))
  await until('the second', async () => (await ask(gateway, '/b')).status === 200)
})

test('a port that is taken is told, and nothing is left behind', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => new Promise((resolve) => other.close(() => resolve())))
  const address = other.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const failure = await start({ http: `127.0.0.1:${port}` }).then(
    () => null,
    (error: unknown) => error,
  )
  expect(isRaftwayError(failure) && failure.message).toContain(`127.0.0.1:${port}`)
})

test('connections are bounded over all workers', async () => {
  const gateway = await start({ drainMs: 50, clients: { connectionsMax: 4 } })
  const sockets = await Promise.all(Array.from({ length: 4 }, () => openRaw(gateway.httpPort)))
  await Promise.all(
    sockets.map((socket) => {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      return readUntil(socket, (text) => text.includes('"error"'))
    }),
  )
  for (let i = 0; i < 8; i++) expect(await sendRaw(gateway.httpPort)).toBe('')
  const metrics = await (await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)).text()
  expect(metrics).toMatch(/^raftway_gateway_client_connections 4$/m)
  expect(metrics).toMatch(/^raftway_gateway_clients_refused_total 8$/m)
  for (const socket of sockets) socket.destroy()
})

test('every wrong option is named at once', async () => {
  const failure = await start({
    name: 'gw 1',
    controlUrls: [],
    http: 'nowhere',
    workers: 0,
    https: 'nowhere',
  }).then(
    () => null,
    (error: unknown) => error,
  )
  const issues = isRaftwayError(failure, 'INVALID_REQUEST') ? failure.issues : []
  expect(issues.map(({ path }) => path).toSorted()).toEqual([
    'controlUrls',
    'http',
    'https',
    'name',
    'workers',
  ])
})

test('every request of every worker is in the access log when the gateway has stopped', async () => {
  const behind = await target('x')
  node.put(api('a', '/', targets(behind.url)))
  const path = join(directory, 'access.log')
  const gateway = await start({ records: { to: path, format: '{path} {status}' } })
  await node.reported(1)
  const paths = Array.from({ length: 100 }, (_, at) => `/${at}`)
  await Promise.all(
    paths.map((one) =>
      sendRaw(gateway.httpPort, `GET ${one} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
    ),
  )
  await gateway.stop()
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  expect(lines.toSorted()).toEqual(paths.map((one) => `${one} 200`).toSorted())
})

test('options of access records that make no sense are refused, each by its name', async () => {
  const records = { to: '', format: '{nope}', sample: 2, fileBytesMax: 1, filesKept: 0 }
  const refused = await start({ records }).catch((error: unknown) => error)
  expect(isRaftwayError(refused, 'INVALID_REQUEST')).toBe(true)
  const issues = isRaftwayError(refused) ? (refused.issues ?? []) : []
  expect(issues.map(({ path }) => path)).toEqual(
    ['to', 'format', 'sample', 'fileBytesMax', 'filesKept'].map((name) => `records.${name}`),
  )
})

test('spans of every worker are at the collector when the gateway has stopped', async () => {
  const bodies: string[] = []
  const taker = await startTarget((request, response) => {
    request.on('data', (piece: Buffer) => bodies.push(piece.toString()))
    request.on('end', () => response.end('{}'))
  })
  closing.push(() => taker.close())
  const behind = await target('x')
  node.put(api('a', '/', targets(behind.url)))
  const gateway = await start({ otlp: taker.url })
  await applied(gateway, 1)
  const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  await Promise.all(Array.from({ length: 20 }, () => sendRaw(gateway.httpPort, get)))
  await gateway.stop()
  expect(taker.requests[0]?.url).toBe('/v1/traces')
  expect(bodies.join('').split('"kind":2').length - 1).toBe(20)
})

test('every worker serves TLS with what the node says, and takes up sessions of the others', async () => {
  const authority = await TestAuthority.make('servers')
  const a = await target('a')
  const pair = await authority.issue(['one.test'])
  node.put(api('a', '/a', targets(a.url)), { kind: 'Certificate', name: 'one', spec: pair })
  const gateway = await start({ https: '127.0.0.1:0' })
  await applied(gateway, 1)
  const options = {
    port: gateway.httpsPort ?? 0,
    host: '127.0.0.1',
    servername: 'one.test',
    ca: authority.pem,
    maxVersion: 'TLSv1.2',
  } as const
  let session: Buffer | undefined
  let resumed = 0
  for (let round = 0; round < 10; round++) {
    const socket = connectTls({ ...options, ...(session === undefined ? {} : { session }) })
    socket.write('GET /a HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n')
    socket.once('secureConnect', () => {
      if (socket.isSessionReused()) resumed += 1
      session ??= socket.getSession()
    })
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 200 /)
  }
  expect(resumed).toBe(9)
  expect((await statusOf(gateway)).quarantined).toEqual([])
})
