// Goal: a change and a match must cost the same whatever the size of the table. Method: tables of 10, 1,000 and
// 100,000 routes in three shapes; every figure is the median of several rounds, and each size is measured in turn
// within a round, so that what disturbs the machine disturbs all sides. Changes are timed one by one.
import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { RouteSpec } from '../../shared/definitions/api.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { Random } from '../../shared/random.ts'
import {
  applyChanges,
  compileTable,
  matchRoute,
  type RoutingTable,
} from '../../shared/routing/table.ts'
import type { RequestView } from '../../shared/routing/types.ts'

const SIZES = [10, 1_000, 100_000]
const ROUNDS = 7
const CHANGES_PER_ROUND = 300
const MATCHES_PER_ROUND = 200_000
/**
 * Different requests, taken from all over the table and sent in turn. A table of 100,000 routes is larger than any
 * cache, so the more of it is in use, the more a match waits for memory: both figures are printed.
 */
const REQUEST_SETS = [100, 2_000]
const REQUESTS_MAX = Math.max(...REQUEST_SETS)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** How the routes are spread over Apis and hosts. */
type Shape = {
  readonly name: string
  readonly routesPerApi: number
  hostOf(api: number): string | null
}

const SHAPES: readonly Shape[] = [
  { name: 'one route an Api, one host', routesPerApi: 1, hostOf: () => null },
  {
    name: 'one route an Api, a host each',
    routesPerApi: 1,
    hostOf: (api) => `h${api}.example.com`,
  },
  { name: '100 routes an Api, ten hosts', routesPerApi: 100, hostOf: (api) => `h${api % 10}.com` },
]

type Subject = {
  readonly size: number
  table: RoutingTable
  readonly definitions: readonly Definition[]
  readonly requests: readonly RequestView[]
}

/** Prints compile, change and match figures of the routing table, one JSON line each. */
export async function run(): Promise<void> {
  for (const shape of SHAPES) {
    const subjects = SIZES.map((size) => prepare(shape, size))
    measureCompile(shape, subjects)
    measureMemory(shape, subjects)
    measureChanges(shape, subjects)
    for (const requests of REQUEST_SETS) measureMatches(shape, subjects, requests)
  }
  measureUpstreamChange()
}

function prepare(shape: Shape, size: number): Subject {
  const definitions = definitionsOf(shape, size)
  return { size, table: compiled(definitions), definitions, requests: requestsOf(shape, size) }
}

function definitionsOf(shape: Shape, size: number): Definition[] {
  const routesPerApi = Math.min(shape.routesPerApi, size)
  return Array.from({ length: size / routesPerApi }, (_, api) => apiOf(shape, api, routesPerApi, 0))
}

function apiOf(shape: Shape, api: number, routeCount: number, edition: number): Definition {
  const host = shape.hostOf(api)
  const routes = Array.from({ length: routeCount }, (_, at) => routeOf(api, at))
  // Every edition differs in one route: what somebody does who edits an Api.
  const last = routes[routes.length - 1]
  if (last !== undefined && edition > 0) last.rewrite = { prefix: `/edition-${edition}/` }
  return {
    kind: 'Api',
    name: `api-${api}`,
    spec: {
      ...(host === null ? {} : { hosts: [host] }),
      routes,
      upstream: { targets: [{ url: `http://10.0.${api & 255}.1:9001` }] },
    },
    revision: edition + 1,
    createdRevision: 1,
  }
}

function routeOf(api: number, at: number): RouteSpec {
  const base = `/team-${api % 100}/service-${api}/v${at}`
  if (at % 3 === 1) return { path: `${base}/{id}/items`, match: 'template', methods: ['GET'] }
  if (at % 3 === 2) return { path: `${base}/status`, match: 'exact' }
  return { path: `${base}/` }
}

function requestsOf(shape: Shape, size: number): RequestView[] {
  const random = new Random(size)
  const routesPerApi = Math.min(shape.routesPerApi, size)
  return Array.from({ length: REQUESTS_MAX }, () => {
    const api = random.below(size / routesPerApi)
    const at = random.below(routesPerApi)
    const base = `/team-${api % 100}/service-${api}/v${at}`
    return {
      method: 'GET',
      host: shape.hostOf(api) ?? 'example.com',
      path: base + (['/pets/17', '/17/items', '/status'][at % 3] ?? ''),
      query: '',
      header: () => undefined,
    }
  })
}

function compiled(definitions: readonly Definition[]): RoutingTable {
  const result = compileTable(definitions)
  if (!result.ok) throw new Error(JSON.stringify(result.issues[0]))
  return result.table
}

function measureCompile(shape: Shape, subjects: readonly Subject[]): void {
  for (const { size, definitions } of subjects) {
    const samples = Array.from({ length: 5 }, () => timed(() => compiled(definitions)))
    print({
      figure: 'compile',
      shape: shape.name,
      routes: size,
      ms: round(percentile(samples, 50) / 1e3),
    })
  }
}

/** What the largest table holds beside the definitions that it was compiled from. */
function measureMemory(shape: Shape, subjects: readonly Subject[]): void {
  const largest = subjects.at(-1)
  if (largest === undefined) return
  const before = bytesInUse()
  const table = compiled(largest.definitions)
  const bytesPerRoute = round((bytesInUse() - before) / table.routeCount)
  print({ figure: 'memory', shape: shape.name, routes: largest.size, bytesPerRoute })
}

/** Bytes of the heap and outside of it, without garbage; what lies outside is given back one collection later. */
function bytesInUse(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function measureChanges(shape: Shape, subjects: readonly Subject[]): void {
  const samples = new Map<Subject, { p50: number[]; p99: number[] }>()
  for (let at = 0; at < ROUNDS; at++) {
    for (const subject of subjects) {
      const micros = changeRound(shape, subject, at)
      const own = samples.get(subject) ?? { p50: [], p99: [] }
      own.p50.push(percentile(micros, 50))
      own.p99.push(percentile(micros, 99))
      samples.set(subject, own)
    }
  }
  for (const [{ size }, { p50, p99 }] of samples) {
    const figures = { p50Us: round(percentile(p50, 50)), p99Us: round(percentile(p99, 50)) }
    print({ figure: 'change and swap', shape: shape.name, routes: size, ...figures })
  }
}

function changeRound(shape: Shape, subject: Subject, at: number): number[] {
  const random = new Random(at)
  const routesPerApi = Math.min(shape.routesPerApi, subject.size)
  return Array.from({ length: CHANGES_PER_ROUND }, (_, i) => {
    const api = random.below(subject.size / routesPerApi)
    const edition = 1 + at * CHANGES_PER_ROUND + i
    const definition = apiOf(shape, api, routesPerApi, edition)
    return timed(() => {
      const result = applyChanges(subject.table, [{ op: 'put', definition }])
      if (!result.ok) throw new Error(JSON.stringify(result.issues[0]))
      subject.table = result.table
    })
  })
}

function measureMatches(shape: Shape, subjects: readonly Subject[], count: number): void {
  const samples = subjects.map((): number[] => [])
  for (let at = 0; at < ROUNDS; at++) {
    for (const [i, subject] of subjects.entries()) samples[i]?.push(matchRound(subject, count))
  }
  const nanos = samples.map((own) => percentile(own, 50))
  for (const [i, { size }] of subjects.entries()) {
    const own = nanos[i] ?? 0
    const ratio = round(own / (nanos[0] ?? 1), 2)
    const figures = { requests: count, ns: round(own), ratioTo10: ratio }
    print({ figure: 'match', shape: shape.name, routes: size, ...figures })
  }
}

function matchRound({ table, requests }: Subject, count: number): number {
  const micros = timed(() => {
    for (let i = 0; i < MATCHES_PER_ROUND; i++) {
      const request = requests[i % count]
      if (request === undefined || matchRoute(table, request) === null) throw new Error('no match')
    }
  })
  return (micros * 1e3) / MATCHES_PER_ROUND
}

/** An Upstream that every route needs: replacing it must not touch them. */
function measureUpstreamChange(): void {
  const upstream = (edition: number): Definition => ({
    kind: 'Upstream',
    name: 'shared',
    spec: { targets: [{ url: `http://10.0.0.1:${9_000 + edition}` }] },
    revision: 1,
    createdRevision: 1,
  })
  for (const size of SIZES) {
    const apis = Array.from({ length: size }, (_, at): Definition => {
      const spec = { routes: [{ path: `/r${at}` }], upstream: 'shared' }
      return { kind: 'Api', name: `api-${at}`, spec, revision: 1, createdRevision: 1 }
    })
    let table = compiled([upstream(0), ...apis])
    const micros = Array.from({ length: 500 }, (_, edition) => {
      const change = { op: 'put', definition: upstream(1 + edition) } as const
      return timed(() => {
        const result = applyChanges(table, [change])
        if (!result.ok) throw new Error(JSON.stringify(result.issues[0]))
        table = result.table
      })
    })
    const figures = { p50Us: round(percentile(micros, 50)), p99Us: round(percentile(micros, 99)) }
    print({ figure: 'change of an Upstream that every route needs', routes: size, ...figures })
  }
}

/** Microseconds. */
function timed(work: () => void): number {
  const start = performance.now()
  work()
  return (performance.now() - start) * 1e3
}

function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}

function print(figure: object): void {
  process.stdout.write(`${JSON.stringify(figure)}\n`)
}
