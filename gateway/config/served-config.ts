import type { Quarantined } from '../../shared/routing/types.ts'
import { keyOf, nameOfKey, nameOfText, type DefinitionName } from './definition-text.ts'
import type { LoadedConfig, SavedConfig } from './last-good-file.ts'
import { EMPTY_HASH, Mirror, type Delta } from './mirror.ts'

/** What workers are told: canonical texts to adopt, and names to forget. */
export type WorkerChange = {
  readonly puts: readonly string[]
  readonly deletes: readonly DefinitionName[]
}

/** Why a text cannot be used, or null. */
export type CheckText = (text: string) => string | null

/**
 * What the gateway serves: the mirror, and beside it whatever stands in for definitions that cannot be used here: those
 * that the schemas of this version refuse, and those that the workers could not compile.
 */
export class ServedConfig {
  readonly mirror = new Mirror()
  /** Key → why the schemas refuse it. */
  readonly #refused = new Map<string, string>()
  /** Key → last good text of what cannot be used. */
  readonly #inForce = new Map<string, string>()
  /** Key → form that stood before a step that the workers have not yet answered. */
  readonly #before = new Map<string, string>()
  #uncompiled: readonly Quarantined[] = []
  #uncompiledKeys: ReadonlySet<string> = new Set()

  /** Everything that cannot be used as it is, with the reason. */
  get quarantined(): readonly Quarantined[] {
    const refused = [...this.#refused].map(([key, reason]) => ({ ...nameOfKey(key), reason }))
    return [...refused, ...this.#uncompiled]
  }

  /** Takes over what a file kept; `check` for one that another version wrote. Give the workers `whole()` afterwards. */
  restore(loaded: LoadedConfig, check: CheckText | null): void {
    const texts = loaded.readTexts()
    this.mirror.restore({ revision: loaded.revision, hash: loaded.hash, texts })
    for (const [key, text] of loaded.inForce) this.#inForce.set(key, text)
    for (const [key, text] of check === null ? [] : texts) {
      const reason = check?.(text) ?? null
      if (reason !== null) this.#refused.set(key, reason)
    }
    if (check === null) {
      for (const [key, reason] of loaded.refused) this.#refused.set(key, reason)
    }
    // Until the workers have tried, what something stands in for is taken to be unusable still.
    const standIns = [...loaded.inForce.keys()].filter((key) => !this.#refused.has(key))
    this.#uncompiledKeys = new Set(standIns)
  }

  /** One step of the mirror as the workers are to see it. `reasons`: key → why a put cannot be used. */
  step(delta: Delta, reasons: ReadonlyMap<string, string>): WorkerChange {
    const puts: string[] = []
    for (const text of delta.puts) {
      const name = nameOfText(text)
      if (name === null) continue
      const key = keyOf(name)
      this.#remember(key, delta)
      const reason = reasons.get(key)
      if (reason === undefined) {
        this.#refused.delete(key)
        puts.push(text)
        continue
      }
      this.#refused.set(key, reason)
      const standing = this.#before.get(key)
      if (standing !== undefined) this.#inForce.set(key, standing)
    }
    for (const name of delta.deletes) {
      const key = keyOf(name)
      this.#remember(key, delta)
      this.#refused.delete(key)
    }
    return { puts, deletes: delta.deletes }
  }

  /**
   * The workers have adopted every step, and say what they could not compile. Returns whether what stands in for
   * something has changed.
   */
  acknowledged(uncompiled: readonly Quarantined[]): boolean {
    const keys = new Set(uncompiled.map(keyOf))
    this.#uncompiled = uncompiled
    this.#uncompiledKeys = keys
    let isChanged = false
    for (const key of keys) {
      const standing = this.#before.get(key)
      if (this.#inForce.has(key) || standing === undefined) continue
      this.#inForce.set(key, standing)
      isChanged = true
    }
    for (const key of this.#inForce.keys()) {
      if (keys.has(key) || this.#refused.has(key)) continue
      this.#inForce.delete(key)
      isChanged = true
    }
    this.#before.clear()
    return isChanged
  }

  /** Everything, for a worker that has nothing: first what can be used, then what is to be held back again. */
  whole(): readonly WorkerChange[] {
    const puts: string[] = []
    const heldBack: string[] = []
    for (const [key, text] of this.mirror.texts) {
      if (this.#refused.has(key)) continue
      if (this.#uncompiledKeys.has(key)) heldBack.push(text)
      else puts.push(text)
    }
    puts.push(...this.#inForce.values())
    const gone = [...this.#inForce.keys()].filter((key) => !this.mirror.texts.has(key))
    const first = { puts, deletes: [] }
    const deletes = gone.map(nameOfKey)
    return heldBack.length + deletes.length === 0 ? [first] : [first, { puts: heldBack, deletes }]
  }

  /** For the last-good file, or null while there is no config. Shares its maps: read at once, or copy. */
  saved(): SavedConfig | null {
    const { revision, hash, texts } = this.mirror
    if (revision === null) return null
    return { revision, hash, texts, inForce: this.#inForce, refused: this.#refused }
  }

  get revision(): number {
    return this.mirror.revision ?? 0
  }

  get hash(): string {
    return this.mirror.revision === null ? EMPTY_HASH : this.mirror.hash
  }

  /** Keeps the form that was in force before a step, until the workers say whether the new one can be used. */
  #remember(key: string, delta: Delta): void {
    if (this.#before.has(key)) return
    const isUnused = this.#refused.has(key) || this.#uncompiledKeys.has(key)
    const standing = this.#inForce.get(key) ?? (isUnused ? undefined : delta.before.get(key))
    if (standing !== undefined) this.#before.set(key, standing)
  }
}
