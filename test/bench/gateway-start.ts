// Goal: what a gateway costs before its first request. Method: a gateway with one worker and one Api that has rested for a
// while, and what it holds in memory then; and gateways that are started one after another from the last-good file of a
// control plane that is gone, with as many routes as a large fleet has, until their status port says that they are ready.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LastGoodFile, type SavedConfig } from '../../gateway/config/last-good-file.ts'
import { ConfigHash } from '../../shared/config-hash.ts'
import { SILENT } from '../../shared/logger.ts'
import { freePort, until } from '../processes/processes.ts'
import { percentile, printFigure } from './figures.ts'
import { answersOk, residentMb } from './gateway/observed.ts'

const RAFTWAY = join(import.meta.dirname, '../../bin/raftway.js')
/** Of as many Apis with as many routes each. */
const CONFIGS = [
  { apis: 1, routesPerApi: 1 },
  { apis: 1_000, routesPerApi: 100 },
  { apis: 100_000, routesPerApi: 1 },
] as const
const REST_MS = 5_000

/** Prints how long a start takes, and what a gateway holds that has nothing to do. */
export async function run(): Promise<void> {
  const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
  for (const { apis, routesPerApi } of CONFIGS) {
    const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
    try {
      await save(dir, apis, routesPerApi)
      const starts: Started[] = []
      for (let round = 0; round < rounds; round++) starts.push(await startAndRest(dir))
      const times = starts.map(({ readyMs }) => readyMs)
      printFigure({
        bench: 'gateway-start',
        routes: apis * routesPerApi,
        apis,
        'start to ready, ms, p50': percentile(times, 0.5),
        'start to ready, ms, max': Math.max(...times),
        'resident memory when ready, MB': percentile(
          starts.map(({ readyMb }) => readyMb),
          0.5,
        ),
        'resident memory after a rest, MB': percentile(
          starts.map(({ restedMb }) => restedMb),
          0.5,
        ),
      })
    } finally {
      await rm(dir, { recursive: true })
    }
  }
}

/** The file that a gateway leaves behind. */
async function save(dir: string, apis: number, routesPerApi: number): Promise<void> {
  const hash = new ConfigHash()
  const texts = new Map<string, string>()
  for (let api = 0; api < apis; api++) {
    const routes = Array.from({ length: routesPerApi }, (_, at) => ({ path: `/a${api}/r${at}/` }))
    const spec = { routes, upstream: { targets: [{ url: 'http://127.0.0.1:9' }] } }
    const name = `api-${api}`
    const text = JSON.stringify({ kind: 'Api', name, spec, revision: 1, createdRevision: 1 })
    hash.add(text)
    texts.set(`Api/${name}`, text)
  }
  const [inForce, refused] = [new Map<string, string>(), new Map<string, string>()]
  const config: SavedConfig = { revision: 1, hash: hash.toHex(), texts, inForce, refused }
  await mkdir(dir, { recursive: true })
  const file = new LastGoodFile(dir, SILENT, () => config)
  file.changed(null)
  await file.flush()
}

type Started = { readonly readyMs: number; readonly readyMb: number; readonly restedMb: number }

async function startAndRest(dir: string): Promise<Started> {
  const [status, nobody] = [await freePort(), await freePort()]
  const args = [RAFTWAY, 'gateway', 'start', '--workers', '1', '--log-level', 'error']
  args.push('--http', '127.0.0.1:0', '--status', `127.0.0.1:${status}`, '--data-dir', dir)
  args.push('--control', `http://127.0.0.1:${nobody}`)
  const began = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    const isReady = async () => (await answersOk(`http://127.0.0.1:${status}/readyz`)) || null
    await until('the gateway is ready', isReady)
    const readyMs = performance.now() - began
    const readyMb = residentMb(child.pid ?? 0)
    await new Promise((resolve) => setTimeout(resolve, REST_MS))
    return { readyMs, readyMb, restedMb: residentMb(child.pid ?? 0) }
  } finally {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
