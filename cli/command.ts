import type { ExitCode } from './exit-codes.ts'

/** One option of a command. `list` may be given several times; a value option may also come from RAFTWAY_<NAME>. */
export type OptionSpec = {
  readonly type: 'string' | 'number' | 'boolean' | 'list'
  readonly describe: string
  readonly alias?: string
  readonly default?: string | number | boolean
  readonly choices?: readonly string[]
  readonly required?: true
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type Raw<O extends OptionSpec> = O extends { choices: readonly (infer C)[] }
  ? C
  : { string: string; number: number; boolean: boolean; list: readonly string[] }[O['type']]

type Given<O extends OptionSpec> = O extends
  | { required: true }
  | { default: string | number | boolean }
  ? Raw<O>
  : Raw<O> | undefined

/** What `run` gets: one member an option, under its full name; undefined when not given and without a default. */
type ArgumentsOf<O extends OptionSpecs> = { readonly [Name in keyof O]: Given<O[Name]> }

/** A positional argument; whether it is required says the usage (`<kind>` or `[name]`). */
type PositionalSpec = { readonly describe: string; readonly required?: true }

export type PositionalSpecs = Readonly<Record<string, PositionalSpec>>

type PositionalsOf<P extends PositionalSpecs> = {
  readonly [Name in keyof P]: P[Name] extends { required: true } ? string : string | undefined
}

/** What a command may touch of its process, so that a test can run it in its own. */
export type Terminal = {
  /** Results: exactly what programs read. */
  out(text: string): void
  /** Messages for people: progress, warnings, errors. One line a call, without the newline. */
  say(message: string): void
  readonly stdin: AsyncIterable<Uint8Array | string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Whether results may carry colour. */
  readonly hasColour: boolean
  /** Whether `say` reaches a person at a terminal, who likes to see progress move. */
  readonly isInteractive: boolean
  /**
   * From now on SIGINT and SIGTERM abort the signal that is returned, rather than end the process; a second one ends
   * it at once. For commands that run until they are told to stop.
   */
  takeStop(): AbortSignal
  /** From now on SIGHUP calls `hear`, rather than end the process. */
  onHangUp(hear: () => void): void
}

/** What is known of one command. `usage` begins with its path: `cluster add <peer>`. */
export type CommandSpec<O extends OptionSpecs, P extends PositionalSpecs> = {
  readonly usage: string
  readonly summary: string
  /** At least one: the command line, and what it does. */
  readonly examples: readonly [Example, ...Example[]]
  readonly positionals: P
  readonly options: O
  run(args: ArgumentsOf<O> & PositionalsOf<P>, terminal: Terminal): Promise<ExitCode>
}

type Example = readonly [line: string, what: string]

/** A command as the program keeps it: what it takes is known only at run time. */
export type Command = Omit<CommandSpec<OptionSpecs, PositionalSpecs>, 'run'> & {
  /** `cluster add` */
  readonly path: string
  /** `args` must be what the parser made of this command's own options and positionals. */
  run(args: Readonly<Record<string, unknown>>, terminal: Terminal): Promise<ExitCode>
}

/** Ties a command's options to the arguments that its `run` gets. */
export function defineCommand<const O extends OptionSpecs, const P extends PositionalSpecs>(
  spec: CommandSpec<O, P>,
): Command {
  return {
    ...spec,
    path: spec.usage.split(/ [<[]/, 1).join(),
    // The parser has checked every argument against these very specs.
    run: (args, terminal) => spec.run(args as ArgumentsOf<O> & PositionalsOf<P>, terminal),
  }
}
