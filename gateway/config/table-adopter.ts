import { definitionKey, type DefinitionChange } from '../../shared/changes.ts'
import { describeError } from '../../shared/errors.ts'
import { QUARANTINED_MAX } from '../../shared/limits.ts'
import { adoptChanges, upstreamOf, type Adopted } from '../../shared/routing/table.ts'
import type { Definition, Quarantined } from '../../shared/routing/types.ts'
import type { LiveUpstreams } from '../upstream/live-upstreams.ts'
import type { CurrentTable } from './current-table.ts'
import { keyOf, nameOfText, type DefinitionName } from './definition-text.ts'

/** Brings changes into the table that a worker serves: compile, swap, and what is alive, in one tick. */
export class TableAdopter {
  readonly #current: CurrentTable
  readonly #upstreams: LiveUpstreams
  /** Key → why a definition could not even be tried. */
  readonly #unusable = new Map<string, Quarantined>()

  constructor(current: CurrentTable, upstreams: LiveUpstreams) {
    this.#current = current
    this.#upstreams = upstreams
  }

  /** Returns everything that is in quarantine now, at most QUARANTINED_MAX. Never throws. */
  adopt(puts: readonly string[], deletes: readonly DefinitionName[]): readonly Quarantined[] {
    const changes: DefinitionChange[] = []
    for (const name of deletes) {
      this.#unusable.delete(keyOf(name))
      changes.push({ op: 'delete', ...name })
    }
    for (const text of puts) {
      const definition = this.#parse(text)
      if (definition !== null) changes.push({ op: 'put', definition })
    }
    const quarantined = this.#adoptAll(changes)
    return [...quarantined, ...this.#unusable.values()].slice(0, QUARANTINED_MAX)
  }

  #parse(text: string): Definition | null {
    try {
      // The schemas have seen it: here, or in the node that has the same ones.
      const definition = JSON.parse(text) as Definition
      this.#unusable.delete(definitionKey(definition.kind, definition.name))
      return definition
    } catch (error) {
      const name = nameOfText(text)
      if (name !== null) this.#unusable.set(keyOf(name), { ...name, reason: describeError(error) })
      return null
    }
  }

  /** One definition that stops the compiler must not keep all the others out. */
  #adoptAll(changes: readonly DefinitionChange[]): readonly Quarantined[] {
    try {
      return this.#swap(adoptChanges(this.#current.table, changes))
    } catch {
      let quarantined: readonly Quarantined[] = []
      for (const change of changes) {
        try {
          quarantined = this.#swap(adoptChanges(this.#current.table, [change]))
        } catch (error) {
          const { kind, name } = change.op === 'put' ? change.definition : change
          const reason = `cannot be compiled: ${describeError(error)}`
          this.#unusable.set(definitionKey(kind, name), { kind, name, reason })
        }
      }
      return quarantined
    }
  }

  #swap({
    table,
    quarantined,
    upstreamsChanged,
    upstreamsWatched,
  }: Adopted): readonly Quarantined[] {
    this.#current.swap(table)
    // A table compiles upstreams when they are first asked for: at a start nobody has asked for any.
    for (const key of upstreamsChanged) {
      if (this.#upstreams.has(key)) this.#upstreams.adopt(key, upstreamOf(table, key) ?? null)
    }
    for (const key of upstreamsWatched) {
      if (!this.#upstreams.has(key)) this.#upstreams.adopt(key, upstreamOf(table, key) ?? null)
    }
    return quarantined
  }
}
