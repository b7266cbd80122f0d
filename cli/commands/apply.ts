import { OPERATIONS_PER_TRANSACTION_MAX } from '../../shared/limits.ts'
import { definitionKey } from '../../shared/changes.ts'
import { configAnswer, writeAnswer, type WriteAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { Call, ControlClient } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { loadDefinitions, type LoadedDefinition } from '../documents/load-definitions.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { ApiProblem, InvalidInput, UsageError } from '../failures.ts'
import { FILE_OPTION, requireFiles } from '../file-option.ts'
import { countWords, printJson } from '../output.ts'
import { planChanges, userPart, type PlannedChange } from '../plan.ts'
import { colours } from '../render/colour.ts'
import { printable } from '../render/table.ts'
import { holdsPlainSecret, withoutSecrets } from '../secrets.ts'
import { reportRollout, WAIT_OPTIONS, writeAndWait, type WaitArguments } from '../rollout.ts'

type ApplyArguments = WaitArguments & {
  readonly prune: boolean | undefined
  readonly 'dry-run': boolean | undefined
  readonly 'if-revision': number | undefined
  readonly message: string | undefined
  readonly output: 'text' | 'json'
}

/** `raftway apply`: files become the config, in one transaction. */
export const APPLY_COMMANDS = [
  defineCommand({
    usage: 'apply',
    summary: 'Push definitions from files, in one transaction',
    examples: [
      ['raftway apply -f petstore.yaml --wait', 'Push, and return when gateways serve it'],
      ['raftway apply -f definitions/ --prune --dry-run', 'What would a whole folder change?'],
      ['raftway export | raftway apply -f -', 'Nothing to do: an export is what stands'],
    ],
    positionals: {},
    options: {
      ...FILE_OPTION,
      prune: { type: 'boolean', describe: 'delete every definition that the files do not name' },
      'dry-run': { type: 'boolean', describe: 'check everything and say what would change' },
      'if-revision': {
        type: 'number',
        describe: 'only if the config still is at this revision; exit 4 if not',
      },
      message: { type: 'string', alias: 'm', describe: 'why, for the history' },
      ...WAIT_OPTIONS,
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const loaded = await loadDefinitions(requireFiles(args.file), terminal)
      if (loaded.length === 0) throw new UsageError('the input holds no definition')
      return withClient(args, terminal, (client) => apply({ client, terminal }, loaded, args))
    },
  }),
]

async function apply(
  context: { readonly client: ControlClient; readonly terminal: Terminal },
  loaded: readonly LoadedDefinition[],
  args: ApplyArguments,
): Promise<ExitCode> {
  const standing = await context.client.call({ method: 'GET', path: '/v1/config' }, configAnswer)
  const given = loaded.map(({ definition }) => definition)
  const wanted = withoutSecrets(given, standing.definitions)
  const plan = planChanges(wanted, standing.definitions, { prune: args.prune === true })
  // Whether a secret differs is known to the nodes alone.
  const mayChange = (at: number): boolean => {
    const definition = given[at]
    return (
      plan[at]?.change !== 'unchanged' || (definition !== undefined && holdsPlainSecret(definition))
    )
  }
  const changing = plan.filter((_, at) => mayChange(at))
  const report = { plan, args, terminal: context.terminal }
  if (changing.length === 0) {
    checkGuard(args['if-revision'], standing.revision)
    printReport({ ...report, answer: { revision: standing.revision } })
    return EXIT.ok
  }
  const sent = loaded.filter((_, at) => args.prune === true || mayChange(at))
  if (sent.length > OPERATIONS_PER_TRANSACTION_MAX) {
    const most = `${OPERATIONS_PER_TRANSACTION_MAX} (OPERATIONS_PER_TRANSACTION_MAX)`
    throw new UsageError(`${sent.length} definitions are more than one transaction takes: ${most}`)
  }
  const call = { ...writeCall(sent, args), schema: writeAnswer }
  try {
    const answer = await writeAndWait(context, call, args)
    // The revision that a dry run would make does not stand.
    const revision = args['dry-run'] === true ? standing.revision : answer.revision
    printReport({ ...report, plan: asWritten(plan, answer), answer: { ...answer, revision } })
    return reportRollout(answer.rollout, context.terminal)
  } catch (error) {
    throw withPlaces(error, sent)
  }
}

/** Pruning replaces the whole config, so that nothing slips in between reading it and writing it. */
function writeCall(sent: readonly LoadedDefinition[], args: ApplyArguments): Call {
  const definitions = sent.map(({ definition }) => userPart(definition))
  const common = {
    ...(args.message === undefined ? {} : { message: args.message }),
    ...(args['if-revision'] === undefined ? {} : { ifConfigRevision: args['if-revision'] }),
  }
  const query = args['dry-run'] === true ? { dryRun: true } : {}
  if (args.prune === true) {
    return { method: 'PUT', path: '/v1/config', query, body: { definitions, ...common } }
  }
  const operations = definitions.map((definition) => ({
    op: 'put',
    ...definition,
    ...(holdsPlainSecret(definition) ? { ifChanged: true } : {}),
  }))
  return { method: 'POST', path: '/v1/transactions', query, body: { operations, ...common } }
}

/** What was planned as unchanged, but for a secret that only a node could compare, is what the node says. */
function asWritten(plan: readonly PlannedChange[], answer: WriteAnswer): readonly PlannedChange[] {
  const written = new Set((answer.results ?? []).map(({ kind, name }) => definitionKey(kind, name)))
  return plan.map((each) =>
    each.change === 'unchanged' && written.has(definitionKey(each.kind, each.name))
      ? { ...each, change: 'changed' }
      : each,
  )
}

function checkGuard(ifRevision: number | undefined, revision: number): void {
  if (ifRevision === undefined || ifRevision === revision) return
  const detail = `the config is at revision ${revision}, not ${ifRevision}`
  throw new ApiProblem({ code: 'REVISION_CONFLICT', status: 412, detail })
}

/** A node names a definition by its number in the call; people want the file and the line. */
function withPlaces(error: unknown, sent: readonly LoadedDefinition[]): unknown {
  if (!(error instanceof ApiProblem) || error.code !== 'INVALID_DEFINITION') return error
  const issues = error.issues.map(({ path, message }) => {
    const named = /^(?:operations|definitions)\.(?<at>\d+)(?:\.(?<below>.*))?$/.exec(path)?.groups
    const item = named === undefined ? undefined : sent[Number(named['at'])]
    const below = named?.['below'] ?? ''
    return item === undefined
      ? { place: '', path, message }
      : { place: item.place(below), path: below, message }
  })
  return issues.length === 0 ? error : new InvalidInput(issues)
}

function printReport(report: {
  readonly plan: readonly PlannedChange[]
  readonly args: ApplyArguments
  readonly terminal: Terminal
  readonly answer: WriteAnswer | { readonly revision: number; readonly rollout?: undefined }
}): void {
  const { plan, args, terminal, answer } = report
  const isDry = args['dry-run'] === true
  if (args.output === 'json') {
    const results = plan.map(({ kind, name, change }) => ({ kind, name, change }))
    const rollout = answer.rollout === undefined ? {} : { rollout: answer.rollout }
    printJson(terminal, { revision: answer.revision, dryRun: isDry, results, ...rollout })
    return
  }
  const { green, yellow, red, dim } = colours(terminal)
  const paint = { created: green, changed: yellow, deleted: red, unchanged: dim }
  for (const { kind, name, change } of plan) {
    terminal.out(
      `${printable(`${kind}/${name}`)} ${paint[change](change)}${isDry ? ' (dry run)' : ''}\n`,
    )
  }
  const counts = countWords(plan.map(({ change }) => change))
  if (plan.every(({ change }) => change === 'unchanged')) {
    terminal.say(`nothing to do: ${counts}, revision ${answer.revision}`)
  } else if (isDry) {
    terminal.say(`dry run: ${counts}; nothing was changed`)
  } else {
    terminal.say(`${counts}, revision ${answer.revision}`)
  }
}
