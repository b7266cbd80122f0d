// Goal: what changes of the config cost while requests come as fast as they are answered. Method: one node, one gateway
// with one worker, 64 connections that never pause. Throughput is measured for a while without changes, then while
// 10,000 changes are made one after another as fast as the node takes them, and then without changes again: the last
// against the first says what they left behind. Nodes, gateway, load and target share the machine's cores, so the
// middle figure says what everything together costs, the processor time a request what the gateway does.
import { call, Fleet, until } from '../processes/processes.ts'
import { cpuMsOf } from './cluster/load.ts'
import { printFigure } from './figures.ts'
import { BareTarget, openLoad, type OpenLoad } from './gateway/load.ts'
import { residentMb } from './gateway/observed.ts'

const CHANGES = 10_000
const WRITERS = 16
const CALM_MS = 5_000

type Phase = { readonly perSecond: number; readonly cpuUs: number; readonly residentMb: number }

/** Prints throughput, processor time and memory of a gateway before, during and after 10,000 changes. */
export async function run(): Promise<void> {
  const fleet = await Fleet.open()
  const target = await BareTarget.open()
  try {
    await fleet.form(1)
    const gateway = await fleet.gateway(['--log-level', 'error'])
    const change = (at: number) => put(fleet.nodes[0]?.url ?? '', target.url, at)
    for (let at = 0; at < WRITERS; at++) await change(at)
    await gateway.ready()
    const port = Number(new URL(gateway.traffic).port)
    await until('the routes', async () =>
      (await fetch(`${gateway.traffic}/route-0/x`)).status === 200 ? true : null,
    )
    const load = await openLoad(port, WRITERS)
    const phase = (work: () => Promise<unknown>) => measure(gateway.pid, load, work)
    const calm = () => new Promise((resolve) => setTimeout(resolve, CALM_MS))
    // The first changes fill caches and have code compiled, like the first requests.
    await changeAll(change, WRITERS, CHANGES / 10)
    await calm()
    const before = await phase(calm)
    const during = await phase(() => changeAll(change, CHANGES / 10, CHANGES + CHANGES / 10))
    const after = await phase(calm)
    const failures = await load.stop()
    report({ before, during, after, failures })
  } finally {
    await fleet.close()
    target.close()
  }
}

async function changeAll(
  change: (at: number) => Promise<void>,
  from: number,
  to: number,
): Promise<void> {
  const writer = async (first: number) => {
    for (let at = first; at < to; at += WRITERS) await change(at)
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, at) => writer(from + at)))
}

/** A definition that requests are sent to, with a route more that is another one each time. */
async function put(node: string, target: string, at: number): Promise<void> {
  const writer = at % WRITERS
  const { status } = await call(`${node}/v1/apis/route-${writer}`, 'PUT', {
    spec: {
      routes: [{ path: `/route-${writer}/` }, { path: `/other-${writer}-${at}/` }],
      upstream: { targets: [{ url: target }] },
    },
  })
  if (status >= 300) throw new Error(`a change was answered with ${status}`)
}

async function measure(pid: number, load: OpenLoad, work: () => Promise<unknown>): Promise<Phase> {
  const began = { atMs: performance.now(), answers: load.answers, cpuMs: cpuMsOf([pid]) }
  await work()
  const answers = load.answers - began.answers
  return {
    perSecond: (answers / (performance.now() - began.atMs)) * 1_000,
    cpuUs: ((cpuMsOf([pid]) - began.cpuMs) / answers) * 1_000,
    residentMb: residentMb(pid),
  }
}

function report(phases: {
  readonly before: Phase
  readonly during: Phase
  readonly after: Phase
  readonly failures: number
}): void {
  const { before, during, after, failures } = phases
  printFigure({
    bench: 'swaps',
    figure: `requests/s around ${CHANGES} changes`,
    before: before.perSecond,
    during: during.perSecond,
    after: after.perSecond,
    ratio: after.perSecond / before.perSecond,
    'CPU µs a request before': before.cpuUs,
    'CPU µs a request during': during.cpuUs,
    'CPU µs a request after': after.cpuUs,
    'failed requests': failures,
  })
  printFigure({
    bench: 'swaps',
    figure: 'resident memory of the gateway, MB',
    before: before.residentMb,
    after: after.residentMb,
    ratio: after.residentMb / before.residentMb,
  })
}
