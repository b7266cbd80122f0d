// Goal: what it costs to watch requests. Method: first the work itself, in this process; the share is that of a request of
// 20 µs, a goal of the design. Then gateways that differ in one option, side by side, loaded in turns so
// that whatever else the machine does hits all of them; processor time a request is read from /proc. Each variant is held
// against another one in the same round.
import { metricsCost, recordCost } from './gateway/in-process.ts'
import { BareTarget, BenchGateway, load } from './gateway/load.ts'
import { percentile, printFigure } from './figures.ts'

const ROUNDS = 15
const REQUESTS_PER_ROUND = 8_000
/** Before it V8 still compiles, and more of what is longer. */
const WARM_UP = 80_000

/** `against` is the place of the variant that one is compared with. */
const VARIANTS = [
  { name: 'as it is: all metrics, no records', options: [], against: 1 },
  { name: 'no metrics', options: ['--metrics', 'off'], against: 1 },
  { name: 'metrics without routes and upstreams', options: ['--metrics', 'totals'], against: 1 },
  { name: 'json records to a file', options: ['--access-log', 'access.log'], against: 0 },
  {
    name: 'combined records to a file',
    options: ['--access-log', 'access.log', '--access-log-format', 'combined'],
    against: 0,
  },
] as const

/** Prints what watching costs alone, and processor time a request for each variant, and its ratio to another. */
export async function run(): Promise<void> {
  inProcess()
  await inGateways()
}

function inProcess(): void {
  const off = metricsCost('off')
  for (const level of ['off', 'totals', 'full'] as const) {
    const figure = 'all that is counted of one request, µs'
    const us = level === 'off' ? off : metricsCost(level)
    printFigure({ bench: 'observe', figure, level, p50: us, shareOf20us: us / 20 })
  }
  for (const format of ['json', 'combined', '{client} {status}']) {
    const figure = 'one record formatted, µs'
    const us = recordCost(format)
    printFigure({ bench: 'observe', figure, format, p50: us, shareOf20us: us / 20 })
  }
}

async function inGateways(): Promise<void> {
  const target = await BareTarget.open()
  const gateways: BenchGateway[] = []
  for (const { options } of VARIANTS) gateways.push(await BenchGateway.open(target.url, options))
  const costs: number[][] = VARIANTS.map(() => [])
  try {
    for (const { port } of gateways) await load(port, WARM_UP)
    for (let round = 0; round < ROUNDS; round++) {
      for (const [at, gateway] of gateways.entries()) {
        const before = gateway.cpuUs()
        await load(gateway.port, REQUESTS_PER_ROUND)
        costs[at]?.push((gateway.cpuUs() - before) / REQUESTS_PER_ROUND)
      }
    }
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()))
    target.close()
  }
  VARIANTS.forEach(({ name, against }, at) => {
    const own = costs[at] ?? []
    const ratios = own.map((cost, round) => cost / (costs[against]?.[round] ?? Number.NaN))
    printFigure({
      bench: 'observe',
      figure: 'processor time a request, µs',
      variant: name,
      p50: percentile(own, 0.5),
      min: Math.min(...own),
      against: VARIANTS[against].name,
      ratioOfRounds: percentile(ratios, 0.5),
      ratioOfMins: Math.min(...own) / Math.min(...(costs[against] ?? [])),
    })
  })
}
