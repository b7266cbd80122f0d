import { setTimeout as pause } from 'node:timers/promises'
import type { Fleet } from '../../processes/processes.ts'
import { percentile, printFigure } from '../figures.ts'
import { residentMb } from '../gateway/observed.ts'
import { RAFTWAY_PUTS, raftwayClient } from './raftway.ts'

const FEW = 100
const MANY = 10_000
/** Names written over and over: what grows must be the number of revisions alone. */
const NAMES = 100
/** Memory is looked at when the collectors had time. */
const QUIET_MS = 5_000

/** Prints what the nodes hold in memory after 100 and after 10,000 revisions of the same 100 definitions. */
export async function measureMemory(fleet: Fleet): Promise<void> {
  const requests = RAFTWAY_PUTS.filter((_, at) => at % 1_000 < NAMES)
  const [first] = fleet.nodes
  const client = await raftwayClient(Number(new URL(first?.url ?? '').port), requests)
  const pids = fleet.nodes.map(({ pid }) => pid)
  for (let at = 0; at < FEW; at++) await client.call(at)
  await pause(QUIET_MS)
  const few = pids.map(residentMb)
  for (let at = FEW; at < MANY; at++) await client.call(at)
  await pause(QUIET_MS)
  const many = pids.map(residentMb)
  client.close()
  const ratios = many.map((mb, i) => mb / (few[i] ?? Number.NaN))
  printFigure({
    bench: 'cluster',
    figure: `resident memory after ${MANY} revisions against after ${FEW}, ${NAMES} definitions`,
    'after few MB': percentile(few, 0.5),
    'after many MB': percentile(many, 0.5),
    ratio: percentile(ratios, 0.5),
    'worst ratio': Math.max(...ratios),
  })
}
