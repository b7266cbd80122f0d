import { VERSION } from '../../shared/version.ts'
import { healthAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { ApiProblem } from '../failures.ts'
import { printJson } from '../output.ts'

/** `raftway version`: of this command, and of the node that it reaches, if any. */
export const VERSION_COMMANDS = [
  defineCommand({
    usage: 'version',
    summary: 'Print the version of this command and of the node it reaches',
    examples: [['raftway version -o json', 'For a bug report']],
    positionals: {},
    options: { ...CONTROL_OPTION, ...OUTPUT_OPTION },
    run: async (args, terminal) => {
      const node = await withClient(args, { say: () => {} }, async (client) => {
        try {
          const health = await client.call({ method: 'GET', path: '/healthz' }, healthAnswer)
          return { url: client.url, version: health.version ?? null }
        } catch (error) {
          if (error instanceof ApiProblem) return null
          throw error
        }
      })
      const client = { version: VERSION, node: process.version, platform: process.platform }
      if (args.output === 'json') {
        printJson(terminal, { client, server: node })
        return EXIT.ok
      }
      terminal.out(`raftway ${VERSION} (Node ${process.versions.node}, ${process.platform})\n`)
      if (node === null) terminal.say(`no node answers at ${args.control}`)
      else terminal.out(`node ${node.version ?? 'of unknown version'} at ${node.url}\n`)
      return EXIT.ok
    },
  }),
]
