// Raftway against etcd, load by load: in each round first one and then the other, so that both meet the same machine.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { call, until, type Fleet } from '../../processes/processes.ts'
import { percentile, printFigure } from '../figures.ts'
import { grpcClient, httpClient, puts, ranges, transactions, type Etcd } from './etcd.ts'
import { runLoad, type Client, type LoadResult } from './load.ts'
import {
  GROUP,
  grouped,
  KEYS,
  PAIRS,
  RAFTWAY_GETS,
  RAFTWAY_PUTS,
  RAFTWAY_TRANSACTIONS,
  raftwayClient,
} from './raftway.ts'

/** Where clients connect: to the leader, to one that follows, or spread over all three. */
type Via = 'leader' | 'follower' | 'all'

type Load = {
  readonly name: string
  readonly via: Via
  readonly clients: number
  /** Definitions that one call writes or reads. */
  readonly each: number
  readonly raftway: readonly Buffer[]
  readonly etcd: ReturnType<typeof puts>
}

const PUT = { each: 1, raftway: RAFTWAY_PUTS, etcd: puts(PAIRS) }
const TRANSACTION = {
  each: GROUP,
  raftway: RAFTWAY_TRANSACTIONS,
  etcd: transactions(grouped(PAIRS)),
}
const READ = {
  each: 1,
  raftway: RAFTWAY_GETS,
  etcd: ranges(PAIRS.slice(0, KEYS).map(({ key }) => key)),
}

const LOADS: readonly Load[] = [
  { name: 'durable writes/s', via: 'leader', clients: 1, ...PUT },
  { name: 'durable writes/s', via: 'follower', clients: 1, ...PUT },
  { name: 'durable writes/s', via: 'all', clients: 256, ...PUT },
  { name: 'definitions/s in transactions of 100', via: 'leader', clients: 1, ...TRANSACTION },
  { name: 'definitions/s in transactions of 100', via: 'all', clients: 16, ...TRANSACTION },
  { name: 'linearizable reads/s', via: 'follower', clients: 1, ...READ },
  { name: 'linearizable reads/s', via: 'follower', clients: 64, ...READ },
]

export type Pace = { readonly rounds: number; readonly roundMs: number; readonly only: string }

/** Between two measurements: what the one left to do in the background is not counted to the other. */
const SETTLE_MS = 700

/** A side of a comparison: opens a client on the node at a position. */
type Side = {
  readonly name: string
  readonly pids: readonly number[]
  leaderAt(): Promise<number>
  open(at: number, load: Load): Promise<Client>
  /** Resolves when nothing that was asked for is still to be done. */
  settled(): Promise<unknown>
}

/** Prints one figure a load. `etcd` is null where it is not installed. */
export async function compare(fleet: Fleet, etcd: Etcd | null, pace: Pace): Promise<void> {
  const sides: Side[] = [
    {
      name: 'raftway',
      pids: fleet.nodes.map(({ pid }) => pid),
      leaderAt: async () => fleet.nodes.indexOf(await fleet.leader()),
      open: (at, { raftway }) =>
        raftwayClient(Number(new URL(fleet.nodes[at]?.url ?? '').port), raftway),
      settled: () => filesWritten(fleet),
    },
  ]
  if (etcd !== null) {
    const base = { pids: etcd.pids, leaderAt: () => etcd.leaderAt(), settled: () => pause(0) }
    const port = (at: number) => etcd.ports[at] ?? 0
    sides.push(
      { ...base, name: 'etcd', open: (at, load) => httpClient(port(at), load.etcd) },
      { ...base, name: 'etcd gRPC', open: (at, load) => grpcClient(port(at), load.etcd) },
    )
  }
  // Every name is there before it is read, on both sides.
  for (const side of sides) await fill(side)
  for (const load of LOADS) {
    const title = titleOf(load)
    if (!title.startsWith(pace.only)) continue
    const results = new Map(sides.map(({ name }): [string, LoadResult[]] => [name, []]))
    for (let round = 0; round < pace.rounds; round++) {
      for (const side of sides) {
        results.get(side.name)?.push(await measure(side, load, pace.roundMs))
        await side.settled()
        await pause(SETTLE_MS)
      }
    }
    report(title, load, results)
  }
}

/** Definition files follow the state: those of one side are not written while the other is measured. */
async function filesWritten(fleet: Fleet): Promise<void> {
  const { body } = await call(`${fleet.nodes[0]?.url ?? ''}/v1/cluster`)
  const shown = ({ dataDir }: { readonly dataDir: string }) =>
    readFile(join(dataDir, 'definitions', 'REVISION'), 'utf8')
  await until(
    'the definition files',
    async () => {
      const revisions = await Promise.all(fleet.nodes.map(shown))
      return revisions.every((text) => Number(text) >= Number(body['revision'])) ? true : null
    },
    120_000,
  )
}

function titleOf({ name, via, clients }: Load): string {
  const count = clients === 1 ? '1 client' : `${clients} clients`
  const where = { leader: 'at the leader', follower: 'at a follower', all: 'over all nodes' }
  return `${name}, ${count} ${where[via]}`
}

async function measure(side: Side, load: Load, ms: number): Promise<LoadResult> {
  const leader = await side.leaderAt()
  const clients = await Promise.all(
    Array.from({ length: load.clients }, (_, i) =>
      side.open(positionOf(load.via, leader, i), load),
    ),
  )
  try {
    const result = await runLoad(clients, ms, side.pids)
    if (result.failures > 0) console.error(`${side.name}: ${result.failures} calls failed`)
    return result
  } finally {
    for (const client of clients) client.close()
  }
}

function positionOf(via: Via, leader: number, i: number): number {
  if (via === 'leader') return leader
  return via === 'follower' ? (leader + 1) % 3 : i % 3
}

async function fill(side: Side): Promise<void> {
  const client = await side.open(await side.leaderAt(), { ...emptyLoad(), ...TRANSACTION })
  for (let at = 0; at < KEYS / GROUP; at++) await client.call(at)
  client.close()
}

function emptyLoad(): Pick<Load, 'name' | 'via' | 'clients'> {
  return { name: 'fill', via: 'leader', clients: 1 }
}

function report(figure: string, load: Load, results: ReadonlyMap<string, LoadResult[]>): void {
  const values: Record<string, string | number> = { bench: 'cluster', figure }
  const own = results.get('raftway') ?? []
  for (const [name, rounds] of results) {
    values[name] = median(rounds.map(({ ratePerSecond }) => ratePerSecond * load.each))
  }
  for (const [name, rounds] of results) {
    if (name === 'raftway') continue
    const ratios = rounds.map(
      ({ ratePerSecond }, i) => (own[i]?.ratePerSecond ?? Number.NaN) / ratePerSecond,
    )
    values[name === 'etcd' ? 'ratio' : 'ratio to gRPC'] = median(ratios)
  }
  for (const [name, rounds] of results) {
    const latencies = rounds.flatMap(({ latenciesMs }) => latenciesMs)
    values[`${name} p50 ms`] = percentile(latencies, 0.5)
    values[`${name} p99 ms`] = percentile(latencies, 0.99)
    values[`${name} CPU ms`] = median(rounds.map(({ cpuMs }) => cpuMs / load.each))
  }
  printFigure(values)
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
