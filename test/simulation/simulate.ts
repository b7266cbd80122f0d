// npm run simulate -- SEED [--trace FILE] [--history FILE]
//                                              replays one seed, with a readable trace; what clients asked and were told
//                                              goes to the history file, one JSON operation a line
// npm run simulate -- --seeds N [--from SEED]  runs N seeds one after another
// npm run simulate -- --minutes N [--from SEED]
//
// Exit codes: 0 nothing is wrong, 1 a seed failed, 2 usage.
import { createWriteStream } from 'node:fs'
import { parseArgs } from 'node:util'
import { simulate, type Outcome } from './simulation.ts'

const USAGE =
  'usage: npm run simulate -- SEED [--trace FILE] [--history FILE] | --seeds N | --minutes N [--from SEED]'

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      trace: { type: 'string' },
      history: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      from: { type: 'string' },
    },
  })
  const [seed, ...more] = positionals.map(number)
  if (more.length > 0) throw new TypeError('one seed at a time')
  if (seed !== undefined) await replay(seed, values)
  else if (values.seeds !== undefined || values.minutes !== undefined) {
    const seeds = values.seeds === undefined ? Infinity : number(values.seeds)
    const minutes = values.minutes === undefined ? Infinity : number(values.minutes)
    await runMany({ seeds, minutes, from: number(values.from ?? '1') })
  } else throw new TypeError('nothing to run')
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  console.error(`${error.message}\n${USAGE}`)
  process.exitCode = 2
}

async function replay(
  seed: number,
  files: { readonly trace?: string | undefined; readonly history?: string | undefined },
): Promise<void> {
  const trace = files.trace === undefined ? process.stdout : createWriteStream(files.trace)
  const history = files.history === undefined ? null : createWriteStream(files.history)
  const outcome = await simulate(seed, {
    onLine: (line) => trace.write(line),
    onOperation: (line) => history?.write(`${line}\n`),
  })
  if (trace !== process.stdout) trace.end()
  history?.end()
  report(outcome)
}

async function runMany(options: {
  readonly seeds: number
  readonly minutes: number
  readonly from: number
}): Promise<void> {
  const startMs = performance.now()
  let runs = 0
  let failures = 0
  for (let seed = options.from; runs < options.seeds; seed++) {
    if (performance.now() - startMs >= options.minutes * 60_000) break
    const outcome = await simulate(seed)
    runs++
    if (outcome.failure !== null) {
      failures++
      report(outcome)
    }
  }
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1)
  console.log(`${runs} seeds from ${options.from} in ${seconds} s: ${failures} failed`)
  if (failures > 0) process.exitCode = 1
}

function report(outcome: Outcome): void {
  const { seed, profile, failure, digest, steps, revisions, calls, watchLines } = outcome
  console.log(
    `seed ${seed} (${profile}): ${failure === null ? 'nothing is wrong' : 'FAILED'}, trace ${digest}, ` +
      `${steps} steps, ${revisions} revisions, ${calls} events of clients, ${watchLines} lines of watches`,
  )
  if (failure === null) return
  console.log(`${failure}\nreplay: npm run simulate -- ${seed}`)
  process.exitCode = 1
}

function number(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new TypeError(`${text} is not a number`)
  return value
}
