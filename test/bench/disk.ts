// How much disk a node takes that keeps updating the same 100 definitions: one node, then three (RAFTWAY_BENCH_NODES), through
// the HTTP API.
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'undici'
import { startServer, type Server } from '../../control-plane/main.ts'
import { SILENT } from '../../shared/logger.ts'
import { printFigure } from './figures.ts'

const UPDATES = Number(process.env['RAFTWAY_BENCH_UPDATES'] ?? 100_000)
const MARKS = [0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(UPDATES * share))
const DEFINITIONS = 100
const CLIENTS = 256
const PATIENCE_MS = 120_000
const RETRY_MS = 200
/** Labels of chance a definition, 63 characters each: bytes that do not compress. */
const NOISE_LABELS = Number(process.env['RAFTWAY_BENCH_NOISE'] ?? 1)

/** Prints the size of a data directory as the number of updates grows. */
export async function run(): Promise<void> {
  const counts = (process.env['RAFTWAY_BENCH_NODES'] ?? '1,3').split(',').map(Number)
  for (const nodes of counts) await measure(nodes)
}

async function measure(count: number): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
  const ports = await Promise.all(Array.from({ length: count }, freePort))
  const peers = ports.map((port) => `127.0.0.1:${port}`)
  const servers = await Promise.all(
    ports.map((port, at) =>
      start({ dir, name: `n${at + 1}`, port, join: count === 1 ? [] : peers }),
    ),
  )
  await Promise.all(servers.map((server) => server.formed))
  const [first] = servers
  if (first === undefined) return
  const pool = new Pool(first.apiUrl, { connections: CLIENTS })
  let done = 0
  const startedMs = performance.now()
  for (const mark of MARKS) {
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        while (done < mark) await put(pool, done++)
      }),
    )
    await settle()
    await print(dir, {
      nodes: count,
      updates: done,
      perSecond: (done / (performance.now() - startedMs)) * 1_000,
    })
  }
  await pool.close()
  await Promise.all(servers.map((server) => server.stop()))
  await print(dir, { nodes: count, updates: done, stopped: 'yes' })
  await rm(dir, { recursive: true })
}

function start(options: {
  readonly dir: string
  readonly name: string
  readonly port: number
  readonly join: readonly string[]
}): Promise<Server> {
  const { dir, name, port, join: peers } = options
  return startServer({
    name,
    dataDir: join(dir, name),
    api: { host: '127.0.0.1', port: 0 },
    peer: { host: '127.0.0.1', port },
    join: [...peers],
    expect: peers.length === 0 ? null : peers.length,
    advertiseApi: null,
    advertisePeer: null,
    electionMs: 2_000,
    logger: SILENT,
  })
}

async function put(pool: Pool, n: number): Promise<void> {
  const target = `http://127.0.0.1:${1_000 + (n % 50_000)}`
  const noise = Array.from({ length: NOISE_LABELS }, (_, i) => [
    `noise-${i}`,
    randomBytes(47).toString('base64url'),
  ])
  const labels = Object.fromEntries(noise)
  const path = `/v1/upstreams/u${n % DEFINITIONS}`
  const body = JSON.stringify({ labels, spec: { targets: [{ url: target }] } })
  const deadlineMs = performance.now() + PATIENCE_MS
  for (;;) {
    const { statusCode, text } = await send(pool, path, body)
    if (statusCode < 300) return
    // On a machine that is busy with other work a leader may lose its lead: the load waits for the next one.
    if (statusCode !== 503 || performance.now() > deadlineMs)
      throw new Error(`${statusCode} ${text}`)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

async function send(
  pool: Pool,
  path: string,
  body: string,
): Promise<{ readonly statusCode: number; readonly text: string }> {
  const headers = { 'content-type': 'application/json' }
  const answer = await sendOnceMore(() => pool.request({ method: 'PUT', path, headers, body }))
  return { statusCode: answer.statusCode, text: await answer.body.text() }
}

/** A connection that idled while the sizes were taken may be closed just as it is used again. */
async function sendOnceMore<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send()
  } catch {
    return send()
  }
}

/** What runs in the background has its turn: log compaction once a second, history compaction once a minute. */
async function settle(): Promise<void> {
  const ms = Number(process.env['RAFTWAY_BENCH_SETTLE_MS'] ?? 3_000)
  await new Promise((resolve) => setTimeout(resolve, ms))
}

async function print(
  dir: string,
  figure: Readonly<Record<string, string | number>>,
): Promise<void> {
  const sizes = await Promise.all((await readdir(dir)).map((name) => bytesBelow(join(dir, name))))
  printFigure({ bench: 'disk', ...figure, mib: Math.max(...sizes) / 2 ** 20 })
}

async function bytesBelow(path: string): Promise<number> {
  const found = await stat(path).catch(() => null)
  if (found === null) return 0
  if (!found.isDirectory()) return found.blocks * 512
  const sizes = await Promise.all((await readdir(path)).map((name) => bytesBelow(join(path, name))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address !== null && typeof address !== 'string' ? address.port : 0
}
