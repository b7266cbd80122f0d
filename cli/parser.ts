import yargs, { type Argv, type Options } from 'yargs'
import { suggest } from '../shared/suggest.ts'
import type { Command, OptionSpec, Terminal } from './command.ts'
import { UsageError } from './failures.ts'

/** What a command line asks for. */
export type Asked =
  | {
      readonly type: 'run'
      readonly command: Command
      readonly args: Readonly<Record<string, unknown>>
    }
  | { readonly type: 'print'; readonly text: string }

/** Every command, and the summaries of the words that only group others (`cluster`). */
export type CommandTree = {
  readonly commands: readonly Command[]
  readonly groups: Readonly<Record<string, string>>
  readonly version: string
}

type Line = { readonly argv: readonly string[]; readonly env: Terminal['env'] }
type Choose = (command: Command, given: Readonly<Record<string, unknown>>) => void

/**
 * Reads a command line (without node and script). RAFTWAY_<NAME> in `env` stand in for options that are not given.
 * Throws UsageError, with a guess at what was meant.
 */
export async function parseArguments(line: Line, tree: CommandTree): Promise<Asked> {
  const argv = joinValues(line.argv, tree.commands)
  // What to run is noted down, so that nothing runs inside the parser.
  const chosen: { asked: Asked | null } = { asked: null }
  const parser = rootParser(tree, argv)
  addCommands(parser, { tree, group: null, env: line.env }, (command, given) => {
    chosen.asked = { type: 'run', command, args: checkedArguments(command, given) }
  })
  const printed: string[] = []
  await parser.parseAsync(argv, {}, (_error, _given, output) => {
    if (output !== '') printed.push(output)
  })
  return chosen.asked ?? { type: 'print', text: `${printed.join('\n')}\n` }
}

function rootParser(tree: CommandTree, argv: readonly string[]): Argv {
  return yargs()
    .scriptName('raftway')
    .usage('$0 <command>\n\nAn API gateway fleet that configures itself.')
    .locale('en')
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'boolean-negation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'greedy-arrays': false,
    })
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error instanceof UsageError) throw error
      throw new UsageError(explainRefusal(message ?? error?.message ?? '', argv, tree))
    })
    .strict()
    .help()
    .alias('help', 'h')
    .version(tree.version)
    .wrap(100)
    .example('raftway dev', 'A whole cluster, a gateway and a target on this machine')
    .example('raftway apply -f petstore.yaml --wait', 'Push definitions, and see them served')
    .epilogue(
      'Every option can be given as RAFTWAY_<OPTION>. More: raftway <command> --help\n' +
        'Exit codes: 0 ok, 1 error, 2 usage, 3 differences found, 4 conflict, 5 not found, ' +
        '6 no leader or timeout, 7 denied, 8 invalid',
    )
    .demandCommand(1, 'name a command')
}

type Level = {
  readonly tree: CommandTree
  readonly group: string | null
  readonly env: Terminal['env']
}

/** Adds what stands at one level: the commands of a group, or the top with its groups, in the tree's order. */
function addCommands(parser: Argv, level: Level, choose: Choose): void {
  const added = new Set<string>()
  for (const command of level.tree.commands) {
    const words = command.path.split(' ')
    const group = words.length > 1 ? (words[0] ?? '') : null
    if (group === level.group) {
      addCommand(parser, command, level.env, choose)
    } else if (level.group === null && group !== null && !added.has(group)) {
      added.add(group)
      addGroup(parser, { ...level, group }, choose)
    }
  }
}

function addGroup(parser: Argv, level: Level & { readonly group: string }, choose: Choose): void {
  parser.command(level.group, level.tree.groups[level.group] ?? '', (inner) => {
    addCommands(inner, level, choose)
    const first = level.tree.commands.find((command) => command.path.startsWith(`${level.group} `))
    if (first !== undefined) inner.example(...first.examples[0])
    return inner.demandCommand(1, `say what of "${level.group}"`)
  })
}

function addCommand(parser: Argv, command: Command, env: Terminal['env'], choose: Choose): void {
  const depth = command.path.split(' ').length
  const usage = command.usage
    .split(' ')
    .slice(depth - 1)
    .join(' ')
  parser.command(
    usage,
    command.summary,
    (inner) => {
      for (const [name, spec] of Object.entries(command.positionals)) {
        inner.positional(name, { type: 'string', describe: spec.describe })
      }
      for (const [name, spec] of Object.entries(command.options)) inner.option(name, forYargs(spec))
      return inner
        .config(fromEnvironment(command, env))
        .example(command.examples.map(([line, what]): [string, string] => [line, what]))
    },
    (given) => {
      const unexpected = given._[depth]
      if (unexpected !== undefined) throw new UsageError(`unexpected argument "${unexpected}"`)
      choose(command, given)
    },
  )
}

function forYargs(spec: OptionSpec): Options {
  return {
    describe: spec.describe,
    type: spec.type === 'list' ? 'string' : spec.type,
    ...(spec.type === 'list' ? { array: true } : {}),
    ...(spec.type === 'boolean' ? {} : { requiresArg: true }),
    ...(spec.alias === undefined ? {} : { alias: spec.alias }),
    ...(spec.default === undefined ? {} : { default: spec.default }),
    ...(spec.choices === undefined ? {} : { choices: spec.choices }),
    ...(spec.required === true ? { demandOption: true } : {}),
  }
}

/** The options of one command that the environment gives: RAFTWAY_DATA_DIR for `--data-dir`. Empty ones are none. */
function fromEnvironment(command: Command, env: Terminal['env']): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(command.options)) {
    const value = env[`RAFTWAY_${name.replaceAll('-', '_').toUpperCase()}`]
    if (value === undefined || value === '') continue
    found[name] = spec.type === 'list' ? value.split(',') : value
  }
  return found
}

/** The parser's loose result, held against the specs: nothing twice, numbers that are numbers. */
function checkedArguments(
  command: Command,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const args: Record<string, unknown> = {}
  for (const name of Object.keys(command.positionals)) args[name] = given[name]
  for (const [name, spec] of Object.entries(command.options)) {
    const value = given[name]
    if (value === undefined) continue
    if (Array.isArray(value) && spec.type !== 'list') {
      throw new UsageError(`--${name} is given more than once`)
    }
    if (spec.type === 'number' && !Number.isSafeInteger(value)) {
      throw new UsageError(`--${name} must be a whole number`)
    }
    args[name] = value
  }
  return args
}

/**
 * Joins a value to its option, so that values such as `-` (standard input) stay values: `-f -` → `--file=-`.
 * A word that begins with two dashes is never taken for a value.
 */
function joinValues(argv: readonly string[], commands: readonly Command[]): string[] {
  const names = new Map<string, string>()
  for (const command of commands) {
    for (const [name, spec] of Object.entries(command.options)) {
      if (spec.type === 'boolean') continue
      names.set(`--${name}`, name)
      if (spec.alias !== undefined) names.set(`-${spec.alias}`, name)
    }
  }
  const joined: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    const next = argv[i + 1]
    const name = names.get(word)
    if (word === '--') return [...joined, ...argv.slice(i)]
    if (name === undefined || next === undefined || next.startsWith('--')) {
      joined.push(word)
    } else {
      joined.push(`--${name}=${next}`)
      i++
    }
  }
  return joined
}

/** The parser's refusal in our words, with what was probably meant. */
function explainRefusal(message: string, argv: readonly string[], tree: CommandTree): string {
  const unknown = /^Unknown (?:argument|command)s?: (?<words>.+)$/.exec(message)?.groups?.['words']
  if (unknown === undefined) {
    const usage = findCommand(argv, tree)?.usage ?? '<command>'
    return message
      .replace(/^Not enough non-option arguments.*$/s, `an argument is missing: raftway ${usage}`)
      .replace(/\n+/g, ' ')
  }
  return unknown
    .split(', ')
    .map((word) => explainUnknown(word, { argv, tree }))
    .join('; ')
}

/** The command that the words of `argv` begin with, if any. */
function findCommand(argv: readonly string[], tree: CommandTree): Command | undefined {
  const words = argv.filter((word) => !word.startsWith('-'))
  return tree.commands.find(({ path }) => path === words.slice(0, path.split(' ').length).join(' '))
}

/** The words before `--help` that tell more about what `argv` tried: a command, a group, or none. */
export function helpPath(argv: readonly string[], tree: CommandTree): string {
  const [first = ''] = argv
  return findCommand(argv, tree)?.path ?? (Object.hasOwn(tree.groups, first) ? first : '')
}

function explainUnknown(
  word: string,
  line: { readonly argv: readonly string[]; readonly tree: CommandTree },
): string {
  const command = findCommand(line.argv, line.tree)
  const asOption = line.argv.find((given) => /^--?/.exec(given) && optionName(given) === word)
  if (asOption !== undefined) {
    const known = command === undefined ? ['help', 'version'] : Object.keys(command.options)
    return withGuess(`unknown option ${asOption.split('=')[0]}`, suggest(word, known), '--')
  }
  if (command !== undefined) return `unexpected argument "${word}"`
  const group = Object.keys(line.tree.groups).find((name) => line.argv.includes(name))
  const siblings = line.tree.commands
    .map(({ path }) => path.split(' '))
    .flatMap((path) =>
      group === undefined ? path.slice(0, 1) : path[0] === group ? path.slice(1) : [],
    )
  return withGuess(
    `unknown command "${word}"`,
    suggest(word, siblings),
    group === undefined ? '' : `${group} `,
  )
}

function optionName(given: string): string {
  return given.replace(/^--?/, '').split('=')[0] ?? ''
}

function withGuess(refusal: string, meant: string | null, before: string): string {
  return meant === null ? refusal : `${refusal}, did you mean "${before}${meant}"?`
}
