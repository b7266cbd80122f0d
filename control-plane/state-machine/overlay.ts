import { definitionKey } from '../../shared/changes.ts'
import { KIND_NAMES, type Definition, type Kind } from '../../shared/definitions/kinds.ts'
import type { HistoryChange } from '../ports.ts'
import type { ReplicatedState } from './state.ts'

type Layer = {
  readonly kind: Kind
  readonly name: string
  /** Null: it will be gone. */
  readonly definition: Definition | null
  /** Whose change this is; the newest wins. */
  readonly owner: object
}

/** What writes in flight will change, laid over the definitions of the applied state. O(changes) to put on and off. */
export class Overlay {
  readonly #state: ReplicatedState
  readonly #layers = new Map<string, Layer>()

  constructor(state: ReplicatedState) {
    this.#state = state
  }

  get(kind: Kind, name: string): Definition | undefined {
    const layer = this.#layers.get(definitionKey(kind, name))
    return layer === undefined ? this.#state.get(kind, name) : (layer.definition ?? undefined)
  }

  /** In the order of KINDS, then by name. */
  list(): readonly Definition[] {
    const applied = this.#state.list()
    if (this.#layers.size === 0) return applied
    const untouched = applied.filter(
      ({ kind, name }) => !this.#layers.has(definitionKey(kind, name)),
    )
    const changed = [...this.#layers.values()].flatMap(({ definition }) => definition ?? [])
    return [...untouched, ...changed].sort(byKindAndName)
  }

  /** Lays changes on top, in `owner`'s name. */
  put(changes: readonly HistoryChange[], owner: object): void {
    for (const { kind, name, after } of changes) {
      this.#layers.set(definitionKey(kind, name), { kind, name, definition: after, owner })
    }
  }

  /** Takes off what `owner` laid and nobody covered since: the applied state now says the same. */
  settle(changes: readonly HistoryChange[], owner: object): void {
    for (const { kind, name } of changes) {
      const key = definitionKey(kind, name)
      if (this.#layers.get(key)?.owner === owner) this.#layers.delete(key)
    }
  }

  clear(): void {
    this.#layers.clear()
  }
}

/** The order of a config: kinds as KINDS has them, then names by code units. */
export function byKindAndName(a: Definition, b: Definition): number {
  if (a.kind !== b.kind) return KIND_NAMES.indexOf(a.kind) - KIND_NAMES.indexOf(b.kind)
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
