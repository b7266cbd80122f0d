import { configAnswer, diffAnswer } from '../answers.ts'
import { CONTROL_OPTION, OUTPUT_OPTION, withClient } from '../client-options.ts'
import type { ControlClient } from '../client.ts'
import { defineCommand, type Terminal } from '../command.ts'
import { loadDefinitions } from '../documents/load-definitions.ts'
import { EXIT } from '../exit-codes.ts'
import { UsageError } from '../failures.ts'
import { FILE_OPTION } from '../file-option.ts'
import { countWords, printJson } from '../output.ts'
import { planChanges, userPart, type Comparable } from '../plan.ts'
import { colours } from '../render/colour.ts'
import { holdsPlainSecret, withoutSecrets } from '../secrets.ts'
import { renderDifference, type DefinitionDifference } from '../render/definition-diff.ts'
import { readRevision } from './history.ts'

type Differences = {
  readonly from: string | number
  readonly to: string | number
  readonly changes: readonly DefinitionDifference[]
}

/** `raftway diff`: files against the cluster, or one revision against another. */
export const DIFF_COMMANDS = [
  defineCommand({
    usage: 'diff [from] [to]',
    summary: 'Show what differs: files against the cluster, or two revisions; exit 3 if anything',
    examples: [
      ['raftway diff -f definitions/', 'What would "raftway apply -f definitions/" change?'],
      ['raftway diff 12 15', 'What changed after revision 12, up to 15?'],
    ],
    positionals: {
      from: { describe: 'a revision' },
      to: { describe: 'a later or earlier one; default the newest' },
    },
    options: {
      ...FILE_OPTION,
      prune: { type: 'boolean', describe: 'with -f: definitions that no file names are removed' },
      ...CONTROL_OPTION,
      ...OUTPUT_OPTION,
    },
    run: async (args, terminal) => {
      const { file = [], from, to, prune } = args
      if ((file.length === 0) === (from === undefined)) {
        throw new UsageError('name files with -f, or revisions, but not both')
      }
      const differences = await withClient(args, terminal, (client) =>
        from === undefined
          ? againstFiles(client, { file, prune: prune === true }, terminal)
          : betweenRevisions(
              client,
              readRevision(from),
              to === undefined ? null : readRevision(to),
            ),
      )
      if (args.output === 'json') printJson(terminal, differences)
      else print(differences, terminal)
      return differences.changes.length === 0 ? EXIT.ok : EXIT.different
    },
  }),
]

async function againstFiles(
  client: ControlClient,
  input: { readonly file: readonly string[]; readonly prune: boolean },
  terminal: Terminal,
): Promise<Differences> {
  const loaded = await loadDefinitions(input.file, terminal)
  const standing = await client.call({ method: 'GET', path: '/v1/config' }, configAnswer)
  const given = loaded.map(({ definition }) => definition)
  const wanted = withoutSecrets(given, standing.definitions)
  if (given.some(holdsPlainSecret))
    terminal.say('secrets that the files hold in plain text are not compared')
  const ops = { created: 'added', changed: 'changed', deleted: 'removed' } as const
  const changes = planChanges(wanted, standing.definitions, input).flatMap(
    ({ change, kind, name, before, after }): readonly DefinitionDifference[] =>
      change === 'unchanged'
        ? []
        : [{ op: ops[change], kind, name, before: bare(before), after: bare(after) }],
  )
  return { from: standing.revision, to: 'files', changes }
}

async function betweenRevisions(
  client: ControlClient,
  from: number,
  to: number | null,
): Promise<Differences> {
  const query = { from, to: to ?? undefined }
  const answer = await client.call({ method: 'GET', path: '/v1/diff', query }, diffAnswer)
  const changes = answer.changes.map(({ op, kind, name, before, after }): DefinitionDifference => ({
    op,
    kind,
    name,
    before: before ?? null,
    after: after ?? null,
  }))
  return { from: answer.from, to: answer.to, changes }
}

function bare(definition: Comparable | null): Comparable | null {
  return definition === null ? null : userPart(definition)
}

function print({ from, to, changes }: Differences, terminal: Terminal): void {
  const styles = colours(terminal)
  for (const change of changes) terminal.out(`${renderDifference(change, styles)}\n`)
  const target = to === 'files' ? 'the files' : `revision ${to}`
  if (changes.length === 0) terminal.say(`no difference between revision ${from} and ${target}`)
  else terminal.say(`revision ${from} → ${target}: ${countWords(changes.map(({ op }) => op))}`)
}
