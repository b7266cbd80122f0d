// Goal: what changes of the config cost while requests come as fast as they are answered, and what they leave behind. Method:
// one node and two gateways with one worker each, which have the same routes; only one of them follows the node. Before
// and after 10,000 changes, made one after another as fast as the node takes them and under load, both are loaded in turn
// for a second at a time over 64 connections that never pause: the first against the second, after against before,
// says what the changes left behind, whatever else the machine does meanwhile. The gateways have the first core for
// themselves; node, load and target share the second.
//
// BENCH_ROUNDS and BENCH_CHANGES make it shorter.
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { call, Fleet, until } from '../processes/processes.ts'
import { percentile, printFigure } from './figures.ts'
import { BareTarget, openLoad } from './gateway/load.ts'
import { cpuUsOf, residentMb } from './gateway/observed.ts'

const WRITERS = 16
const ROUND_MS = 1_000

type Gateway = { readonly pid: number; readonly port: number }
type Slice = { readonly perSecond: number; readonly cpuUs: number }
/** One round: the gateway that follows the node, and the one that does not. */
type Round = { readonly changed: Slice; readonly still: Slice }

/** Prints throughput, processor time and memory of a gateway before, during and after 10,000 changes. */
export async function run(): Promise<void> {
  const { env } = process
  const rounds = Number(env['BENCH_ROUNDS'] ?? 12)
  const changes = Number(env['BENCH_CHANGES'] ?? 10_000)
  const fleet = await Fleet.open()
  const target = await BareTarget.open()
  try {
    pin(process.pid, 1)
    const definitions = await writeDefinitions(fleet.dir, target.url)
    const still = await ready(await fleet.gateway(['--definitions', definitions]))
    await fleet.form(1)
    pin(fleet.nodes[0]?.pid ?? 0, 1)
    const change = (at: number) => put(fleet.nodes[0]?.url ?? '', target.url, at)
    for (let at = 0; at < WRITERS; at++) await change(at)
    const changed = await ready(await fleet.gateway())
    const both = { changed, still }
    // The first changes fill caches and have code compiled, like the first requests.
    await changeUnderLoad(changed, () => changeAll(change, WRITERS, changes / 10))
    await inTurn(both, 6)
    const before = await inTurn(both, rounds)
    const memoryBefore = residentMb(changed.pid)
    const during = await changeUnderLoad(changed, () =>
      changeAll(change, changes / 10, changes + changes / 10),
    )
    const after = await inTurn(both, rounds)
    const memory = { before: memoryBefore, after: residentMb(changed.pid) }
    report({ changes, before, during, after, memory })
  } finally {
    await fleet.close()
    target.close()
  }
}

/** Keeps a process and its threads on one core, where `taskset` is there. */
function pin(pid: number, core: 0 | 1): void {
  try {
    execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    console.error('taskset is missing: everything shares every core')
  }
}

async function ready(gateway: Awaited<ReturnType<Fleet['gateway']>>): Promise<Gateway> {
  await gateway.ready()
  await until('the routes', async () =>
    (await fetch(`${gateway.traffic}/route-0/x`)).status === 200 ? true : null,
  )
  pin(gateway.pid, 0)
  return { pid: gateway.pid, port: Number(new URL(gateway.traffic).port) }
}

async function inTurn(
  { changed, still }: { readonly changed: Gateway; readonly still: Gateway },
  rounds: number,
): Promise<Round[]> {
  const done: Round[] = []
  for (let round = 0; round < rounds; round++) {
    done.push({ changed: await slice(changed), still: await slice(still) })
  }
  return done
}

async function slice(gateway: Gateway): Promise<Slice> {
  const { failures, ...measured } = await changeUnderLoad(
    gateway,
    () => new Promise((resolve) => setTimeout(resolve, ROUND_MS)),
  )
  if (failures > 0) throw new Error(`${failures} requests failed without a change`)
  return measured
}

async function changeUnderLoad(
  { pid, port }: Gateway,
  work: () => Promise<unknown>,
): Promise<Slice & { readonly failures: number }> {
  const load = await openLoad(port, WRITERS)
  const began = { atMs: performance.now(), cpuUs: cpuUsOf(pid), answers: load.answers }
  await work()
  const answers = load.answers - began.answers
  const perSecond = (answers / (performance.now() - began.atMs)) * 1_000
  const cpuUs = (cpuUsOf(pid) - began.cpuUs) / answers
  return { perSecond, cpuUs, failures: await load.stop() }
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

/** An Api that requests are sent to, with a route more that is another one each time. */
function spec(target: string, at: number) {
  const writer = at % WRITERS
  return {
    routes: [{ path: `/route-${writer}/` }, { path: `/other-${writer}-${at}/` }],
    upstream: { targets: [{ url: target }] },
  }
}

async function put(node: string, target: string, at: number): Promise<void> {
  const name = `route-${at % WRITERS}`
  const { status } = await call(`${node}/v1/apis/${name}`, 'PUT', { spec: spec(target, at) })
  if (status >= 300) throw new Error(`a change was answered with ${status}`)
}

/** The same routes as files. */
async function writeDefinitions(dir: string, target: string): Promise<string> {
  const definitions = join(dir, 'definitions')
  await mkdir(join(definitions, 'api'), { recursive: true })
  for (let at = 0; at < WRITERS; at++) {
    const name = `route-${at}`
    const one = { kind: 'Api', name, spec: spec(target, at), revision: 1, createdRevision: 1 }
    await writeFile(join(definitions, 'api', `${name}.json`), JSON.stringify(one))
  }
  return definitions
}

function report(phases: {
  readonly changes: number
  readonly before: readonly Round[]
  readonly during: Slice & { readonly failures: number }
  readonly after: readonly Round[]
  readonly memory: { readonly before: number; readonly after: number }
}): void {
  const { changes, before, during, after, memory } = phases
  const middle = (list: readonly Round[], of: (round: Round) => number) =>
    percentile(list.map(of), 0.5)
  const perSecond = ({ changed, still }: Round) => changed.perSecond / still.perSecond
  const cpu = ({ changed, still }: Round) => changed.cpuUs / still.cpuUs
  printFigure({
    bench: 'swaps',
    figure: `requests/s around ${changes} changes`,
    before: middle(before, (round) => round.changed.perSecond),
    during: during.perSecond,
    after: middle(after, (round) => round.changed.perSecond),
    'of the other gateway, before': middle(before, perSecond),
    'of the other gateway, after': middle(after, perSecond),
    ratio: middle(after, perSecond) / middle(before, perSecond),
    'failed requests': during.failures,
  })
  printFigure({
    bench: 'swaps',
    figure: 'processor time of the gateway a request, µs',
    before: middle(before, (round) => round.changed.cpuUs),
    during: during.cpuUs,
    after: middle(after, (round) => round.changed.cpuUs),
    'of the other gateway, before': middle(before, cpu),
    'of the other gateway, after': middle(after, cpu),
    ratio: middle(before, cpu) / middle(after, cpu),
  })
  printFigure({
    bench: 'swaps',
    figure: 'resident memory of the gateway, MB',
    before: memory.before,
    after: memory.after,
    ratio: memory.after / memory.before,
  })
}
