import { setTimeout as pause } from 'node:timers/promises'
import type { Fleet, Process } from '../../processes/processes.ts'
import { percentile, printFigure } from '../figures.ts'
import { RawHttp } from './raw-http.ts'
import { cyclic } from './etcd.ts'
import { RAFTWAY_PUTS } from './raftway.ts'

const KILLS = Number(process.env['BENCH_KILLS'] ?? 50)
/** After all three are ready again: the one that came back has its log. */
const QUIET_MS = 300
const RETRY_MS = 2

/** Prints how long after the leader was killed until a write that was sent after it was acknowledged. */
export async function measureFailover(fleet: Fleet): Promise<void> {
  const gapsMs: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const leader = await fleet.leader()
    const survivors = fleet.nodes.filter((node) => node !== leader)
    await Promise.all(survivors.map((node) => writeOnce(node, kill)))
    // The end of a process is the system's; the clock starts with the signal.
    const killedMs = performance.now()
    const ended = leader.kill('SIGKILL')
    const acknowledgedMs = await Promise.race(survivors.map((node) => untilWritten(node, kill)))
    gapsMs.push(acknowledgedMs - killedMs)
    await ended
    leader.start()
    await Promise.all(fleet.nodes.map((node) => node.ready()))
    await pause(QUIET_MS)
  }
  printFigure({
    bench: 'cluster',
    figure: `failover: leader killed → next acknowledged write, ${KILLS} kills`,
    'p50 ms': percentile(gapsMs, 0.5),
    'p90 ms': percentile(gapsMs, 0.9),
    'p99 ms': percentile(gapsMs, 0.99),
    'worst ms': Math.max(...gapsMs),
  })
}

/** Writes to one node until it acknowledges; gives the moment. */
async function untilWritten(node: Process, kill: number): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    if (await writeOnce(node, kill + attempt)) return performance.now()
    await pause(RETRY_MS)
  }
}

async function writeOnce(node: Process, at: number): Promise<boolean> {
  const connection = await RawHttp.open(Number(new URL(node.url).port))
  try {
    const { status } = await connection.call(cyclic(RAFTWAY_PUTS, at))
    return status < 300
  } finally {
    connection.close()
  }
}
