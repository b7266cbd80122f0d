// npm run chaos -- [--nodes 3|5] [--minutes N] [--seed S] [--history FILE] [--nemesis a,b] [--logs DIR]: a long run of
// what chaos.test.ts does for a minute. Exit codes: 0 nothing was wrong, 1 something was, 2 usage.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { Nemesis } from './nemeses.ts'
import { availableNemeses, runChaos, type ChaosReport } from './run.ts'
import { percentile } from './writable.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    history: { type: 'string' },
    nemesis: { type: 'string' },
    logs: { type: 'string' },
  },
})
const seed = Number(values.seed ?? randomInt(2 ** 31))
const all = availableNemeses()
const wanted = values.nemesis?.split(',') ?? Object.keys(all)
const unknown = wanted.filter((name) => !Object.hasOwn(all, name))
const numbers = [seed, Number(values.nodes), Number(values.minutes)]

if (unknown.length > 0 || numbers.some((number) => !(number >= 0))) {
  console.error(`usage: npm run chaos -- [--nodes 3|5] [--minutes N] [--seed S] [--history FILE]
       [--logs DIR] [--nemesis a,b], of: ${Object.keys(all).join(', ')}`)
  process.exitCode = 2
} else {
  // The nodes are ended when this process exits, however it comes to that.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  console.log(`seed ${seed}`)
  const report = await runChaos({
    nodes: Number(values.nodes),
    seed,
    forMs: Number(values.minutes) * 60_000,
    nemeses: Object.fromEntries(wanted.map((name) => [name, all[name] as Nemesis])),
    historyFile: values.history,
    logsDir: values.logs,
    say: (line) => console.log(line),
  })
  tell(report)
  process.exitCode = report.problems.length === 0 ? 0 : 1
}

function tell({ problems, gapsMs, ...figures }: ChaosReport): void {
  console.log(JSON.stringify(figures))
  for (const [name, gaps] of gapsMs) {
    const [p50, p99, most] = [0.5, 0.99, 1].map((p) => Math.round(percentile(gaps, p)))
    console.log(
      `no write after ${name}, ms: p50 ${p50}, p99 ${p99}, longest ${most}, of ${gaps.length}`,
    )
  }
  for (const problem of problems) console.error(problem)
  console.log(problems.length === 0 ? 'nothing was wrong' : `${problems.length} problems`)
}
