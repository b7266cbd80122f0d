// Goal: how long nobody can write while a cluster is restarted node by node. Method: three real nodes on disk; six
// clients write without a pause, each through another order of the nodes, with the client of the command line, which
// goes to the next node when one fails. Each node in turn gets SIGTERM, is waited for, started again, and waited for
// until it is ready. The figure is the longest time between two acknowledgements, whoever got them, from the signal
// until the node is ready again; beside it, the same over as long a time without a restart, and the longest that any one
// client waited. Nodes and clients share two cores, on which a node's own start takes half a second of one.
import { z } from 'zod'
import { ControlClient } from '../../cli/client.ts'
import { Fleet, type Process } from '../processes/processes.ts'
import { percentile, printFigure } from './figures.ts'

const RESTARTS = 12
const CLIENTS = 6
const CALM_MS = 700

type Writers = {
  /** When anybody's write was acknowledged; ascending. */
  readonly acknowledged: number[]
  /** Begin and end of every write. */
  readonly waits: { readonly from: number; readonly to: number }[]
  readonly failures: string[]
  stop(): Promise<void>
}

/** Prints the longest gaps between acknowledged writes around each stop of a leader and of a follower. */
export async function run(): Promise<void> {
  const fleet = await Fleet.open()
  try {
    await fleet.form(3)
    const writers = startWriters(fleet)
    const gaps = {
      leader: [] as number[],
      follower: [] as number[],
      start: [] as number[],
      none: [] as number[],
    }
    const stops: number[] = []
    const codes = new Set<number | null>()
    const single: number[] = []
    await calm(CALM_MS)
    for (let round = 0; round < RESTARTS; round++) {
      for (const node of fleet.nodes) {
        const calmFrom = performance.now()
        await calm(CALM_MS)
        gaps.none.push(longestGap(writers.acknowledged, calmFrom, performance.now()))
        const isLeader = (await fleet.leader()) === node
        const from = performance.now()
        codes.add(await node.kill('SIGTERM'))
        const ended = performance.now()
        stops.push(ended - from)
        gaps[isLeader ? 'leader' : 'follower'].push(longestGap(writers.acknowledged, from, ended))
        single.push(longestWait(writers.waits, from, ended))
        await restart(node)
        gaps.start.push(longestGap(writers.acknowledged, ended, performance.now()))
      }
    }
    await writers.stop()
    report(gaps)
    const base = { bench: 'rolling', nodes: 3, clients: CLIENTS }
    printFigure({
      ...base,
      figure: 'longest wait of one client in a stop, ms',
      p50: percentile(single, 0.5),
      max: Math.max(...single),
    })
    printFigure({
      ...base,
      figure: 'SIGTERM → the process has ended, ms',
      p50: percentile(stops, 0.5),
      max: Math.max(...stops),
    })
    printFigure({
      ...base,
      figure: 'writes',
      acknowledged: writers.acknowledged.length,
      failed: writers.failures.length,
      exitCodes: [...codes].join(),
    })
    for (const failure of new Set(writers.failures)) console.error(failure)
  } finally {
    await fleet.close()
  }
}

async function restart(node: Process): Promise<void> {
  node.start()
  await node.ready(120_000)
}

function calm(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

function startWriters(fleet: Fleet): Writers {
  const acknowledged: number[] = []
  const waits: Writers['waits'] = []
  const failures: string[] = []
  const stopped = new AbortController()
  const urls = fleet.nodes.map(({ url }) => url)
  const running = Array.from({ length: CLIENTS }, async (_, at) => {
    const order = [...urls.slice(at % urls.length), ...urls.slice(0, at % urls.length)]
    const client = new ControlClient({ urls: order, token: null, say: () => {} })
    for (let i = 0; !stopped.signal.aborted; i++) {
      const from = performance.now()
      const body = { spec: specOf(at, i) }
      try {
        await client.call({ method: 'PUT', path: `/v1/apis/client-${at}`, body }, z.unknown())
        acknowledged.push(performance.now())
      } catch (error) {
        failures.push(String(error))
      }
      waits.push({ from, to: performance.now() })
    }
    await client.close()
  })
  return {
    acknowledged,
    waits,
    failures,
    async stop() {
      stopped.abort()
      await Promise.all(running)
    },
  }
}

function specOf(at: number, i: number): object {
  return {
    routes: [{ path: `/client-${at}/${i % 10}` }],
    upstream: { targets: [{ url: 'http://127.0.0.1:9' }] },
  }
}

/** The longest time without an acknowledgement that touches `from` … `to`. */
function longestGap(acknowledged: readonly number[], from: number, to: number): number {
  let longest = 0
  let before = acknowledged[0] ?? from
  for (const at of acknowledged) {
    if (at >= from && before <= to) longest = Math.max(longest, at - before)
    before = at
  }
  return before < to ? Math.max(longest, to - before) : longest
}

function longestWait(waits: Writers['waits'], from: number, to: number): number {
  const within = waits.filter((wait) => wait.to >= from && wait.from <= to)
  return Math.max(0, ...within.map((wait) => wait.to - wait.from))
}

function report(
  gaps: Readonly<Record<'leader' | 'follower' | 'start' | 'none', readonly number[]>>,
): void {
  const figures = [
    ['longest gap between acknowledged writes, leader stopped, ms', gaps.leader],
    ['longest gap between acknowledged writes, follower stopped, ms', gaps.follower],
    ['longest gap between acknowledged writes, a node starts again, ms', gaps.start],
    ['longest gap between acknowledged writes, nothing stopped, ms', gaps.none],
  ] as const
  for (const [figure, values] of figures) {
    printFigure({
      bench: 'rolling',
      nodes: 3,
      clients: CLIENTS,
      figure,
      stops: values.length,
      p50: percentile(values, 0.5),
      max: Math.max(...values),
    })
  }
}
