import type { Kind } from '../../shared/definitions/kinds.ts'
import { PAGE_ITEMS_MAX } from '../../shared/limits.ts'
import {
  configAnswer,
  definitionAnswer,
  deleteAnswer,
  listAnswer,
  type DefinitionAnswer,
} from '../answers.ts'
import {
  CONTROL_OPTION,
  OUTPUT_OPTION,
  withClient,
  type ClientArguments,
} from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand, type OptionSpecs, type Terminal } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { definitionPath, readKind } from '../kind-argument.ts'
import { definitionsYaml, printJson } from '../output.ts'
import { definitionTable } from '../render/definition-table.ts'
import { reportRollout, WAIT_OPTIONS, writeAndWait, type WaitArguments } from '../rollout.ts'

/** A table for people, YAML to edit, or JSON for programs. */
export const SHOW_OPTIONS = {
  output: {
    type: 'string',
    alias: 'o',
    choices: ['table', 'yaml', 'json'],
    default: 'table',
    describe: 'json prints machine-readable output on stdout and nothing else',
  },
} as const satisfies OptionSpecs

/** `raftway get`: one definition, or those of a kind. */
export const GET_COMMANDS = [
  defineCommand({
    usage: 'get <kind> [name]',
    summary: 'Show definitions',
    examples: [
      ['raftway get apis', 'A table of every Api'],
      ['raftway get api petstore -o yaml', 'One Api, as it can be edited and applied'],
    ],
    positionals: {
      kind: { describe: 'api, upstream …; the plural will do', required: true },
      name: { describe: 'one definition; without it, all of the kind' },
    },
    options: {
      label: { type: 'list', describe: 'only with this label: KEY=VALUE, or KEY; may be repeated' },
      stale: { type: 'boolean', describe: 'take what the node has, without asking the leader' },
      ...CONTROL_OPTION,
      ...SHOW_OPTIONS,
    },
    run: (args, terminal) => showDefinitions(readKind(args.kind), args, terminal),
  }),
]

/** `raftway delete`. */
export const DELETE_COMMANDS = [
  defineCommand({
    usage: 'delete <kind> <name>',
    summary: 'Delete a definition',
    examples: [
      ['raftway delete api petstore --wait', 'Return when gateways no longer route to it'],
    ],
    positionals: {
      kind: { describe: 'api, upstream …', required: true },
      name: { describe: 'the definition', required: true },
    },
    options: {
      'if-revision': {
        type: 'number',
        describe: 'only if the definition still has this revision; exit 4 if not',
      },
      'dry-run': { type: 'boolean', describe: 'check everything, change nothing' },
      ...WAIT_OPTIONS,
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: (args, terminal) => deleteByName(readKind(args.kind), args, terminal),
  }),
]

/** `raftway export`: the whole config, to keep in git or to apply elsewhere. */
export const EXPORT_COMMANDS = [
  defineCommand({
    usage: 'export',
    summary: 'Print every definition, so that it can be applied as it is',
    examples: [
      ['raftway export > config.yaml', 'Everything, as YAML documents'],
      ['raftway export --revision 12 -o json', 'Everything as it was at revision 12'],
    ],
    positionals: {},
    options: {
      revision: { type: 'number', describe: 'as it was at this revision; default the newest' },
      ...CONTROL_OPTION,
      output: {
        type: 'string',
        alias: 'o',
        choices: ['yaml', 'json'],
        default: 'yaml',
        describe: 'json prints machine-readable output on stdout and nothing else',
      },
    },
    run: async (args, terminal) => {
      const config = await withClient(args, terminal, (client) =>
        client.call(
          { method: 'GET', path: '/v1/config', query: { revision: args.revision } },
          configAnswer,
        ),
      )
      if (args.output === 'json') printJson(terminal, config)
      else terminal.out(definitionsYaml(config.definitions))
      terminal.say(`${config.definitions.length} definitions at revision ${config.revision}`)
      return EXIT.ok
    },
  }),
]

type ShowArguments = ClientArguments & {
  readonly name: string | undefined
  readonly label?: readonly string[] | undefined
  readonly stale?: boolean | undefined
  readonly output: 'table' | 'yaml' | 'json'
}

/** Shows one definition, or those of a kind. Throws as the client does. */
export async function showDefinitions(
  kind: Kind,
  args: ShowArguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const { name } = args
  const consistency = args.stale === true ? 'stale' : undefined
  const query = { label: args.label, consistency }
  const found = await withClient(args, terminal, async (client) =>
    name === undefined
      ? listAll(client, kind, query)
      : client.call(
          { method: 'GET', path: definitionPath(kind, name), query: { consistency } },
          definitionAnswer,
        ),
  )
  const items = 'items' in found ? (found.items as readonly DefinitionAnswer[]) : [found]
  if (args.output === 'json') printJson(terminal, found)
  else if (args.output === 'yaml') terminal.out(definitionsYaml(items))
  else if (items.length > 0) terminal.out(definitionTable(kind, items))
  else terminal.say(`there is no ${kind} yet`)
  return EXIT.ok
}

type DeleteArguments = ClientArguments &
  WaitArguments & {
    readonly name: string
    readonly 'if-revision'?: number | undefined
    readonly 'dry-run'?: boolean | undefined
    readonly output: 'text' | 'json'
  }

/** Deletes one definition and tells how far that has come. Throws as the client does. */
export async function deleteByName(
  kind: Kind,
  args: DeleteArguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const guard = args['if-revision']
  const isDry = args['dry-run'] === true
  const call = {
    method: 'DELETE',
    path: definitionPath(kind, args.name),
    query: isDry ? { dryRun: true } : {},
    headers: guard === undefined ? {} : { 'if-match': `"${guard}"` },
    schema: deleteAnswer,
  } as const
  const answer = await withClient(args, terminal, (client) =>
    writeAndWait({ client, terminal }, call, args),
  )
  if (args.output === 'json') printJson(terminal, answer)
  else terminal.out(`${kind}/${args.name} deleted${isDry ? ' (dry run)' : ''}\n`)
  return reportRollout(answer.rollout, terminal)
}

type ListQuery = {
  readonly label?: readonly string[] | undefined
  readonly consistency?: string | undefined
  /** Of Consumers. */
  readonly plan?: string | undefined
  readonly enabled?: string | undefined
}

/** Every definition of a kind, page by page. */
export async function listAll(
  client: ControlClient,
  kind: Kind,
  query: ListQuery,
): Promise<{ readonly items: readonly DefinitionAnswer[] }> {
  const items: DefinitionAnswer[] = []
  let cursor: string | undefined
  do {
    const page = await client.call(
      {
        method: 'GET',
        path: definitionPath(kind),
        query: { ...query, limit: PAGE_ITEMS_MAX, cursor },
      },
      listAnswer,
    )
    items.push(...page.items)
    cursor = page.cursor ?? undefined
  } while (cursor !== undefined)
  return { items }
}
