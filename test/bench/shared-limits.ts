// Goal: by how much gateways together go beyond a limit of scope cluster when everybody comes at once. Method: three real nodes,
// 1, 4 and 16 real gateways in turn, all of one machine, each watching one of the nodes; clients ask every gateway as fast as it
// answers until none has let anything pass for a second. Before the burst each gateway has had one request, so that all count
// together. What is printed is what passed in all, against the limit.
//
// BENCH_GATEWAYS (such as `1,4`), BENCH_LIMIT and BENCH_CLIENTS (of each gateway) make it shorter or larger.
import { Agent, request } from 'undici'
import { call, Fleet } from '../processes/processes.ts'
import { printFigure } from './figures.ts'

const QUIET_MS = 1_000
/** Longer than any of it takes, so that no window ends meanwhile. */
const WINDOW_MS = 24 * 3_600_000

/** Prints one figure for each number of gateways. */
export async function run(): Promise<void> {
  const { env } = process
  const limit = Number(env['BENCH_LIMIT'] ?? 5_000)
  const clients = Number(env['BENCH_CLIENTS'] ?? 4)
  for (const text of (env['BENCH_GATEWAYS'] ?? '1,4,16').split(',')) {
    const gateways = Number(text)
    const fleet = await Fleet.open()
    try {
      printFigure({
        bench: 'shared-limits',
        gateways,
        limit,
        ...(await burst(fleet, { gateways, limit, clients })),
      })
    } finally {
      await fleet.close()
    }
  }
}

async function burst(
  fleet: Fleet,
  {
    gateways,
    limit,
    clients,
  }: { readonly gateways: number; readonly limit: number; readonly clients: number },
): Promise<{ readonly passed: number; readonly ofLimit: number; readonly perSecond: number }> {
  await fleet.form(3)
  const upstream = { targets: [{ url: await fleet.target('a') }] }
  const limits = [
    {
      name: 'all',
      by: 'api',
      limit,
      windowMs: WINDOW_MS,
      scope: 'cluster',
      algorithm: 'fixed-window',
    },
  ]
  await call(`${fleet.nodes[0]?.url}/v1/apis/shop`, 'PUT', {
    spec: { routes: [{ path: '/' }], upstream, plugins: { 'rate-limit': { limits } } },
  })
  for (let at = 0; at < gateways; at++) {
    const gateway = await fleet.gateway()
    await gateway.ready()
    // The next one watches another node.
    fleet.nodes.push(...fleet.nodes.splice(0, 1))
  }
  await Promise.all(fleet.gateways.map(({ traffic }) => call(traffic)))
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  const agent = new Agent({ connections: clients })
  const beganMs = performance.now()
  let passed = 0
  let lastMs = beganMs
  const client = async (traffic: string): Promise<void> => {
    while (performance.now() - lastMs < QUIET_MS) {
      const { statusCode, body } = await request(traffic, { dispatcher: agent })
      await body.dump()
      if (statusCode !== 200) continue
      passed += 1
      lastMs = performance.now()
    }
  }
  const all = fleet.gateways.flatMap(({ traffic }) =>
    Array.from({ length: clients }, () => client(traffic)),
  )
  await Promise.all(all)
  await agent.close()
  const perSecond = (passed / Math.max(1, lastMs - beganMs)) * 1_000
  return { passed, ofLimit: passed / limit, perSecond }
}
