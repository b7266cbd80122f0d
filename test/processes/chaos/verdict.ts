import { isDeepStrictEqual } from 'node:util'
import { checkLinearizability } from '../../checkers/linearizability.ts'
import type { Operation } from '../../checkers/history.ts'
import { checkRevisions, type CommittedRevision } from '../../checkers/revisions.ts'
import { checkWatch, type WatchEvent } from '../../checkers/watch-history.ts'
import type { CommittedChange } from './watchers.ts'
import type { Definition } from '../../../shared/definitions/kinds.ts'

/** At most so many of a kind are told; the first ones say what is wrong. */
const TOLD_MAX = 10

/** What a run left behind. */
export type Evidence = {
  readonly history: readonly Operation[]
  readonly watches: readonly (readonly WatchEvent[])[]
  /** By node: every change that it remembers. */
  readonly logs: ReadonlyMap<string, readonly CommittedChange[]>
  /** By node: every definition that it has. */
  readonly configs: ReadonlyMap<string, readonly Definition[]>
}

/** Everything that is wrong with what a run left behind, in words; empty when nothing is. */
export function problemsOf({ history, watches, logs, configs }: Evidence): string[] {
  const [[first, log] = ['nobody', []]] = logs
  const problems: string[] = []
  for (const [name, other] of logs) {
    if (isDeepStrictEqual(other, log)) continue
    const at = log.findIndex((change, i) => !isDeepStrictEqual(change, other[i]))
    problems.push(
      `${first} and ${name} remember different changes, ${log.length} and ${other.length}; the first that differs: ${JSON.stringify([log[at], other[at]])}`,
    )
  }
  const [[, config] = ['nobody', []]] = configs
  for (const [name, other] of configs) {
    if (!isDeepStrictEqual(other, config))
      problems.push(`${first} and ${name} have different definitions`)
  }
  if (log[0] !== undefined && log[0].revision !== 1)
    problems.push(`the log begins at ${log[0].revision}`)
  problems.push(
    ...told('revisions', checkRevisions(history, log.map(committed), { isComplete: true })),
  )
  const verdict = checkLinearizability(history)
  if (verdict.verdict !== 'linearizable') {
    problems.push(`not linearizable (${verdict.verdict}) at ${verdict.key}: ${verdict.detail}`)
  }
  for (const [at, events] of watches.entries()) {
    problems.push(...told(`watcher ${at}`, checkWatch(events, { changes: log })))
  }
  return problems
}

/** One change as the keys and values of a history. */
function committed({ revision, changes }: CommittedChange): CommittedRevision {
  return {
    revision,
    changes: changes.map((change) =>
      change.op === 'delete'
        ? { key: change.name, value: null }
        : { key: change.definition.name, value: change.definition.labels?.['value'] ?? null },
    ),
  }
}

function told(what: string, problems: readonly string[]): string[] {
  const more = problems.length - TOLD_MAX
  const some = problems.slice(0, TOLD_MAX).map((problem) => `${what}: ${problem}`)
  return more > 0 ? [...some, `${what}: ${more} more like these`] : some
}
