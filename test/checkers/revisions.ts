// What acknowledged writes and revisions owe each other, over a whole history.
import { callsOf, valueText, type Call, type Operation } from './history.ts'

/** What one revision did to the keys of a history, as the cluster has it in the end. */
export type CommittedRevision = {
  readonly revision: number
  /** Null: the key was deleted. */
  readonly changes: readonly { readonly key: string; readonly value: unknown }[]
}

/**
 * Everything that is wrong, in words; empty when nothing is:
 *
 * - an acknowledged write is not there in the end, or is another one;
 * - a write that certainly did not happen is there;
 * - two writes of one key have one revision, or a revision is missing or twice;
 * - a write got a revision at or below that of another which had ended before it began;
 * - a read gives what no revision holds, or what was written only after it ended.
 *
 * `committed` is every revision from some first one on to the last, in order, read at the end; null when it is not
 * known, and then only the history's own contradictions are found. `isComplete`: nobody else wrote, so that every
 * change comes from a call of the history. Values that are written should be unique, or less is found.
 */
export function checkRevisions(
  history: readonly Operation[],
  committed: readonly CommittedRevision[] | null,
  { isComplete = false }: { readonly isComplete?: boolean } = {},
): string[] {
  const calls = callsOf(history)
  return [
    ...uniqueness(calls),
    ...realTime(calls),
    ...readsOfTheFuture(calls),
    ...(committed === null ? [] : againstLog(calls, committed, isComplete)),
  ]
}

function isAcknowledged({ op, outcome }: Call): boolean {
  return outcome === 'ok' && op !== 'get'
}

/** A transaction gives its calls one revision, but each key at most once. */
function uniqueness(calls: readonly Call[]): string[] {
  const problems: string[] = []
  const seen = new Map<string, Call>()
  for (const call of calls.filter(isAcknowledged)) {
    const id = `${call.revision} ${call.key}`
    const other = seen.get(id)
    if (other !== undefined) {
      problems.push(`${nameOf(call)} and ${nameOf(other)} have one revision, ${call.revision}`)
    }
    seen.set(id, call)
  }
  return problems
}

/** Walks through real time with the highest revision that had been acknowledged by then. */
function realTime(calls: readonly Call[]): string[] {
  const problems: string[] = []
  const writes = calls.filter(isAcknowledged)
  const byEnd = writes.toSorted((a, b) => a.endedAt - b.endedAt)
  let ended = 0
  let highest: Call | null = null
  for (const call of writes) {
    for (; ended < byEnd.length; ended++) {
      const other = byEnd[ended]
      if (other === undefined || other.endedAt > call.invokedAt) break
      if (highest === null || (other.revision ?? 0) > (highest.revision ?? 0)) highest = other
    }
    if (highest !== null && (call.revision ?? 0) <= (highest.revision ?? 0)) {
      problems.push(
        `${nameOf(call)} began after ${nameOf(highest)} had ended, with a higher revision`,
      )
    }
  }
  return problems
}

function readsOfTheFuture(calls: readonly Call[]): string[] {
  const writes = new Map(
    calls.filter(isAcknowledged).map((call) => [`${call.key} ${call.revision}`, call]),
  )
  return calls.flatMap((call) => {
    if (call.op !== 'get' || call.read === null) return []
    const source = writes.get(`${call.key} ${call.revision}`)
    if (source === undefined) return []
    if (valueText(source.wanted) !== valueText(call.read)) {
      return [`${nameOf(call)} read another value than ${nameOf(source)} wrote`]
    }
    const isEarly = source.invokedAt > call.endedAt
    return isEarly ? [`${nameOf(call)} ended before ${nameOf(source)} began`] : []
  })
}

function againstLog(
  calls: readonly Call[],
  committed: readonly CommittedRevision[],
  isComplete: boolean,
): string[] {
  const changes = new Map<string, string>()
  const problems = gaps(committed)
  for (const { revision, changes: ofRevision } of committed) {
    for (const { key, value } of ofRevision) changes.set(`${key} ${revision}`, valueText(value))
  }
  const first = committed[0]?.revision ?? 0
  for (const call of calls) {
    const { revision } = call
    if (call.outcome !== 'ok' || revision === null || revision === 0 || revision < first) continue
    const content = call.op === 'get' ? call.read : call.wanted
    const stands = changes.get(`${call.key} ${revision}`)
    if (stands === undefined) problems.push(`${nameOf(call)} is not there in the end`)
    else if (stands !== valueText(content)) {
      problems.push(`${nameOf(call)}: in the end revision ${revision} holds ${stands}`)
    }
  }
  return [...problems, ...strangers(calls, committed, isComplete)]
}

function gaps(committed: readonly CommittedRevision[]): string[] {
  const problems: string[] = []
  for (let i = 1; i < committed.length; i++) {
    const before = committed[i - 1]?.revision ?? 0
    const revision = committed[i]?.revision ?? 0
    if (revision !== before + 1) problems.push(`revision ${revision} follows revision ${before}`)
  }
  return problems
}

/** Changes that came from a call that certainly failed, and, if nobody else wrote, from no call at all. */
function strangers(
  calls: readonly Call[],
  committed: readonly CommittedRevision[],
  isComplete: boolean,
): string[] {
  const possible = new Set<string>()
  const failed = new Map<string, Call>()
  for (const call of calls) {
    if (call.op === 'get') continue
    const id = `${call.key} ${valueText(call.wanted)}`
    if (call.outcome === 'fail') failed.set(id, call)
    else possible.add(id)
  }
  const problems: string[] = []
  for (const { revision, changes } of committed) {
    for (const { key, value } of changes) {
      const id = `${key} ${valueText(value)}`
      if (possible.has(id)) continue
      const call = failed.get(id)
      if (call !== undefined) problems.push(`${nameOf(call)} is there as revision ${revision}`)
      else if (isComplete) problems.push(`revision ${revision} of ${key} comes from no call`)
    }
  }
  return problems
}

function nameOf({ op, key, process, outcome, revision, invokedAt }: Call): string {
  return `the ${op} of ${key} by ${process} (event ${invokedAt}, ${outcome}, revision ${revision ?? 'none'})`
}
