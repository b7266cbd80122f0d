// npm run mutants -- [--only NAME]... [--random N [--seed S]] [--suite FILE]... [--jobs J] [--within SECONDS] [--list]
//
// Puts one deliberate fault at a time into a copy of the tree and requires that a test fails, by its name: a fault that
// no test notices is a hole in the proof. Exit codes: 0 every mutant was noticed, 1 one was not (or the tests fail
// without any), 2 usage. `--within` begins no further mutant after that time, and says which were left out.
// `--suite` asks other test files than those of the catalogue: whether the simulation alone notices, say.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../../shared/random.ts'
import { MUTANTS } from './catalogue.ts'
import type { Mutant } from './mutant.ts'
import { Workspace } from './workspace.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** For the tests of one mutant in one suite; a suite takes some seconds. */
const SUITE_MS_MAX = 240_000

type Row = {
  readonly mutant: string
  readonly isKilled: boolean
  readonly by: string
  readonly seconds: number
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'string') {
    console.error(options)
    return 2
  }
  const rotten = MUTANTS.flatMap(textFault)
  for (const fault of rotten) console.error(fault)
  if (rotten.length > 0) return 1
  if (options.isListing) {
    for (const { name, fatal } of MUTANTS) console.log(`${name}: ${fatal}`)
    return 0
  }
  return gate(options)
}

type Options = {
  readonly chosen: readonly Mutant[]
  readonly jobs: number
  readonly withinMs: number
  readonly isListing: boolean
}

function readOptions(): Options | string {
  let values
  try {
    values = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        random: { type: 'string' },
        seed: { type: 'string' },
        jobs: { type: 'string', default: '1' },
        within: { type: 'string' },
        suite: { type: 'string', multiple: true },
        list: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    return String(error)
  }
  const unknown = values.only?.find((name) => !MUTANTS.some((mutant) => mutant.name === name))
  if (unknown !== undefined) return `there is no mutant ${unknown}; --list names them`
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const count = Number(values.random ?? MUTANTS.length)
  const jobs = Number(values.jobs)
  const within = Number(values.within ?? Infinity)
  if (![seed, count, jobs].every(Number.isSafeInteger) || jobs < 1 || Number.isNaN(within)) {
    return '--random, --seed, --jobs and --within take numbers'
  }
  let chosen = MUTANTS.filter(({ name }) => values.only?.includes(name) ?? true)
  if (values.random !== undefined) {
    console.log(`seed ${seed}`)
    chosen = choose(chosen, count, new Random(seed))
  }
  const { suite: suites } = values
  if (suites !== undefined) chosen = chosen.map((mutant) => ({ ...mutant, suites }))
  return { chosen, jobs, withinMs: within * 1_000, isListing: values.list }
}

function choose(mutants: readonly Mutant[], count: number, random: Random): Mutant[] {
  const left = [...mutants]
  const chosen: Mutant[] = []
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(random.below(left.length), 1))
  }
  return chosen
}

/** A mutant whose text is gone or stands twice would pass or fail for no reason. */
function textFault({ name, file, text, replacement }: Mutant): string[] {
  const found = readFileSync(join(ROOT, file), 'utf8').split(text).length - 1
  if (found !== 1) return [`${name}: its text stands ${found} times in ${file}, not once`]
  return text === replacement ? [`${name} changes nothing`] : []
}

async function gate({ chosen, jobs, withinMs }: Options): Promise<number> {
  const begun = performance.now()
  const workspaces = await Promise.all(
    Array.from({ length: Math.min(jobs, chosen.length) }, () => Workspace.make(ROOT)),
  )
  try {
    const fault = await baselineFault(workspaces[0], chosen)
    if (fault !== null) {
      console.error(fault)
      return 1
    }
    const queue = [...chosen]
    const rows: Row[] = []
    const work = async (workspace: Workspace) => {
      while (performance.now() - begun < withinMs) {
        const mutant = queue.shift()
        if (mutant === undefined) return
        const row = await tryMutant(workspace, mutant)
        rows.push(row)
        console.log(`${row.isKilled ? 'killed  ' : 'SURVIVED'} ${row.mutant} (${row.seconds} s)`)
      }
    }
    await Promise.all(workspaces.map(work))
    printTable(rows)
    if (queue.length > 0) {
      console.log(`no time for: ${queue.map(({ name }) => name).join(', ')}`)
    }
    return rows.length > 0 && rows.every(({ isKilled }) => isKilled) ? 0 : 1
  } finally {
    await Promise.all(workspaces.map((workspace) => workspace.remove()))
  }
}

/** Without a mutant everything must pass, and every suite must have tests: otherwise a failure proves nothing. */
async function baselineFault(
  workspace: Workspace | undefined,
  chosen: readonly Mutant[],
): Promise<string | null> {
  if (workspace === undefined) return 'no mutant was chosen'
  const suites = [...new Set(chosen.flatMap((mutant) => mutant.suites))]
  const outcome = await workspace.test(suites, suites.length * SUITE_MS_MAX)
  if (outcome.type === 'failed') return `without any mutant fails: ${outcome.test}`
  if (outcome.type === 'broken') return `without any mutant: ${outcome.why}`
  const empty = suites.filter((suite) => !outcome.files.has(suite))
  return empty.length === 0 ? null : `no test ran in ${empty.join(', ')}`
}

async function tryMutant(workspace: Workspace, mutant: Mutant): Promise<Row> {
  const begun = performance.now()
  const heal = await workspace.infect(mutant)
  let isKilled = false
  let by = `nothing: ${mutant.fatal}`
  try {
    for (const suite of mutant.suites) {
      const outcome = await workspace.test([suite], SUITE_MS_MAX)
      if (outcome.type === 'passed') continue
      isKilled = outcome.type === 'failed'
      by = outcome.type === 'failed' ? outcome.test : `broken in ${suite}: ${outcome.why}`
      break
    }
  } finally {
    await heal()
  }
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  return { mutant: mutant.name, isKilled, by, seconds }
}

function printTable(rows: readonly Row[]): void {
  const width = Math.max(6, ...rows.map(({ mutant }) => mutant.length))
  console.log(`\n${'mutant'.padEnd(width)}  seconds  killed by`)
  for (const { mutant, isKilled, by, seconds } of rows) {
    const how = isKilled ? by : `SURVIVED  ${by}`
    console.log(`${mutant.padEnd(width)}  ${seconds.toFixed(1).padStart(7)}  ${how}`)
  }
  const killed = rows.filter(({ isKilled }) => isKilled).length
  console.log(`${killed} of ${rows.length} mutants were killed`)
}
