import { defineCommand } from '../command.ts'
import { OUTPUT_OPTION } from '../client-options.ts'
import { compileLoaded } from '../documents/compile-loaded.ts'
import { loadDefinitions } from '../documents/load-definitions.ts'
import { EXIT } from '../exit-codes.ts'
import { InvalidInput, UsageError } from '../failures.ts'
import { FILE_OPTION, requireFiles } from '../file-option.ts'
import { printJson } from '../output.ts'

/** `raftway validate`: what a node would say of the files, without a node. */
export const VALIDATE_COMMANDS = [
  defineCommand({
    usage: 'validate',
    summary: 'Check files without a cluster: fields, references, and that they compile',
    examples: [
      ['raftway validate -f definitions/', 'Every issue with file, line and column; exit 8 if any'],
      ['raftway validate -f - < petstore.yaml', 'From standard input'],
    ],
    positionals: {},
    options: { ...FILE_OPTION, ...OUTPUT_OPTION },
    run: async (args, terminal) => {
      try {
        const loaded = await loadDefinitions(requireFiles(args.file), terminal)
        if (loaded.length === 0) throw new UsageError('the input holds no definition')
        const { routeCount } = compileLoaded(loaded)
        const summary = { valid: true, definitions: loaded.length, routes: routeCount, issues: [] }
        if (args.output === 'json') printJson(terminal, summary)
        else terminal.out(`${loaded.length} definitions with ${routeCount} routes are valid\n`)
        return EXIT.ok
      } catch (error) {
        if (!(error instanceof InvalidInput) || args.output !== 'json') throw error
        printJson(terminal, { valid: false, issues: error.issues })
        return EXIT.invalid
      }
    },
  }),
]
