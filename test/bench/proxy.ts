// Goal: what a proxied request costs beside nginx, haproxy and the usual way in Node. Method: each server alone on the first
// core; load (wrk) and target (nginx) on the second; the servers take turns within each round, so that whatever else the
// machine does hits all of them. Requests a second say who is done first; processor time a request, from /proc, says
// what it costs, whoever the machine is shared with.
//
// BENCH_ROUNDS, BENCH_ROUND_MS and BENCH_ONLY (how a load begins) make it shorter.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { percentile, printFigure } from './figures.ts'
import {
  programOf,
  startHaproxy,
  startNginx,
  startNodeProxy,
  startRaftway,
  startTarget,
  type BenchServer,
} from './proxy/servers.ts'

type Load = { readonly name: string; readonly path: string; readonly script: string }

const LOADS: readonly Load[] = [
  { name: 'GET 100 B', path: '/100', script: '' },
  { name: 'GET 64 KiB', path: '/64k', script: '' },
  {
    name: 'POST 4 KiB',
    path: '/post',
    script: 'wrk.method = "POST"\nwrk.body = string.rep("x", 4096)\n',
  },
]
const CONNECTIONS = [1, 64, 512]

type Measured = { readonly perSecond: number; readonly cpuUs: number }

/** Prints each server's figures, and their ratios to ours in the same rounds. */
export async function run(): Promise<void> {
  const { env } = process
  const pace = {
    rounds: Number(env['BENCH_ROUNDS'] ?? 3),
    seconds: Math.max(1, Math.round(Number(env['BENCH_ROUND_MS'] ?? 2_000) / 1_000)),
    only: env['BENCH_ONLY'] ?? '',
  }
  const [wrk, nginx] = [programOf('wrk'), programOf('nginx')]
  if (wrk === null || nginx === null) {
    printFigure({ bench: 'proxy', missing: 'wrk and nginx (apt-get install wrk nginx)' })
    return
  }
  const target = await startTarget(nginx)
  const servers = await startServers(nginx, target.port)
  const dir = await mkdtemp(join(tmpdir(), 'raftway-bench-'))
  try {
    for (const load of LOADS) {
      const script = join(dir, 'load.lua')
      await writeFile(script, load.script)
      for (const connections of CONNECTIONS) {
        if (!`${load.name}, ${connections}`.startsWith(pace.only)) continue
        const args = ['-t', '1', '-c', String(connections), '-s', script]
        await measure(servers, load, connections, { wrk, args, ...pace })
      }
    }
  } finally {
    await Promise.all([target, ...servers].map((server) => server.close()))
    await rm(dir, { recursive: true })
  }
}

async function startServers(nginx: string, targetPort: number): Promise<BenchServer[]> {
  const servers = [await startRaftway(targetPort), await startNodeProxy(targetPort)]
  servers.push(await startNginx(nginx, targetPort))
  const haproxy = programOf('haproxy')
  if (haproxy === null)
    printFigure({ bench: 'proxy', missing: 'haproxy (apt-get install haproxy)' })
  else servers.push(await startHaproxy(haproxy, targetPort))
  return servers
}

async function measure(
  servers: readonly BenchServer[],
  load: Load,
  connections: number,
  how: {
    readonly wrk: string
    readonly args: readonly string[]
    readonly rounds: number
    readonly seconds: number
  },
): Promise<void> {
  const results = servers.map((): Measured[] => [])
  const once = async (server: BenchServer, seconds: number): Promise<Measured> => {
    const before = server.cpuUs()
    const args = ['-c', '1', how.wrk, ...how.args, '-d', `${seconds}s`, server.url + load.path]
    const { stdout } = await promisify(execFile)('taskset', args)
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
    const failed = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1]
    if (failed !== undefined) console.error(`${server.name}: ${failed} answers were no success`)
    const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0)
    return { perSecond, cpuUs: (server.cpuUs() - before) / requests }
  }
  for (const server of servers) await once(server, 1)
  for (let round = 0; round < how.rounds; round++) {
    for (const [at, server] of servers.entries()) {
      results[at]?.push(await once(server, how.seconds))
    }
  }
  servers.forEach(({ name }, at) => {
    const [own, ours] = [results[at] ?? [], results[0] ?? []]
    const middle = (list: readonly number[]): number => percentile(list, 0.5)
    printFigure({
      bench: 'proxy',
      figure: `${load.name}, ${connections} connections`,
      server: name,
      perSecond: middle(own.map(({ perSecond }) => perSecond)),
      cpuUs: middle(own.map(({ cpuUs }) => cpuUs)),
      oursPerSecondRatio: middle(ours.map((o, i) => o.perSecond / (own[i]?.perSecond ?? NaN))),
      oursByCpuRatio: middle(ours.map((o, i) => (own[i]?.cpuUs ?? NaN) / o.cpuUs)),
    })
  })
}
