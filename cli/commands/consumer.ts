import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand, type Command } from '../command.ts'
import { consumerSpec, createDefinition, editConsumer, readConsumer } from '../consumers/edit.ts'
import { keysPath, makeKey } from '../consumers/keys.ts'
import { readEnd, readPairs, tellSecret } from '../consumers/options.ts'
import { EXIT } from '../exit-codes.ts'
import { definitionsYaml, definitionYaml, printJson } from '../output.ts'
import { definitionTable } from '../render/definition-table.ts'
import { reportRollout, WAIT_OPTIONS } from '../rollout.ts'
import { deleteByName, listAll, SHOW_OPTIONS } from './definitions.ts'
import { IMPORT } from './consumer-import.ts'
import { keyTable } from './key.ts'

const NAME = { name: { describe: 'the consumer', required: true } } as const
const CREATE = defineCommand({
  usage: 'consumer create <name>',
  summary: 'Make a consumer: a person, a program or a partner who calls Apis',
  examples: [
    ['raftway consumer create alice --with-key', 'With a first key, printed once'],
    ['raftway consumer create ci --role deploy --expires 90d', 'For a while'],
  ],
  positionals: NAME,
  options: {
    plan: { type: 'list', describe: 'a plan it has; may be repeated' },
    role: { type: 'list', describe: 'what it is, for those who ask for it; may be repeated' },
    label: { type: 'list', describe: 'KEY=VALUE; may be repeated' },
    metadata: { type: 'list', describe: 'KEY=VALUE, for headers and texts; may be repeated' },
    expires: { type: 'string', describe: 'until 2030-01-31T12:00:00Z, or for so long: 90d' },
    description: { type: 'string', describe: 'who it is' },
    'with-key': { type: 'boolean', describe: 'make its first API key, and print it once' },
    ...WAIT_OPTIONS,
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const { name, description } = args
    const metadata = readPairs('--metadata', args.metadata)
    const spec: ConsumerSpec = {
      ...(args.plan === undefined ? {} : { plans: [...args.plan] }),
      ...(args.role === undefined ? {} : { roles: [...args.role] }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(args.expires === undefined
        ? {}
        : { expiresAt: readEnd('--expires', args.expires, Date.now()) }),
      ...(description === undefined ? {} : { description }),
    }
    const labels = readPairs('--label', args.label)
    return withClient(args, terminal, async (client) => {
      const context = { client, terminal }
      const hasKey = args['with-key'] === true
      // Who waits for the key waits for its consumer.
      const wait = { ...args, wait: args.wait === true && !hasKey }
      const consumer = await createDefinition(
        context,
        { kind: 'Consumer', name, labels, spec },
        wait,
      )
      const created = `Consumer/${name} created`
      if (!hasKey) {
        if (args.output === 'json') printJson(terminal, consumer)
        else terminal.out(`${created}\n`)
        return reportRollout(consumer.rollout, terminal)
      }
      terminal.say(created)
      const made = await makeKey(context, keysPath(name), { body: {}, args })
      if (args.output === 'json') printJson(terminal, { consumer, ...made })
      else tellSecret(terminal, made.secret ?? '', `key ${made.key.name} of ${name}`)
      return reportRollout(made.rollout, terminal)
    })
  },
})

const GET = defineCommand({
  usage: 'consumer get <name>',
  summary: 'Show a consumer and its keys',
  examples: [['raftway consumer get alice -o yaml', 'As it can be edited and applied']],
  positionals: NAME,
  options: { ...CONTROL_OPTION, ...SHOW_OPTIONS },
  run: async (args, terminal) => {
    const found = await withClient(args, terminal, (client) => readConsumer(client, args.name))
    if (args.output === 'json') printJson(terminal, found)
    else if (args.output === 'yaml') terminal.out(definitionYaml(found))
    else {
      terminal.out(definitionTable('Consumer', [found]))
      const keys = consumerSpec(found).credentials?.keys ?? []
      if (keys.length > 0) terminal.out(`\n${keyTable(keys, Date.now())}`)
    }
    return EXIT.ok
  },
})

const LIST = defineCommand({
  usage: 'consumer list',
  summary: 'List consumers',
  examples: [
    ['raftway consumer list --plan gold', 'Who has a plan'],
    ['raftway consumer list --label team=core --enabled false', 'Who of a team is disabled'],
  ],
  positionals: {},
  options: {
    plan: { type: 'string', describe: 'only who has this plan' },
    label: { type: 'list', describe: 'only with this label: KEY=VALUE, or KEY; may be repeated' },
    enabled: { type: 'string', choices: ['true', 'false'], describe: 'only who is, or is not' },
    ...CONTROL_OPTION,
    ...SHOW_OPTIONS,
  },
  run: async (args, terminal) => {
    const { plan, label, enabled } = args
    const found = await withClient(args, terminal, (client) =>
      listAll(client, 'Consumer', { plan, label, enabled }),
    )
    if (args.output === 'json') printJson(terminal, found)
    else if (args.output === 'yaml') terminal.out(definitionsYaml(found.items))
    else if (found.items.length > 0) terminal.out(definitionTable('Consumer', found.items))
    else terminal.say('there is no such consumer')
    return EXIT.ok
  },
})

const DISABLE = switching(
  'disable',
  'Refuse every request of a consumer, until it is enabled again',
)
const ENABLE = switching('enable', 'Let a consumer call again')

const DELETE = defineCommand({
  usage: 'consumer delete <name>',
  summary: 'Delete a consumer, with all its keys',
  examples: [
    ['raftway consumer delete alice --wait', 'Return when every gateway refuses its keys'],
  ],
  positionals: NAME,
  options: { ...WAIT_OPTIONS, ...CONTROL_OPTION, ...OUTPUT_OPTION },
  run: (args, terminal) => deleteByName('Consumer', args, terminal),
})

/** `raftway consumer …`: who may call. */
export const CONSUMER_COMMANDS: readonly Command[] = [
  CREATE,
  GET,
  LIST,
  DISABLE,
  ENABLE,
  DELETE,
  IMPORT,
]

function switching(word: 'enable' | 'disable', summary: string): Command {
  return defineCommand({
    usage: `consumer ${word} <name>`,
    summary,
    examples: [[`raftway consumer ${word} alice --wait`, 'Return when every gateway has it']],
    positionals: NAME,
    options: { ...WAIT_OPTIONS, ...CONTROL_OPTION, ...OUTPUT_OPTION },
    run: async (args, terminal) => {
      const change = ({ enabled: _enabled, ...spec }: ConsumerSpec): ConsumerSpec =>
        word === 'enable' ? spec : { ...spec, enabled: false }
      const written = await withClient(args, terminal, (client) =>
        editConsumer({ client, terminal }, args.name, { change, args }),
      )
      if (args.output === 'json') printJson(terminal, written)
      else terminal.out(`Consumer/${args.name} ${word}d\n`)
      return reportRollout(written.rollout, terminal)
    },
  })
}
