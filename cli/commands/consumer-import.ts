import { IMPORT_ROWS_MAX } from '../../shared/limits.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { readInputs } from '../documents/read-files.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { InvalidInput, UsageError } from '../failures.ts'
import { planImport } from '../import/import.ts'
import { KeyFile } from '../import/key-file.ts'
import { readRows, type Row, type RowIssue } from '../import/rows.ts'
import { sendRows, type Write } from '../import/send.ts'
import { printJson } from '../output.ts'
import { reportRollout, WAIT_OPTIONS, type WaitArguments } from '../rollout.ts'

const PROGRESS_MS = 1_000
/** Issues of nodes that are said one by one. */
const SAID_MAX = 1_000

/** `raftway consumer import`. */
export const IMPORT = defineCommand({
  usage: 'consumer import',
  summary: 'Make or change many consumers, from CSV or from JSON lines',
  examples: [
    ['raftway consumer import -f all.csv --keys plain', 'With the keys that they have'],
    ['raftway consumer import -f all.csv --keys generate --out keys.csv', 'With new keys'],
    ['raftway consumer import -f all.csv --dry-run', 'Check everything, change nothing'],
  ],
  positionals: {},
  options: {
    file: {
      type: 'string',
      alias: 'f',
      required: true,
      describe: 'a file, or - for standard input',
    },
    format: {
      type: 'string',
      choices: ['csv', 'ndjson'],
      describe: 'default by the name of the file; csv for standard input',
    },
    keys: {
      type: 'string',
      choices: ['hashed', 'plain', 'generate'],
      default: 'hashed',
      describe: 'the column "key" holds hashes, or keys (hashed here); or make keys, into --out',
    },
    out: {
      type: 'string',
      describe: 'where keys go that are made; an earlier file is gone on with',
    },
    'dry-run': { type: 'boolean', describe: 'check everything, change nothing' },
    message: { type: 'string', alias: 'm', default: 'import', describe: 'why, for the history' },
    ...WAIT_OPTIONS,
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    if ((args.keys === 'generate') !== (args.out !== undefined))
      throw new UsageError('--keys generate and --out FILE go together')
    const [input] = await readInputs([args.file], terminal.stdin)
    if (input === undefined) throw new UsageError(`${args.file} is no file`)
    const format = args.format ?? (/\.(nd)?jsonl?$/i.test(args.file) ? 'ndjson' : 'csv')
    const { rows, issues } = readRows(input.text, format, args.keys)
    if (issues.length > 0) throw new InvalidInput(issues.map((issue) => placed(issue, input.file)))
    if (rows.length > IMPORT_ROWS_MAX)
      throw new UsageError(`${rows.length} rows are more than ${IMPORT_ROWS_MAX} (IMPORT_ROWS_MAX)`)
    const keyFile = args.out === undefined ? null : await KeyFile.open(args.out)
    return withClient(args, terminal, (client) =>
      importRows({ client, terminal }, rows, { ...args, keyFile, file: input.file }),
    )
  },
})

type ImportArguments = WaitArguments & {
  readonly keyFile: KeyFile | null
  readonly file: string
  readonly message: string
  readonly 'dry-run': boolean | undefined
  readonly output: 'text' | 'json'
}

async function importRows(
  context: { readonly client: ControlClient; readonly terminal: Terminal },
  rows: readonly Row[],
  args: ImportArguments,
): Promise<ExitCode> {
  const { terminal } = context
  const isDry = args['dry-run'] === true
  const startMs = performance.now()
  const { keyFile } = args
  const { merged, made } = await planImport(context.client, rows, { keyFile, nowMs: Date.now() })
  if (!isDry) await keyFile?.add(made)
  const writes = merged.filter((each) => each.merged.change !== 'unchanged')
  const progress = new Progress(terminal, writes.length)
  const sent = await sendRows(context, writes, {
    isDry,
    message: args.message,
    args,
    onDone: (count) => progress.done(count),
  })
  const count = countOf(sent.written)
  const report = {
    rows: rows.length,
    created: count('created'),
    changed: count('changed'),
    unchanged: merged.length - writes.length,
    failed: sent.issues.length,
    keysMade: made.length,
    dryRun: isDry,
  }
  for (const issue of sent.issues.slice(0, SAID_MAX)) {
    const { place, path, message } = placed(issue, args.file)
    terminal.say([place, path, message].filter((part) => part !== '').join(': '))
  }
  if (sent.issues.length > SAID_MAX)
    terminal.say(`… and ${sent.issues.length - SAID_MAX} rows more; -o json has all`)
  if (args.output === 'json') printJson(terminal, { ...report, issues: sent.issues })
  else terminal.out(`${reportText(report)}\n`)
  terminal.say(`in ${((performance.now() - startMs) / 1_000).toFixed(1)} s`)
  const rollout = reportRollout(sent.answer?.rollout, terminal)
  return sent.issues.length > 0 ? EXIT.invalid : rollout
}

function countOf(written: readonly Write[]): (change: string) => number {
  return (change) => written.filter(({ merged }) => merged.change === change).length
}

function reportText(report: {
  readonly rows: number
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  readonly failed: number
  readonly dryRun: boolean
}): string {
  const { rows, created, changed, unchanged, failed, dryRun } = report
  const counts = [
    `${created} created`,
    `${changed} changed`,
    `${unchanged} unchanged`,
    ...(failed === 0 ? [] : [`${failed} refused`]),
  ]
  return `${rows} rows: ${counts.join(', ')}${dryRun ? ' (dry run)' : ''}`
}

function placed(issue: RowIssue, file: string): RowIssue & { readonly place: string } {
  return { ...issue, place: `${file}:${issue.line}` }
}

/** Says now and then how far an import is. */
class Progress {
  readonly #terminal: Terminal
  readonly #total: number
  readonly #startMs = performance.now()
  #done = 0
  #saidMs = this.#startMs

  constructor(terminal: Terminal, total: number) {
    this.#terminal = terminal
    this.#total = total
  }

  done(count: number): void {
    this.#done += count
    const nowMs = performance.now()
    if (nowMs - this.#saidMs < PROGRESS_MS) return
    this.#saidMs = nowMs
    const rate = Math.round((this.#done * 1_000) / (nowMs - this.#startMs))
    this.#terminal.say(`${this.#done} of ${this.#total} rows, ${rate} a second`)
  }
}
