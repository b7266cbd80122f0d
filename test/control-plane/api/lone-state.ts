import { definitionKey } from '../../../shared/changes.ts'
import { KIND_NAMES, type Definition, type Kind } from '../../../shared/definitions/kinds.ts'
import { RaftwayError } from '../../../shared/errors.ts'
import {
  explainStream,
  type StreamExplanation,
  type StreamQuestion,
} from '../../../shared/routing/explain-stream.ts'
import { explain } from '../../../shared/routing/table.ts'
import type { Explanation, RequestView } from '../../../shared/routing/types.ts'
import type { ClusterAccess, HistoryRecord, StateReader } from '../../../control-plane/ports.ts'
import type { ReplicatedState } from '../../../control-plane/state-machine/state.ts'

/** The applied state of one node of a LoneCluster; the cluster keeps one history for all of them, in memory. */
export class LoneState implements StateReader {
  readonly #kept: { readonly history: readonly HistoryRecord[]; readonly compactedRevision: number }
  readonly #replica: () => ReplicatedState

  constructor(
    kept: { readonly history: readonly HistoryRecord[]; readonly compactedRevision: number },
    replica: () => ReplicatedState,
  ) {
    this.#kept = kept
    this.#replica = replica
  }

  get revision(): number {
    return this.#replica().revision
  }

  get hash(): string {
    return this.#replica().hash
  }

  get compactedRevision(): number {
    return this.#replica().compactedRevision
  }

  get count(): number {
    return this.#replica().count
  }

  get access(): ClusterAccess | null {
    return this.#replica().access
  }

  get(kind: Kind, name: string): Definition | undefined {
    return this.#replica().get(kind, name)
  }

  list(kind?: Kind): Definition[] {
    return this.#replica().list(kind)
  }

  async history(range: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
  }): Promise<HistoryRecord[]> {
    this.#assertKept(range.after)
    return this.#records()
      .filter(({ revision }) => revision > range.after && revision <= range.upTo)
      .slice(0, range.limit)
  }

  async historyOf(filter: {
    readonly kind?: Kind
    readonly name?: string
    readonly before?: number
    readonly limit: number
  }): Promise<HistoryRecord[]> {
    const { kind, name, before = Number.POSITIVE_INFINITY, limit } = filter
    return this.#records()
      .filter(({ revision }) => revision < before)
      .filter(({ changes }) =>
        changes.some(
          (each) => each.kind === (kind ?? each.kind) && each.name === (name ?? each.name),
        ),
      )
      .toReversed()
      .slice(0, limit)
  }

  async configAt(revision: number): Promise<Definition[]> {
    this.#assertKept(revision)
    if (revision > this.revision) {
      throw new RaftwayError('REVISION_NOT_FOUND', `revision ${revision} lies in the future`)
    }
    const config = new Map(this.list().map((each) => [definitionKey(each.kind, each.name), each]))
    for (const record of this.#records().toReversed()) {
      if (record.revision <= revision) break
      for (const { kind, name, before } of record.changes.toReversed()) {
        if (before === null) config.delete(definitionKey(kind, name))
        else config.set(definitionKey(kind, name), before)
      }
    }
    return [...config.values()].sort(
      (a, b) =>
        KIND_NAMES.indexOf(a.kind) - KIND_NAMES.indexOf(b.kind) || (a.name < b.name ? -1 : 1),
    )
  }

  explain(request: RequestView): Explanation {
    return explain(this.#replica().table, request)
  }

  explainStream(question: StreamQuestion): StreamExplanation {
    return explainStream(this.#replica().table, question)
  }

  #records(): HistoryRecord[] {
    const { history, compactedRevision } = this.#kept
    return history.filter(
      ({ revision }) => revision > compactedRevision && revision <= this.revision,
    )
  }

  #assertKept(revision: number): void {
    if (revision >= this.#kept.compactedRevision) return
    throw new RaftwayError('REVISION_COMPACTED', `revision ${revision} is no longer kept`)
  }
}
