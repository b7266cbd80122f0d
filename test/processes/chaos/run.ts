import { createWriteStream } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Random } from '../../../shared/random.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'
import { HistoryRecorder } from '../../checkers/history.ts'
import { call, filesBelow, until } from '../processes.ts'
import { Clients } from './clients.ts'
import { CLOCK_NEMESES, LONG_NEMESES, NEMESES, type Field, type Nemesis } from './nemeses.ts'
import { faketimeLibrary } from './fake-clock.ts'
import { Nodes } from './nodes.ts'
import { problemsOf } from './verdict.ts'
import { readLog, Watchers } from './watchers.ts'
import { writableGaps, type Mark } from './writable.ts'

export type ChaosOptions = {
  readonly nodes: number
  readonly seed: number
  /** For how long nemeses follow one another. Milliseconds. */
  readonly forMs: number
  /** By name; each comes as often as any other. */
  readonly nemeses: Readonly<Record<string, Nemesis>>
  /** Where every event of the history goes, one a line. */
  readonly historyFile?: string | undefined
  readonly dataDirs?: Readonly<Record<string, string>>
  /** Further options of every node. */
  readonly args?: readonly string[]
  /** Where the last that every node wrote to its log goes, one file a node. */
  readonly logsDir?: string | undefined
  /** Says what is going on. */
  readonly say: (line: string) => void
}

export type ChaosReport = {
  readonly seed: number
  /** Everything that was wrong, in words. */
  readonly problems: readonly string[]
  readonly revision: number
  readonly calls: number
  readonly acknowledged: number
  readonly uncertain: number
  readonly gapsMs: ReadonlyMap<string, readonly number[]>
}

const CLIENTS = 10
const KEYS = 6
const WATCHERS = 4
/** Enough to keep every node busy, few enough to check: the history of a minute has some ten thousand calls. */
const CLIENT_PAUSE_MS = 40
/** With everything healed, this is how soon the cluster must be of use again. */
const RECOVERY_MS_MAX = 60_000

/** Every nemesis that this machine has the means for. */
export function availableNemeses(): Readonly<Record<string, Nemesis>> {
  return { ...NEMESES, ...LONG_NEMESES, ...(faketimeLibrary() === null ? {} : CLOCK_NEMESES) }
}

/**
 * Forms a cluster, lets clients and watchers use it while one nemesis after another does its harm, heals everything,
 * and checks what everybody was told against what the nodes have in the end. Ends everything that it started.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const file = options.historyFile === undefined ? null : createWriteStream(options.historyFile)
  const { seed, dataDirs = {}, args = [] } = options
  const nodes = await Nodes.form({ count: options.nodes, seed, dataDirs, args })
  try {
    return await underLoad(nodes, options, (line) => file?.write(`${line}\n`))
  } finally {
    await nodes.close()
    if (options.logsDir !== undefined) await keepLogs(nodes, options.logsDir)
    if (file !== null) await finished(file.end())
  }
}

async function underLoad(
  nodes: Nodes,
  options: ChaosOptions,
  onLine: (line: string) => void,
): Promise<ChaosReport> {
  const { seed, say } = options
  const recorder = new HistoryRecorder(() => performance.now(), onLine)
  const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`)
  const { places } = nodes
  const clients = new Clients({
    places,
    count: CLIENTS,
    keys,
    seed,
    recorder,
    pauseMs: CLIENT_PAUSE_MS,
  })
  const watchers = new Watchers({ places, count: WATCHERS, seed })
  const marks: Mark[] = []
  const problems: string[] = []
  try {
    await harm(nodes, options, marks).catch((error: unknown) => problems.push(String(error)))
    await nodes.heal()
    say('healed')
    const before = clients.acknowledgedMs.length
    await until(
      'writes after all is healed',
      () => clients.acknowledgedMs.length > before + 50 || null,
      RECOVERY_MS_MAX,
    )
    await clients.stop()
    const { revision } = await nodes.converged(RECOVERY_MS_MAX)
    await until('watchers', () => watchers.revision >= revision || null, RECOVERY_MS_MAX)
    await watchers.stop()
    problems.push(...(await strayFiles(nodes, revision)))
    const logs = await byNode(nodes, (url) => readLog(url, revision))
    const configs = await byNode(nodes, readConfig)
    problems.push(...clients.problems)
    problems.push(
      ...problemsOf({ history: recorder.history, watches: watchers.events, logs, configs }),
    )
    return {
      seed,
      problems,
      revision,
      calls: recorder.history.filter(({ type }) => type === 'invoke').length,
      acknowledged: clients.acknowledgedMs.length,
      uncertain: recorder.history.filter(({ type }) => type === 'info').length,
      gapsMs: writableGaps(clients.acknowledgedMs, marks),
    }
  } catch (error) {
    // Without an end to compare with there is no verdict, but what is known so far is told.
    throw new Error(
      `${[...problems, ...clients.problems].join('\n')}\n${String(error)}\n${nodes.tails}`,
      { cause: error },
    )
  } finally {
    await Promise.all([clients.stop(), watchers.stop()])
  }
}

/** One nemesis after another, with a calm between them, until the time is over. */
async function harm(
  nodes: Nodes,
  { seed, forMs, nemeses, say }: ChaosOptions,
  marks: Mark[],
): Promise<void> {
  const random = new Random(seed)
  const field: Field = {
    nodes,
    random,
    pause: (ms) => sleep(ms),
    mark: (name) => marks.push({ name, atMs: performance.now() }),
  }
  const names = Object.keys(nemeses)
  const startMs = performance.now()
  while (performance.now() - startMs < forMs) {
    await sleep(300 + random.below(900))
    const name = names[random.below(names.length)] ?? ''
    say(`${((performance.now() - startMs) / 1_000).toFixed(1)} s: ${name}`)
    try {
      await nemeses[name]?.(field)
    } catch (cause) {
      throw new Error(`${name}: ${String(cause)}`, { cause })
    }
  }
}

async function keepLogs(nodes: Nodes, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  for (const { name, process } of nodes.all) {
    await writeFile(join(dir, `${name}.log`), process.output)
  }
}

async function byNode<T>(
  nodes: Nodes,
  read: (url: string) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  return new Map(
    await Promise.all(nodes.places.map(async ({ name, url }) => [name, await read(url)] as const)),
  )
}

/** The definition files of every node follow its state, so that in the end they are the same ones. */
async function strayFiles(nodes: Nodes, revision: number): Promise<string[]> {
  const trees = await Promise.all(
    nodes.all.map(({ name, process: { dataDir } }) =>
      until(
        `the definition files of ${name} are at revision ${revision}`,
        async () => {
          // The revision is written last: only what is read after it belongs to it.
          const dir = join(dataDir, 'definitions')
          const written = await readFile(join(dir, 'REVISION'), 'utf8')
          return written.trim() === String(revision) ? filesBelow(dir) : null
        },
        RECOVERY_MS_MAX,
      ),
    ),
  )
  return nodes.all
    .filter((_, i) => !isDeepStrictEqual(trees[i], trees[0]))
    .map(({ name }) => `the definition files of ${name} differ from those of ${nodes.names[0]}`)
}

async function readConfig(url: string): Promise<readonly Definition[]> {
  const { status, body } = await call(`${url}/v1/config?consistency=stale`)
  if (status !== 200) throw new Error(`${url} does not give its config: ${status}`)
  return body['definitions'] as readonly Definition[]
}
