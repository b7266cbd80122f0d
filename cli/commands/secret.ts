import { z } from 'zod'
import { writeAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { printJson } from '../output.ts'

const resealAnswer = writeAnswer.extend({ keyId: z.string() })

/** `raftway secret …`: what is sealed at rest. */
export const SECRET_COMMANDS = [
  defineCommand({
    usage: 'secret rotate',
    summary: 'Seal every secret anew with the first key of --seal-key, in one transaction',
    examples: [
      ['raftway secret rotate', 'Once every node was started with the new key in front of the old'],
    ],
    positionals: {},
    options: {
      'dry-run': { type: 'boolean', describe: 'say what would be sealed anew' },
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const isDry = args['dry-run'] === true
      const answer = await withClient(args, terminal, (client) =>
        client.call(
          { method: 'POST', path: '/v1/reseal', query: isDry ? { dryRun: true } : {}, body: {} },
          resealAnswer,
        ),
      )
      const count = answer.results?.length ?? 0
      if (args.output === 'json') printJson(terminal, answer)
      else if (count === 0) terminal.out(`nothing to do: all is sealed with key ${answer.keyId}\n`)
      else {
        const done = isDry ? 'would be sealed anew' : `sealed anew, revision ${answer.revision}`
        terminal.out(`${count} with key ${answer.keyId} ${done}\n`)
      }
      return EXIT.ok
    },
  }),
]
