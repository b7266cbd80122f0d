// Goal: what the cluster does beside etcd, on the same machine, in the same run. Method: three real nodes and three
// members of etcd, both durable on the same disk, are asked in turn by the same small client over HTTP/1.1, with the
// same definitions under 1,000 names; etcd a third time over gRPC, which is its own way. Both write the log to the disk
// before they answer. All of it shares the machine's cores, so the processor time a call stands beside the rate.
// Further: how long after the leader was killed until the next write was acknowledged, what one change to 1,000
// watchers costs, and what the nodes hold in memory after 100 and after 10,000 revisions.
//
// BENCH_ROUNDS, BENCH_ROUND_MS and BENCH_ONLY (how a figure begins) make it shorter.
import { Fleet } from '../processes/processes.ts'
import { compare } from './cluster/compare.ts'
import { Etcd, etcdVersion } from './cluster/etcd.ts'
import { measureFailover } from './cluster/failover.ts'
import { measureFanOut } from './cluster/fan-out.ts'
import { measureMemory } from './cluster/memory.ts'
import { printFigure } from './figures.ts'

/** How the figures begin that etcd has a side of. */
const COMPARED = ['durable writes', 'definitions', 'linearizable reads']

/** Prints every figure of the cluster. */
export async function run(): Promise<void> {
  const { env } = process
  const pace = {
    rounds: Number(env['BENCH_ROUNDS'] ?? 5),
    roundMs: Number(env['BENCH_ROUND_MS'] ?? 3_000),
    only: env['BENCH_ONLY'] ?? '',
  }
  const { only } = pace
  if (COMPARED.some((name) => name.startsWith(only) || only.startsWith(name))) {
    await withFleet((fleet) => withEtcd(fleet.dir, (etcd) => compare(fleet, etcd, pace)))
  }
  if ('resident memory'.startsWith(only)) await withFleet(measureMemory)
  if ('fan-out'.startsWith(only)) await withFleet(measureFanOut)
  if ('failover'.startsWith(only)) await withFleet(measureFailover)
}

async function withFleet(work: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = await Fleet.open()
  try {
    await fleet.form(3)
    await work(fleet)
  } finally {
    await fleet.close()
  }
}

async function withEtcd(dir: string, work: (etcd: Etcd | null) => Promise<void>): Promise<void> {
  const version = etcdVersion()
  if (version === null) {
    printFigure({ bench: 'cluster', missing: 'etcd (apt-get install etcd-server)' })
    return work(null)
  }
  printFigure({ bench: 'cluster', etcd: version })
  const etcd = await Etcd.start(dir)
  try {
    await work(etcd)
  } finally {
    await etcd.close()
  }
}
