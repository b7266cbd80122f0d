import { LIMIT_MAX } from '../../shared/limits.ts'
import type { AccessRule, PlanSpec } from '../../shared/definitions/plan.ts'
import type { RateLimitSpec } from '../../shared/definitions/rate-limit.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { createDefinition } from '../consumers/edit.ts'
import { UsageError } from '../failures.ts'
import { printJson } from '../output.ts'
import { reportRollout, WAIT_OPTIONS } from '../rollout.ts'
import { readDuration } from '../start/duration.ts'
import { deleteByName, SHOW_OPTIONS, showDefinitions } from './definitions.ts'

const NAME = { name: { describe: 'the plan', required: true } } as const

const CREATE = defineCommand({
  usage: 'plan create <name>',
  summary: 'Make a plan: what the consumers who have it may do, and how often',
  examples: [
    ['raftway plan create gold --limit minute=600/1m', 'How often'],
    ['raftway plan create readers --api petstore=GET,HEAD', 'What may be asked for'],
  ],
  positionals: NAME,
  options: {
    limit: { type: 'list', describe: 'NAME=REQUESTS/TIME, such as minute=600/1m; may be repeated' },
    api: {
      type: 'list',
      describe: 'an Api that may be called, or API=METHOD,METHOD; default all; may be repeated',
    },
    role: { type: 'list', describe: 'a role that it gives; may be repeated' },
    priority: { type: 'number', describe: 'of plans with the same limit the highest counts' },
    description: { type: 'string', describe: 'who should have it' },
    ...WAIT_OPTIONS,
    ...CONTROL_OPTION,
    ...OUTPUT_OPTION,
  },
  run: async (args, terminal) => {
    const { name, priority, description } = args
    const spec: PlanSpec = {
      ...(args.limit === undefined ? {} : { limits: args.limit.map(readLimit) }),
      ...(args.api === undefined ? {} : { access: args.api.map(readRule) }),
      ...(args.role === undefined ? {} : { roles: [...args.role] }),
      ...(priority === undefined ? {} : { priority }),
      ...(description === undefined ? {} : { description }),
    }
    const plan = await withClient(args, terminal, (client) =>
      createDefinition({ client, terminal }, { kind: 'Plan', name, spec }, args),
    )
    if (args.output === 'json') printJson(terminal, plan)
    else terminal.out(`Plan/${name} created\n`)
    return reportRollout(plan.rollout, terminal)
  },
})

const GET = defineCommand({
  usage: 'plan get <name>',
  summary: 'Show a plan',
  examples: [['raftway plan get gold -o yaml', 'As it can be edited and applied']],
  positionals: NAME,
  options: { ...CONTROL_OPTION, ...SHOW_OPTIONS },
  run: (args, terminal) => showDefinitions('Plan', args, terminal),
})

const LIST = defineCommand({
  usage: 'plan list',
  summary: 'List plans',
  examples: [['raftway plan list', 'What each permits, and its limits']],
  positionals: {},
  options: { ...CONTROL_OPTION, ...SHOW_OPTIONS },
  run: (args, terminal) => showDefinitions('Plan', { ...args, name: undefined }, terminal),
})

const DELETE = defineCommand({
  usage: 'plan delete <name>',
  summary: 'Delete a plan; whoever has no other may ask for nothing then',
  examples: [['raftway plan delete gold --wait', 'Return when no gateway knows it']],
  positionals: NAME,
  options: { ...WAIT_OPTIONS, ...CONTROL_OPTION, ...OUTPUT_OPTION },
  run: (args, terminal) => deleteByName('Plan', args, terminal),
})

/** `raftway plan …`: what consumers get. */
export const PLAN_COMMANDS = [CREATE, GET, LIST, DELETE]

function readLimit(text: string): RateLimitSpec {
  const [, name = '', count = '', time = ''] = /^([^=]+)=(\d{1,10})\/(\w+)$/.exec(text) ?? []
  const limit = Number(count)
  if (name !== '' && limit <= LIMIT_MAX)
    return { name, limit, windowMs: readDuration('--limit', time) }
  throw new UsageError(`--limit must be NAME=REQUESTS/TIME, such as minute=600/1m, not "${text}"`)
}

function readRule(text: string): AccessRule {
  const [api = '', methods] = text.split('=')
  return methods === undefined ? { api } : { api, methods: methods.toUpperCase().split(',') }
}
