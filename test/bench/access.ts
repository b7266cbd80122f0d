// Goal: what it costs to know who asks and how often. Method: as the proxy bench: each server alone on the first core, load
// (wrk) and target (nginx) on the second, in turns within each round; the same request, with a key that one of many
// Consumers has. Each server of ours adds something to the one before it; nginx checks nothing.
//
// BENCH_ROUNDS, BENCH_ROUND_MS and BENCH_CONSUMERS (default 1,000) make it shorter or larger.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashApiKey } from '../../shared/definitions/api-key.ts'
import type { PluginSet } from '../../shared/plugins/schema.ts'
import { programOf } from '../gateway/support/programs.ts'
import { TestAuthority } from '../gateway/support/test-authority.ts'
import { percentile, printFigure } from './figures.ts'
import { BenchServer, type Place } from './proxy/bench-server.ts'
import { apply } from './proxy/loads.ts'
import { PEERS, startPeer, startTarget } from './proxy/peers.ts'

const RAFTWAY = join(import.meta.dirname, '../../bin/raftway.js')
const KEY = 'rwk_of-the-bench'
/** Far beyond what a round can use. */
const ENOUGH = 1_000_000_000
const LIMIT = { limit: ENOUGH, windowMs: 60_000 }

type Variant = {
  readonly name: string
  readonly plugins: PluginSet
  readonly options: readonly string[]
}

const AUTH = { 'key-auth': {} }
const LIMITS = {
  ...AUTH,
  'rate-limit': {
    limits: [
      { name: 'consumer', ...LIMIT },
      { name: 'address', by: 'ip' as const, ...LIMIT },
    ],
  },
}
const QUOTA = {
  ...LIMITS,
  quota: { quotas: [{ name: 'calls', limit: ENOUGH, period: 'month' as const }] },
}
const QUIET = ['--metrics', 'off']

const VARIANTS: readonly Variant[] = [
  { name: 'plain', plugins: {}, options: QUIET },
  { name: 'key-auth', plugins: AUTH, options: QUIET },
  { name: 'key-auth and two limits', plugins: LIMITS, options: QUIET },
  { name: 'key-auth, two limits and a quota', plugins: QUOTA, options: QUIET },
  {
    name: 'all of it, records and metrics',
    plugins: QUOTA,
    options: ['--access-log', 'access.log'],
  },
]

const LOAD = {
  connections: 64,
  protocol: 'http',
  paths: ['/100'],
  body: '',
  isFresh: false,
  headers: { 'X-Api-Key': KEY },
} as const

type Turn = { readonly perSecond: number; readonly cpuUs: number }

/** Prints each server's figures, and their ratios to plain and to nginx in the same rounds. */
export async function run(): Promise<void> {
  const { env } = process
  const rounds = Number(env['BENCH_ROUNDS'] ?? 5)
  const seconds = Math.max(1, Math.round(Number(env['BENCH_ROUND_MS'] ?? 2_000) / 1_000))
  const consumers = Number(env['BENCH_CONSUMERS'] ?? 1_000)
  const [nginx, wrk] = [programOf('nginx'), programOf('wrk')]
  if (nginx === null || wrk === null) {
    printFigure({ bench: 'access', missing: 'wrk and nginx (apt-get install wrk nginx)' })
    return
  }
  const running: BenchServer[] = []
  try {
    const target = await startTarget(nginx)
    running.push(target)
    const servers: BenchServer[] = []
    for (const variant of VARIANTS) {
      const server = await startVariant(variant, target.port, consumers)
      running.push(server)
      servers.push(server)
    }
    const peer = PEERS.find(({ name }) => name === 'nginx')
    if (peer !== undefined) {
      const authority = await TestAuthority.make('bench')
      const pair = await authority.issue(['bench.test'])
      const server = await startPeer(peer, { targetPort: target.port, routes: 1, ...pair })
      running.push(server)
      servers.push(server)
    }
    await measure(servers, { rounds, seconds, program: wrk, consumers })
  } finally {
    await Promise.all(running.map((server) => server.close()))
  }
}

async function measure(
  servers: readonly BenchServer[],
  how: {
    readonly rounds: number
    readonly seconds: number
    readonly program: string
    readonly consumers: number
  },
): Promise<void> {
  const { rounds, seconds, program, consumers } = how
  const turns = servers.map((): Turn[] => [])
  for (const server of servers) await once(server, program, 2)
  for (let round = 0; round < rounds; round++) {
    for (const [at, server] of servers.entries()) {
      turns[at]?.push(await once(server, program, seconds))
    }
  }
  const nginx = turns.at(-1) ?? []
  const plain = turns[0] ?? []
  const middle = (list: readonly number[]): number => percentile(list, 0.5)
  servers.forEach(({ name }, at) => {
    const own = turns[at] ?? []
    const against = (other: readonly Turn[]): number =>
      middle(own.map(({ perSecond }, i) => perSecond / (other[i]?.perSecond ?? Number.NaN)))
    printFigure({
      bench: 'access',
      server: name,
      consumers,
      perSecond: middle(own.map(({ perSecond }) => perSecond)),
      cpuUs: middle(own.map(({ cpuUs }) => cpuUs)),
      perSecondRatioToPlain: against(plain),
      perSecondRatioToNginx: against(nginx),
    })
  })
}

async function once(server: BenchServer, program: string, seconds: number): Promise<Turn> {
  const before = server.cpuUs()
  const answered = await apply(LOAD, { type: 'full' }, { port: server.port, program, seconds })
  if (answered.failures > 0) console.error(`${server.name}: ${answered.failures} requests failed`)
  const cpuUs = (server.cpuUs() - before) / answered.requests
  return { perSecond: answered.perSecond, cpuUs }
}

function startVariant(
  { name, plugins, options }: Variant,
  targetPort: number,
  consumers: number,
): Promise<BenchServer> {
  const prepare = async ({ dir, port }: Place): Promise<readonly string[]> => {
    const definitions = join(dir, 'definitions')
    await writeDefinitions(definitions, { plugins, targetPort, consumers })
    const command = [process.execPath, RAFTWAY, 'gateway', 'start', '--workers', '1']
    command.push('--log-level', 'error', '--data-dir', join(dir, 'data'))
    command.push('--definitions', definitions, '--status', '127.0.0.1:0')
    return [...command, '--http', `127.0.0.1:${port}`, ...options]
  }
  return BenchServer.start(name, 0, '/healthy', prepare)
}

async function writeDefinitions(
  dir: string,
  site: { readonly plugins: PluginSet; readonly targetPort: number; readonly consumers: number },
): Promise<void> {
  const put = (kind: string, name: string, spec: object): Promise<void> => {
    const definition = { kind, name, spec, revision: 1, createdRevision: 1 }
    return writeFile(join(dir, kind.toLowerCase(), `${name}.json`), JSON.stringify(definition))
  }
  for (const kind of ['api', 'consumer']) await mkdir(join(dir, kind), { recursive: true })
  const upstream = { targets: [{ url: `http://127.0.0.1:${site.targetPort}` }] }
  const routes = [
    { path: '/' },
    // Asked for to see whether it is up.
    { path: '/healthy', rewrite: { prefix: '/100' }, plugins: off(site.plugins) },
  ]
  await put('Api', 'bench', { routes, upstream, plugins: site.plugins })
  for (let at = 0; at < site.consumers; at++) {
    const key = at === 0 ? KEY : `rwk_of-nobody-${at}`
    const keys = [{ name: 'main', hash: hashApiKey(key) }]
    await put('Consumer', `consumer-${at}`, { credentials: { keys } })
  }
}

function off(plugins: PluginSet): object {
  return Object.fromEntries(Object.keys(plugins).map((name) => [name, false]))
}
