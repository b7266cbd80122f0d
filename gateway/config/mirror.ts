import { ConfigHash } from '../../shared/config-hash.ts'
import type { DefinitionChange } from '../../shared/changes.ts'
import { keyOf, nameOfKey, nameOfText, type DefinitionName } from './definition-text.ts'

/** One step of a mirror: what became different, in no particular order. Texts are canonical definitions. */
export type Delta = {
  readonly revision: number
  /** Config hash after the step. */
  readonly hash: string
  readonly puts: readonly string[]
  readonly deletes: readonly DefinitionName[]
  /** What stood before, of everything that the step puts or deletes and that stood. */
  readonly before: ReadonlyMap<string, string>
}

/** A step that the mirror refuses; it stays as it was. */
type Refused = { readonly ok: false; readonly reason: string }
export type Stepped = { readonly ok: true; readonly delta: Delta } | Refused

/** The hash of a config without definitions. */
export const EMPTY_HASH = '0'.repeat(64)

/**
 * The config as the control plane has it: each definition as the text that was sent, and the hash over all of them,
 * which every step must reach. Whether a definition can be used is not its business.
 */
export class Mirror {
  #revision: number | null = null
  #hash = EMPTY_HASH
  #texts = new Map<string, string>()

  /** Null while there is no config. */
  get revision(): number | null {
    return this.#revision
  }

  get hash(): string {
    return this.#hash
  }

  /** Key → text, in no particular order. Changes with every step. */
  get texts(): ReadonlyMap<string, string> {
    return this.#texts
  }

  /** Takes over what a checksummed file kept. The hash is trusted; the next step will tell if it was wrong. */
  restore(saved: {
    readonly revision: number
    readonly hash: string
    readonly texts: ReadonlyMap<string, string>
  }): void {
    this.#revision = saved.revision
    this.#hash = saved.hash
    this.#texts = new Map(saved.texts)
  }

  /** One revision further. A revision that the mirror has already seen changes nothing: null. */
  change(line: {
    readonly revision: number
    readonly hash: string
    readonly changes: readonly DefinitionChange[]
  }): Stepped | null {
    if (this.#revision === null) return refused('a change came before any snapshot')
    if (line.revision <= this.#revision) return null
    const hash = ConfigHash.fromHex(this.#hash)
    const latest = new Map<string, string | null>()
    const before = new Map<string, string>()
    for (const change of line.changes) {
      const key = keyOf(change.op === 'put' ? change.definition : change)
      const standing = latest.has(key) ? latest.get(key) : this.#texts.get(key)
      if (typeof standing === 'string') hash.remove(standing)
      const was = this.#texts.get(key)
      if (was !== undefined) before.set(key, was)
      const text = change.op === 'put' ? JSON.stringify(change.definition) : null
      if (text !== null) hash.add(text)
      latest.set(key, text)
    }
    const reached = hash.toHex()
    if (reached !== line.hash) {
      return refused(`revision ${line.revision} has hash ${line.hash}, here it is ${reached}`)
    }
    for (const [key, text] of latest) {
      if (text === null) this.#texts.delete(key)
      else this.#texts.set(key, text)
    }
    return this.#step(line, latest, before)
  }

  /** Becomes what a whole snapshot says; the step is only what differs. */
  snapshot(whole: {
    readonly revision: number
    readonly hash: string
    readonly texts: readonly string[]
  }): Stepped {
    const hash = new ConfigHash()
    const texts = new Map<string, string>()
    const latest = new Map<string, string | null>()
    const before = new Map<string, string>()
    for (const text of whole.texts) {
      const name = nameOfText(text)
      if (name === null) return refused('a line of the snapshot is no definition')
      const key = keyOf(name)
      hash.add(text)
      texts.set(key, text)
      const was = this.#texts.get(key)
      if (was === text) continue
      latest.set(key, text)
      if (was !== undefined) before.set(key, was)
    }
    const reached = hash.toHex()
    if (reached !== whole.hash) {
      return refused(
        `the snapshot of revision ${whole.revision} has hash ${whole.hash}, here it is ${reached}`,
      )
    }
    for (const [key, text] of this.#texts) {
      if (texts.has(key)) continue
      latest.set(key, null)
      before.set(key, text)
    }
    this.#texts = texts
    return this.#step(whole, latest, before)
  }

  #step(
    to: { readonly revision: number; readonly hash: string },
    latest: ReadonlyMap<string, string | null>,
    before: ReadonlyMap<string, string>,
  ): Stepped {
    this.#revision = to.revision
    this.#hash = to.hash
    const puts: string[] = []
    const deletes: DefinitionName[] = []
    for (const [key, text] of latest) {
      if (text === null) deletes.push(nameOfKey(key))
      else puts.push(text)
    }
    return { ok: true, delta: { revision: to.revision, hash: to.hash, puts, deletes, before } }
  }
}

function refused(reason: string): Refused {
  return { ok: false, reason }
}
