import type { DefinitionChange } from '../../shared/changes.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import type { StreamExplanation, StreamQuestion } from '../../shared/routing/explain-stream.ts'
import type { Explanation, RequestView } from '../../shared/routing/types.ts'
import type { ClusterAccess, Origin } from './commands.ts'

/** One revision as history keeps it. */
export type HistoryRecord = {
  readonly revision: number
  readonly atMs: number
  readonly author: string
  /** Left out of revisions that were made before it was kept. */
  readonly origin?: Origin
  readonly message: string | null
  readonly changes: readonly HistoryChange[]
}

/** `before` is what the change replaced or took away; null when it did not exist. */
export type HistoryChange = {
  readonly op: 'put' | 'delete'
  readonly kind: Kind
  readonly name: string
  readonly after: Definition | null
  readonly before: Definition | null
}

/** One applied revision, as it leaves the state machine: in order, exactly once a process life. */
export type AppliedChange = {
  readonly revision: number
  /** Config hash after the change. */
  readonly hash: string
  readonly changes: readonly DefinitionChange[]
  readonly atMs: number
}

/** The applied state of this node. Answers never wait and are never older than what `ControlPlane.applied` says. */
export type StateReader = {
  readonly revision: number
  readonly hash: string
  /** Changes up to and with this revision are no longer kept. */
  readonly compactedRevision: number
  readonly count: number
  /** Null until a leader has made it. */
  readonly access: ClusterAccess | null
  get(kind: Kind, name: string): Definition | undefined
  /** Every definition of a kind, or of all kinds, in order of kind and name. The array is the caller's. */
  list(kind?: Kind): Definition[]
  /** Revisions low < revision ≤ high in ascending order, read from disk; throws REVISION_COMPACTED. */
  history(range: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
  }): Promise<HistoryRecord[]>
  /** Newest first; of one definition when kind and name are given. */
  historyOf(filter: {
    readonly kind?: Kind
    readonly name?: string
    readonly before?: number
    readonly limit: number
  }): Promise<HistoryRecord[]>
  /** Every definition at a revision; throws REVISION_COMPACTED, REVISION_NOT_FOUND. */
  configAt(revision: number): Promise<Definition[]>
  explain(request: RequestView): Explanation
  explainStream(question: StreamQuestion): StreamExplanation
}
