// Goal: what it costs to watch requests. Method: gateways that differ in one option, side by side, loaded in turns so
// that whatever else the machine does hits all of them; processor time a request is read from /proc. The first variant
// is what the others are held against.
import { BareTarget, BenchGateway, load } from './gateway/load.ts'
import { percentile, printFigure } from './figures.ts'

const ROUNDS = 9
const REQUESTS_PER_ROUND = 5_000
const WARM_UP = 15_000

const VARIANTS: readonly { readonly name: string; readonly options: readonly string[] }[] = [
  { name: 'no access records', options: [] },
  { name: 'json records to a file', options: ['--access-log', 'access.log'] },
  {
    name: 'combined records to a file',
    options: ['--access-log', 'access.log', '--access-log-format', 'combined'],
  },
]

/** Prints processor time a request for each variant, and its ratio to the first. */
export async function run(): Promise<void> {
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
  const base = percentile(costs[0] ?? [], 0.5)
  VARIANTS.forEach(({ name }, at) => {
    const p50 = percentile(costs[at] ?? [], 0.5)
    printFigure({
      bench: 'observe',
      figure: 'processor time a request, µs',
      variant: name,
      p50,
      min: Math.min(...(costs[at] ?? [])),
      ratio: p50 / base,
    })
  })
}
