// Goal: how long until a committed change is applied by every gateway. Method: three real nodes on disk, 100 watchers
// in this process, each with the watch, the mirror, the routing table and the reports of a gateway of 10,000 routes.
// They begin with one config in memory, as a table is immutable, so that the collector of this one process does not
// stand for that of a hundred; from there on each applies every change by itself. The clock starts when the write is
// sent to a follower, so the first figure holds forwarding, syncs and fan-out as well; the second starts at the
// acknowledgement. All watchers share one core with each other, and both cores with the nodes: real ones would not. So
// that no watcher's report takes time from another one's change, which on machines of their own it could not, reports
// leave when every watcher has applied the change; the last figure holds them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { request } from 'undici'
import { ConfigFollower } from '../../gateway/config/follower.ts'
import { Mirror } from '../../gateway/config/mirror.ts'
import type { Delta } from '../../gateway/config/mirror.ts'
import { definitionKey, type DefinitionChange } from '../../shared/changes.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { SILENT } from '../../shared/logger.ts'
import { adoptChanges, EMPTY_TABLE, type RoutingTable } from '../../shared/routing/table.ts'
import { call, Fleet, until, type Json } from '../processes/processes.ts'
import { percentile, printFigure } from './figures.ts'

const GATEWAYS = 100
/** One route each, as teams write them. */
const APIS = 10_000
const CHANGES = 300
/** Changes a second: far from saturation, as changes of a config come. */
const PACE_MS = 50

/** What every watcher begins with. */
type Start = {
  readonly revision: number
  readonly hash: string
  readonly texts: ReadonlyMap<string, string>
  readonly table: RoutingTable
}

/** A gateway without workers: the watch, the mirror, the table and the report are the real ones. */
class Watcher {
  appliedMs = 0
  readonly #mirror = new Mirror()
  readonly #follower: ConfigFollower
  readonly #onApplied: () => void
  #report: () => void = () => {}
  #table: RoutingTable
  isConnected = false

  constructor(name: string, urls: readonly string[], start: Start, onApplied: () => void) {
    this.#onApplied = onApplied
    this.#table = start.table
    this.#mirror.restore(start)
    const options = { name, controlUrls: urls, labels: {}, logger: SILENT }
    this.#follower = new ConfigFollower(options, this.#mirror, {
      onDelta: (delta) => this.#apply(delta),
      onConnection: ({ isConnected }) => {
        this.isConnected = isConnected
      },
    })
    this.#follower.start()
  }

  get routes(): number {
    return this.#table.routeCount
  }

  /** Tells the node what was applied last. */
  report(): void {
    this.#report()
  }

  stop(): void {
    this.#follower.stop()
  }

  #apply({ revision, hash, puts, deletes }: Delta): void {
    const changes: DefinitionChange[] = deletes.map((name) => ({ op: 'delete', ...name }))
    for (const text of puts) changes.push({ op: 'put', definition: JSON.parse(text) as Definition })
    this.#table = adoptChanges(this.#table, changes).table
    this.appliedMs = performance.now()
    this.#report = () => {
      this.#follower.report({ revision, hash, version: 'bench', quarantined: [] })
    }
    this.#onApplied()
  }
}

/** Prints how long changes take to every one of 100 gateways, p50 and p99. */
export async function run(): Promise<void> {
  const fleet = await Fleet.open()
  const watchers: Watcher[] = []
  try {
    await fleet.form(3)
    const leader = await fleet.leader()
    const follower = fleet.nodes.find((node) => node !== leader) ?? leader
    const definitions = Array.from({ length: APIS }, (_, at) => api(at, 0))
    const written = await call(`${follower.url}/v1/config`, 'PUT', { definitions })
    if (written.status !== 200) throw new Error(JSON.stringify(written.body))
    const start = await startOf(follower.url)
    // 10,000 definition files a node are being written behind the answer: what is measured comes after them.
    await until(
      'the definition files',
      async () => {
        const shown = await Promise.all(
          fleet.nodes.map(({ dataDir }) =>
            readFile(join(dataDir, 'definitions', 'REVISION'), 'utf8'),
          ),
        )
        return shown.every((text) => Number(text) === start.revision) ? true : null
      },
      120_000,
    )
    let left = 0
    let onAll: () => void = () => {}
    const urls = fleet.nodes.map(({ url }) => url)
    for (let i = 0; i < GATEWAYS; i++) {
      // Spread over the nodes, as gateways with differently ordered lists are.
      const order = [...urls.slice(i % 3), ...urls.slice(0, i % 3)]
      watchers.push(
        new Watcher(`gw${i}`, order, start, () => {
          if (--left > 0) return
          for (const watcher of watchers) watcher.report()
          onAll()
        }),
      )
    }
    await until('every watcher watches', () =>
      watchers.every(({ isConnected }) => isConnected) ? true : null,
    )
    const samples: Samples = { sent: [], acknowledged: [], last: [], waited: [] }
    for (let change = 1; change <= CHANGES; change++) {
      const allApplied = new Promise<void>((resolve) => {
        left = GATEWAYS
        onAll = resolve
      })
      await measure(
        `${follower.url}/v1/apis/api-${(change * 37) % APIS}?wait=applied`,
        change,
        allApplied,
        watchers,
        samples,
      )
      await new Promise((resolve) => setTimeout(resolve, PACE_MS))
    }
    report(samples, watchers[0]?.routes ?? 0)
  } finally {
    for (const watcher of watchers) watcher.stop()
    await fleet.close()
  }
}

/** The config as a node has it, and its table. */
async function startOf(url: string): Promise<Start> {
  const { body } = await call(`${url}/v1/config`)
  const definitions = body['definitions'] as Definition[]
  const puts = definitions.map((definition) => ({ op: 'put', definition }) as const)
  return {
    revision: Number(body['revision']),
    hash: String(body['hash']),
    texts: new Map(
      puts.map(({ definition }) => [
        definitionKey(definition.kind, definition.name),
        JSON.stringify(definition),
      ]),
    ),
    table: adoptChanges(EMPTY_TABLE, puts).table,
  }
}

type Samples = {
  readonly sent: number[]
  readonly acknowledged: number[]
  readonly last: number[]
  readonly waited: number[]
}

/** One change: written once without waiting for the roll-out, and timed at every watcher. */
async function measure(
  url: string,
  change: number,
  allApplied: Promise<void>,
  watchers: readonly Watcher[],
  samples: Samples,
): Promise<void> {
  // Every fifth change measures the wait for the roll-out as its writer sees it.
  const isWaiting = change % 5 === 0
  const target = isWaiting ? url : url.replace('?wait=applied', '')
  const sentMs = performance.now()
  const answer = await request(target, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ spec: api((change * 37) % APIS, change).spec }),
  })
  const body = (await answer.body.json()) as Json
  const acknowledgedMs = performance.now()
  if (answer.statusCode !== 200) throw new Error(JSON.stringify(body))
  await allApplied
  if (isWaiting) {
    samples.waited.push(acknowledgedMs - sentMs)
    return
  }
  for (const watcher of watchers) {
    samples.sent.push(watcher.appliedMs - sentMs)
    samples.acknowledged.push(Math.max(0, watcher.appliedMs - acknowledgedMs))
  }
  samples.last.push(Math.max(...watchers.map(({ appliedMs }) => appliedMs)) - sentMs)
}

function report(samples: Samples, routes: number): void {
  const base = { bench: 'propagation', gateways: GATEWAYS, routes }
  const figures: readonly [string, readonly number[]][] = [
    ['write sent → applied, each gateway, ms', samples.sent],
    ['acknowledged → applied, each gateway, ms', samples.acknowledged],
    ['write sent → applied by the last gateway, ms', samples.last],
    ['write with wait=applied → answered, ms', samples.waited],
  ]
  for (const [figure, values] of figures) {
    printFigure({ ...base, figure, p50: percentile(values, 0.5), p99: percentile(values, 0.99) })
  }
}

function api(at: number, change: number): { kind: 'Api'; name: string; spec: Json } {
  const routes = [
    {
      path: `/service-${at}`,
      methods: ['GET', 'POST'],
      rewrite: { prefix: `/v${change}/` },
    },
  ]
  return {
    kind: 'Api',
    name: `api-${at}`,
    spec: {
      hosts: [`host-${at % 50}.example.com`],
      routes,
      upstream: { targets: [{ url: 'http://127.0.0.1:9000' }] },
    },
  }
}
