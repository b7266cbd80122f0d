import { PAGE_ITEMS_MAX } from '../../shared/limits.ts'
import { historyAnswer, writeAnswer, type HistoryAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'
import { readKind } from '../kind-argument.ts'
import { printJson } from '../output.ts'
import { printable, renderTable } from '../render/table.ts'
import { reportRollout, WAIT_OPTIONS, writeAndWait } from '../rollout.ts'

/** `raftway history`. */
export const HISTORY_COMMANDS = [
  defineCommand({
    usage: 'history [kind] [name]',
    summary: 'Who changed what and when, newest first',
    examples: [
      ['raftway history --limit 5', 'The last five revisions'],
      ['raftway history api petstore', 'The life of one definition'],
    ],
    positionals: {
      kind: { describe: 'only changes of this kind' },
      name: { describe: 'only changes of this definition' },
    },
    options: {
      limit: {
        type: 'number',
        default: 20,
        describe: `revisions to show, at most ${PAGE_ITEMS_MAX}`,
      },
      before: { type: 'number', describe: 'only revisions below this one: the next page' },
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const { name, limit, before } = args
      if (limit < 1 || limit > PAGE_ITEMS_MAX) {
        throw new UsageError(`--limit must be 1 to ${PAGE_ITEMS_MAX} (PAGE_ITEMS_MAX)`)
      }
      const kind = args.kind === undefined ? undefined : readKind(args.kind)
      const history = await withClient(args, terminal, (client) =>
        client.call(
          { method: 'GET', path: '/v1/history', query: { kind, name, limit, before } },
          historyAnswer,
        ),
      )
      if (args.output === 'json') printJson(terminal, history)
      else if (history.items.length === 0) terminal.say('nothing has changed yet')
      else terminal.out(historyTable(history))
      const { cursor } = history
      if (cursor !== null && cursor !== undefined) terminal.say(`older ones: --before ${cursor}`)
      return EXIT.ok
    },
  }),
]

/** `raftway rollback`. */
export const ROLLBACK_COMMANDS = [
  defineCommand({
    usage: 'rollback <revision>',
    summary: 'Make the config what it was at a revision, as a new revision',
    examples: [
      ['raftway rollback 12 --wait -m "prices were wrong"', 'Back to revision 12, everywhere'],
    ],
    positionals: { revision: { describe: 'the revision to go back to', required: true } },
    options: {
      message: { type: 'string', alias: 'm', describe: 'why, for the history' },
      'if-revision': { type: 'number', describe: 'only if the config still is at this revision' },
      'dry-run': { type: 'boolean', describe: 'check everything and say what would change' },
      ...WAIT_OPTIONS,
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const revision = readRevision(args.revision)
      const isDry = args['dry-run'] === true
      const answer = await withClient(args, terminal, (client) =>
        writeAndWait(
          { client, terminal },
          {
            method: 'POST',
            path: '/v1/rollback',
            query: isDry ? { dryRun: true } : {},
            body: { revision, message: args.message, ifConfigRevision: args['if-revision'] },
            schema: writeAnswer,
          },
          args,
        ),
      )
      if (args.output === 'json') {
        printJson(terminal, answer)
      } else {
        for (const { op, kind, name } of answer.results ?? []) {
          terminal.out(`${printable(`${kind}/${name}`)} ${op === 'put' ? 'restored' : 'deleted'}\n`)
        }
        const nothing = (answer.results ?? []).length === 0
        if (nothing)
          terminal.say(`nothing to do: the config is what it was at revision ${revision}`)
        else if (isDry) terminal.say('dry run: nothing was changed')
        else terminal.say(`as at revision ${revision}, in revision ${answer.revision}`)
      }
      return reportRollout(answer.rollout, terminal)
    },
  }),
]

/** A revision as an argument. Throws UsageError. */
export function readRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`"${text}" is not a revision: a whole number is wanted`)
}

const CHANGES_SHOWN = 3

function historyTable({ items }: HistoryAnswer): string {
  return renderTable(
    ['REVISION', 'AT', 'AUTHOR', 'CHANGES', 'MESSAGE'],
    items.map(({ revision, at, author, message, changes }) => {
      const shown = changes
        .slice(0, CHANGES_SHOWN)
        .map(({ op, kind, name }) => `${op} ${kind}/${name}`)
        .join(', ')
      const more = changes.length - CHANGES_SHOWN
      return [revision, at, author ?? '', more > 0 ? `${shown} +${more}` : shown, message ?? '']
    }),
  )
}
