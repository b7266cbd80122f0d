// Goal: what a proxied request costs beside nginx, haproxy, caddy and what is usual in Node. Method: each server alone on the
// first core; load (wrk, h2load) and target (nginx) on the second; the servers take turns within each round, so that
// whatever else the machine does hits all of them. Requests a second say who is done first; processor time a request,
// from /proc, says what it costs, whoever the machine is shared with. After its turn at full load each server has one at
// half of what it did there: times of answers say something only where nobody queues.
//
// BENCH_ROUNDS, BENCH_ROUND_MS (whole seconds), BENCH_ONLY (how scenes begin) and BENCH_SERVERS (how servers begin; ours is
// always there) make it shorter; several beginnings stand with a | between them.
import { programOf } from '../gateway/support/programs.ts'
import { TestAuthority } from '../gateway/support/test-authority.ts'
import { percentile, printFigure } from './figures.ts'
import type { BenchServer } from './proxy/bench-server.ts'
import { apply, type Answered, type Pace } from './proxy/loads.ts'
import { PEERS, startPeer, startTarget, type Peer, type Site } from './proxy/peers.ts'
import { SCENES, type Scene } from './proxy/scenes.ts'

/** So long V8 compiles, on the core that the server has; who runs for days does not. */
const WARM_UP_SECONDS = 5

type How = { readonly rounds: number; readonly seconds: number }
type Measured = Answered & { readonly cpuUs: number }
type Turn = { readonly full: Measured; readonly half: Measured }
type Running = { readonly peer: Peer; readonly server: BenchServer }

/** Prints each server's figures in each scene, and their ratios to ours in the same rounds. */
export async function run(): Promise<void> {
  const { env } = process
  const how = {
    rounds: Number(env['BENCH_ROUNDS'] ?? 3),
    seconds: Math.max(1, Math.round(Number(env['BENCH_ROUND_MS'] ?? 2_000) / 1_000)),
  }
  const scenes = SCENES.filter(({ name }) => isWanted(name, env['BENCH_ONLY']))
  const [nginx, wrk] = [programOf('nginx'), programOf('wrk')]
  if (nginx === null || wrk === null) {
    printFigure({ bench: 'proxy', missing: 'wrk and nginx (apt-get install wrk nginx)' })
    return
  }
  const peers = wantedPeers(env['BENCH_SERVERS'])
  const target = await startTarget(nginx)
  try {
    const authority = await TestAuthority.make('bench')
    const pair = await authority.issue(['bench.test'])
    for (const routes of new Set(scenes.map((scene) => scene.routes))) {
      const site = { targetPort: target.port, routes, ...pair }
      const own = scenes.filter((scene) => scene.routes === routes)
      await measureAll(peers, site, { scenes: own, target, ...how })
    }
  } finally {
    await target.close()
  }
}

function isWanted(name: string, beginnings: string | undefined): boolean {
  return (beginnings ?? '').split('|').some((beginning) => name.startsWith(beginning))
}

function wantedPeers(beginnings: string | undefined): readonly Peer[] {
  return PEERS.filter(({ name, program }, at) => {
    if (at > 0 && !isWanted(name, beginnings)) return false
    if (program === null || programOf(program) !== null) return true
    printFigure({
      bench: 'proxy',
      server: name,
      missing: `${program} (apt-get install ${program})`,
    })
    return false
  })
}

async function measureAll(
  peers: readonly Peer[],
  site: Site,
  { scenes, target, ...how }: How & { readonly scenes: readonly Scene[]; target: BenchServer },
): Promise<void> {
  const running: Running[] = []
  try {
    for (const peer of peers) {
      if (peer.routesMax >= site.routes) running.push({ peer, server: await startPeer(peer, site) })
    }
    for (const scene of scenes) await measure(running, scene, { target, ...how })
  } finally {
    await Promise.all(running.map(({ server }) => server.close()))
  }
}

async function measure(
  running: readonly Running[],
  scene: Scene,
  { target, rounds, seconds }: How & { readonly target: BenchServer },
): Promise<void> {
  const program = programOf(scene.protocol === 'h2' ? 'h2load' : 'wrk')
  if (program === null) {
    printFigure({ bench: 'proxy', figure: scene.name, missing: 'apt-get install nghttp2-client' })
    return
  }
  const able = running.filter(({ peer }) => peer.speaksHttp2 || scene.protocol !== 'h2')
  const servers = able.map(({ server }) => server)
  // What the target answers without anybody between: only where one request at a time says how long one takes.
  const isLatency = scene.connections === 1 && scene.protocol === 'http'
  if (isLatency) servers.push(target)
  const turns = servers.map((): Turn[] => [])
  for (const server of servers) {
    await once(scene, server, { type: 'full' }, { program, seconds: WARM_UP_SECONDS })
  }
  for (let round = 0; round < rounds; round++) {
    for (const [at, server] of servers.entries()) {
      const full = await once(scene, server, { type: 'full' }, { program, seconds })
      const pace = { type: 'rate', perSecond: full.perSecond / 2 } as const
      const half = await once(scene, server, pace, { program, seconds })
      turns[at]?.push({ full, half })
    }
  }
  const direct = isLatency ? (turns.at(-1) ?? []) : null
  servers.forEach(({ name }, at) => print(scene, name, turns[at] ?? [], turns[0] ?? [], direct))
}

async function once(
  scene: Scene,
  server: BenchServer,
  pace: Pace,
  how: { readonly program: string; readonly seconds: number },
): Promise<Measured> {
  const port = scene.protocol === 'http' ? server.port : server.tlsPort
  const before = server.cpuUs()
  const answered = await apply(scene, pace, { port, ...how })
  if (answered.failures > 0) {
    console.error(`${scene.name}: ${server.name}: ${answered.failures} requests failed`)
  }
  return { ...answered, cpuUs: (server.cpuUs() - before) / answered.requests }
}

function print(
  scene: Scene,
  server: string,
  own: readonly Turn[],
  ours: readonly Turn[],
  direct: readonly Turn[] | null,
): void {
  const middle = (list: readonly number[]): number => percentile(list, 0.5)
  const of = (side: keyof Turn, key: keyof Measured) => middle(own.map((turn) => turn[side][key]))
  const added = direct?.map(({ full }, i) => (own[i]?.full.p50Us ?? Number.NaN) - full.p50Us)
  printFigure({
    bench: 'proxy',
    figure: `${scene.name} connections`,
    server,
    perSecond: of('full', 'perSecond'),
    cpuUs: of('full', 'cpuUs'),
    p50Us: of('full', 'p50Us'),
    p99Us: of('full', 'p99Us'),
    halfPerSecond: of('half', 'perSecond'),
    halfCpuUs: of('half', 'cpuUs'),
    halfP50Us: of('half', 'p50Us'),
    halfP99Us: of('half', 'p99Us'),
    ...(added === undefined ? {} : { addedP50Us: middle(added) }),
    oursPerSecondRatio: middle(
      ours.map(({ full }, i) => full.perSecond / (own[i]?.full.perSecond ?? Number.NaN)),
    ),
    oursByCpuRatio: middle(
      ours.map(({ full }, i) => (own[i]?.full.cpuUs ?? Number.NaN) / full.cpuUs),
    ),
  })
}
