import type { Definition, Kind } from '../../shared/definitions/kinds.ts'
import {
  explainStream,
  type StreamExplanation,
  type StreamQuestion,
} from '../../shared/routing/explain-stream.ts'
import { explain } from '../../shared/routing/table.ts'
import type { Explanation, RequestView } from '../../shared/routing/types.ts'
import type { ClusterAccess, HistoryRecord, StateReader } from '../ports.ts'
import type { NodeStore } from '../storage/node-store.ts'
import type { Applier } from './applier.ts'

/** The applied state as readers see it: the present from memory, the past from disk. */
export class NodeState implements StateReader {
  readonly #applier: Applier
  readonly #store: NodeStore

  constructor(applier: Applier, store: NodeStore) {
    this.#applier = applier
    this.#store = store
  }

  get revision(): number {
    return this.#applier.state.revision
  }

  get hash(): string {
    return this.#applier.state.hash
  }

  get compactedRevision(): number {
    return this.#applier.state.compactedRevision
  }

  get count(): number {
    return this.#applier.state.count
  }

  get access(): ClusterAccess | null {
    return this.#applier.state.access
  }

  get(kind: Kind, name: string): Definition | undefined {
    return this.#applier.state.get(kind, name)
  }

  list(kind?: Kind): Definition[] {
    return this.#applier.state.list(kind)
  }

  async history(range: {
    readonly after: number
    readonly upTo: number
    readonly limit: number
  }): Promise<HistoryRecord[]> {
    await this.#store.written(this.#applier.state.revision)
    return this.#store.past.history(range)
  }

  async historyOf(filter: {
    readonly kind?: Kind
    readonly name?: string
    readonly before?: number
    readonly limit: number
  }): Promise<HistoryRecord[]> {
    // Whoever was told that its write is applied finds it in the history.
    await this.#store.written(this.#applier.state.revision)
    return this.#store.past.historyOf(filter)
  }

  configAt(revision: number): Promise<Definition[]> {
    return this.#store.past.configAt(revision, this.#applier.state)
  }

  explain(request: RequestView): Explanation {
    return explain(this.#applier.state.table, request)
  }

  explainStream(question: StreamQuestion): StreamExplanation {
    return explainStream(this.#applier.state.table, question)
  }
}
