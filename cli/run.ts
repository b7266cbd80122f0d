import { describeError, isRaftwayError } from '../shared/errors.ts'
import { GROUPS, loadCommands } from './command-tree.ts'
import type { Terminal } from './command.ts'
import { EXIT, exitCodeOf, type ExitCode } from './exit-codes.ts'
import { ApiProblem, CommandFailure, InvalidInput, UsageError } from './failures.ts'
import { helpPath, parseArguments, type CommandTree } from './parser.ts'
import { exitCodeOfEnd } from './start/run-until-stopped.ts'
import { VERSION } from '../shared/version.ts'

/** Asked by the scripts of `raftway completion`. */
const COMPLETE = '--get-completions'

/** Runs one command line (without node and script) and tells how it ended. Failures are said, never thrown. */
export async function runCommandLine(
  argv: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  const commands = await loadCommands(argv[0])
  const tree: CommandTree = { commands, groups: GROUPS, version: VERSION }
  if (argv[0] === COMPLETE) {
    // It knows kinds and so loads their schemas, which a gateway must not carry.
    const { completeWords } = await import('./complete.ts')
    terminal.out(
      completeWords(argv.slice(1), commands)
        .map((word) => `${word}\n`)
        .join(''),
    )
    return EXIT.ok
  }
  try {
    const asked = await parseArguments({ argv, env: terminal.env }, tree)
    if (asked.type === 'run') return await asked.command.run(asked.args, terminal)
    terminal.out(asked.text)
    return EXIT.ok
  } catch (error) {
    return report(error, helpPath(argv, tree), terminal)
  }
}

function report(error: unknown, path: string, terminal: Terminal): ExitCode {
  if (error instanceof UsageError) {
    terminal.say(`${error.message}\nSee: raftway ${path === '' ? '' : `${path} `}--help`)
    return EXIT.usage
  }
  if (error instanceof InvalidInput) {
    for (const issue of error.issues) terminal.say(placed(issue))
    terminal.say(error.message)
    return EXIT.invalid
  }
  if (error instanceof ApiProblem) {
    terminal.say(`${error.code}: ${error.message}`)
    for (const issue of error.issues) {
      // An issue that only repeats the sentence above adds nothing.
      if (issue.message !== error.message) terminal.say(`  ${placed({ ...issue, place: '' })}`)
    }
    return exitCodeOf(error)
  }
  if (error instanceof CommandFailure) {
    terminal.say(error.message)
    return error.exitCode
  }
  // The code is what people look up, and what programs match on.
  terminal.say(isRaftwayError(error) ? `${error.code}: ${error.message}` : describeError(error))
  if (terminal.env['RAFTWAY_DEBUG'] !== undefined && error instanceof Error) {
    terminal.say(error.stack ?? '')
  }
  return exitCodeOfEnd(error)
}

function placed(issue: {
  readonly place: string
  readonly path: string
  readonly message: string
}): string {
  return [issue.place, issue.path, issue.message].filter((part) => part !== '').join(': ')
}
