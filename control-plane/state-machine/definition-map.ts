import { KIND_NAMES, type Definition, type Kind } from '../../shared/definitions/kinds.ts'

/** The definitions of one state by kind and name. */
export class DefinitionMap {
  readonly #byKind = new Map<Kind, Map<string, Definition>>(
    KIND_NAMES.map((kind) => [kind, new Map()]),
  )
  /** Names in order, made when somebody lists and dropped when a name comes or goes. */
  readonly #sorted = new Map<Kind, readonly string[]>()
  #count = 0

  get count(): number {
    return this.#count
  }

  get(kind: Kind, name: string): Definition | undefined {
    return this.#byKind.get(kind)?.get(name)
  }

  /** Puts a definition in place of whatever had its kind and name. */
  set(definition: Definition): void {
    const { kind, name } = definition
    let byName = this.#byKind.get(kind)
    if (byName === undefined) this.#byKind.set(kind, (byName = new Map()))
    if (!byName.has(name)) {
      this.#count++
      this.#sorted.delete(kind)
    }
    byName.set(name, definition)
  }

  /** Takes a definition away; nothing happens when there is none. */
  delete(kind: Kind, name: string): void {
    if (this.#byKind.get(kind)?.delete(name) !== true) return
    this.#count--
    this.#sorted.delete(kind)
  }

  /** Of one kind, or of all in the order of KINDS; by name in code units. The array is the caller's. */
  list(kind?: Kind): Definition[] {
    const definitions: Definition[] = []
    for (const each of kind === undefined ? KIND_NAMES : [kind]) {
      const byName = this.#byKind.get(each)
      for (const name of this.#names(each)) {
        const definition = byName?.get(name)
        if (definition !== undefined) definitions.push(definition)
      }
    }
    return definitions
  }

  /** A map restored from disk is in order already, and new names come last: the sort finds long runs. */
  #names(kind: Kind): readonly string[] {
    const known = this.#sorted.get(kind)
    if (known !== undefined) return known
    const names = [...(this.#byKind.get(kind)?.keys() ?? [])].sort()
    this.#sorted.set(kind, names)
    return names
  }
}
