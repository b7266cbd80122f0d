import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { DEV_GATEWAYS_MAX, DEV_NODES_MAX } from '../../shared/limits.ts'
import { CommandFailure, UsageError } from '../failures.ts'
import { EXIT } from '../exit-codes.ts'
import { findFreePorts, isPortFree } from './ports.ts'

const port = z.int().min(1).max(65_535)

const planSchema = z.strictObject({
  /** Nodes that formed the cluster; later ones joined it. */
  expect: z.int().min(1),
  nodes: z.array(z.strictObject({ name: z.string(), api: port, peer: port })).min(1),
  gateways: z.array(z.strictObject({ name: z.string(), http: port, status: port })),
  target: port,
})

/** Which processes `raftway dev` runs, and on which loopback ports. Kept with the data: nodes remember addresses. */
export type DevPlan = z.infer<typeof planSchema>

/** What the command line asks for; null: as the data has it, or the default. */
export type DevRequest = {
  readonly dataDir: string
  readonly nodes: number | null
  readonly gateways: number | null
  readonly ports: 'default' | 'auto'
}

const NODES_DEFAULT = 3
const GATEWAYS_DEFAULT = 1
const PLAN_FILE = 'dev.json'

/**
 * The plan of the last run on this data, extended if more is asked for, or a new one. `isFresh` says which. Throws
 * UsageError for what cannot be had, and a failure that names the option when a port is taken.
 */
export async function makePlan(
  request: DevRequest,
): Promise<{ readonly plan: DevPlan; readonly isFresh: boolean }> {
  checkCount('--nodes', request.nodes, [1, DEV_NODES_MAX])
  checkCount('--gateways', request.gateways, [0, DEV_GATEWAYS_MAX])
  const saved = await readPlan(request.dataDir)
  const nodes = request.nodes ?? saved?.nodes.length ?? NODES_DEFAULT
  const gateways = request.gateways ?? saved?.gateways.length ?? GATEWAYS_DEFAULT
  if (saved !== null && nodes < saved.nodes.length) {
    throw new UsageError(
      `${request.dataDir} holds a cluster of ${saved.nodes.length} nodes; remove nodes with ` +
        '"raftway cluster remove", or begin anew with --reset',
    )
  }
  const ports = await portsFor(request.ports, { nodes, gateways }, saved)
  const plan: DevPlan = {
    expect: saved?.expect ?? nodes,
    nodes: Array.from({ length: nodes }, (_, at) => saved?.nodes[at] ?? ports.node(at)),
    gateways: Array.from({ length: gateways }, (_, at) => saved?.gateways[at] ?? ports.gateway(at)),
    target: saved?.target ?? ports.target,
  }
  await checkPorts(plan, saved !== null)
  await mkdir(request.dataDir, { recursive: true })
  const file = join(request.dataDir, PLAN_FILE)
  await writeFile(`${file}.tmp`, `${JSON.stringify(plan, null, 2)}\n`)
  await rename(`${file}.tmp`, file)
  return { plan, isFresh: saved === null }
}

/** Throws away what an earlier run left. Refuses a folder that no earlier run has made (exit 1). */
export async function resetData(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((): string[] => [])
  if (names.length === 0) return
  if (!names.includes(PLAN_FILE)) {
    const reason = `${dataDir} was not made by "raftway dev": it has no ${PLAN_FILE}; delete it yourself`
    throw new CommandFailure(EXIT.error, reason)
  }
  await rm(dataDir, { recursive: true, force: true })
}

async function readPlan(dataDir: string): Promise<DevPlan | null> {
  const file = join(dataDir, PLAN_FILE)
  const text = await readFile(file, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return planSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new CommandFailure(EXIT.error, `${file} is damaged; begin anew with --reset`, error)
  }
}

function checkCount(
  option: string,
  count: number | null,
  [min, max]: readonly [number, number],
): void {
  if (count === null || (count >= min && count <= max)) return
  throw new UsageError(`${option} must be ${min} to ${max}`)
}

type PortSource = {
  node(at: number): DevPlan['nodes'][number]
  gateway(at: number): DevPlan['gateways'][number]
  readonly target: number
}

/** New processes get ports in the manner of the first run, so that a copied command keeps working. */
async function portsFor(
  manner: DevRequest['ports'],
  counts: { readonly nodes: number; readonly gateways: number },
  saved: DevPlan | null,
): Promise<PortSource> {
  const node = (at: number, api: number, peer: number) => ({ name: `n${at + 1}`, api, peer })
  const gateway = (at: number, http: number, status: number) => ({
    name: `gw${at + 1}`,
    http,
    status,
  })
  const isDefault = saved === null ? manner === 'default' : saved.nodes[0]?.api === 7400
  if (isDefault) {
    return {
      node: (at) => node(at, 7400 + 10 * at, 7401 + 10 * at),
      gateway: (at) => gateway(at, 8080 + 10 * at, 8081 + 10 * at),
      target: 9000,
    }
  }
  const free = await findFreePorts(2 * counts.nodes + 2 * counts.gateways + 1)
  const take = (): number => free.pop() ?? 0
  return {
    node: (at) => node(at, take(), take()),
    gateway: (at) => gateway(at, take(), take()),
    target: take(),
  }
}

async function checkPorts(plan: DevPlan, isSaved: boolean): Promise<void> {
  const wanted = [
    ...plan.nodes.flatMap(({ name, api, peer }) => [
      { port: api, use: `--api of ${name}` },
      { port: peer, use: `--peer of ${name}` },
    ]),
    ...plan.gateways.flatMap(({ name, http, status }) => [
      { port: http, use: `--http of ${name}` },
      { port: status, use: `--status of ${name}` },
    ]),
    { port: plan.target, use: 'the sample target' },
  ]
  const free = await Promise.all(wanted.map(({ port: each }) => isPortFree('127.0.0.1', each)))
  const taken = wanted.filter((_, at) => free[at] !== true)
  if (taken.length === 0) return
  const list = taken.map(({ port: each, use }) => `  port ${each}, wanted for ${use}`).join('\n')
  const way = isSaved
    ? 'The data remembers these ports. Stop what uses them, or begin anew on free ones with\n  --reset --ports auto'
    : 'Stop what uses them, or take free ports with\n  --ports auto'
  throw new CommandFailure(EXIT.error, `Somebody else listens on:\n${list}\n${way}`)
}
