import type { ApiSpec } from '../../shared/definitions/api.ts'
import type { SealKeys } from '../../shared/definitions/seal.ts'
import type { SecretSpec } from '../../shared/definitions/secret.ts'
import { describeError } from '../../shared/errors.ts'
import type { Quarantined } from '../../shared/routing/types.ts'
import { nameOfText, type DefinitionName } from '../config/definition-text.ts'
import { openedText } from './open.ts'

/**
 * The Secrets that a worker can open, by name. One that is not there, or that cannot be opened, is told of as in quarantine,
 * and so is every Api with a plugin that needs it: what needs a secret refuses requests without it.
 */
export class Secrets {
  readonly #keys: SealKeys
  readonly #texts = new Map<string, string>()
  /** Name → why it cannot be opened. */
  readonly #unusable = new Map<string, string>()
  /** Api → names of the Secrets that its plugins need. */
  readonly #needs = new Map<string, ReadonlySet<string>>()
  #version = 0
  #quarantined: readonly Quarantined[] = []

  constructor(keys: SealKeys) {
    this.#keys = keys
  }

  /** Another number whenever any Secret changes: what was made of one is void then. */
  get version(): number {
    return this.#version
  }

  /** The text of a Secret; null when it is not there or cannot be opened. Whoever needs it must then refuse. */
  get(name: string): string | null {
    return this.#texts.get(name) ?? null
  }

  /** Takes Secrets, and who needs them, out of definitions as they come. Returns what cannot be used. Never throws. */
  adopt(puts: readonly string[], deletes: readonly DefinitionName[]): readonly Quarantined[] {
    let isChanged = false
    for (const { kind, name } of deletes) {
      if (kind === 'Secret') isChanged = this.#forget(name) || isChanged
      if (kind === 'Api') isChanged = this.#needs.delete(name) || isChanged
    }
    for (const text of puts) {
      const named = nameOfText(text)
      if (named?.kind === 'Secret') {
        this.#put(text)
        isChanged = true
      } else if (named?.kind === 'Api') {
        isChanged = this.#need(named.name, text) || isChanged
      }
    }
    if (isChanged) this.#quarantined = [...this.#findUnusable()]
    return this.#quarantined
  }

  #put(text: string): void {
    // The schemas have seen it: here, or in the node that has the same ones.
    const { name, spec } = JSON.parse(text) as { name: string; spec: SecretSpec }
    this.#forget(name)
    this.#version += 1
    try {
      const place = { kind: 'Secret', name, path: 'spec.value' }
      this.#texts.set(name, openedText(this.#keys, place, spec.value))
    } catch (error) {
      // The form before is not used: it may have been replaced because somebody knows it.
      this.#unusable.set(name, describeError(error))
    }
  }

  #forget(name: string): boolean {
    const isUnusable = this.#unusable.delete(name)
    const isKnown = this.#texts.delete(name)
    if (isKnown) this.#version += 1
    return isKnown || isUnusable
  }

  /** Returns whether the Api needs secrets now, or did before. */
  #need(name: string, text: string): boolean {
    // Most Apis need none: their text is not parsed for that.
    if (!text.includes('"secret":')) return this.#needs.delete(name)
    const names = secretsNeeded(text)
    if (names.size === 0) return this.#needs.delete(name)
    this.#needs.set(name, names)
    return true
  }

  *#findUnusable(): Generator<Quarantined> {
    for (const [name, reason] of this.#unusable) yield { kind: 'Secret', name, reason }
    for (const [name, needed] of this.#needs) {
      const missing = Array.from(needed).find((each) => !this.#texts.has(each))
      if (missing === undefined) continue
      const reason = `a plugin needs the Secret "${missing}", which cannot be used here: requests are refused`
      yield { kind: 'Api', name, reason }
    }
  }
}

/** What plugins of an Api and its routes name as `{"secret": "name"}`. Empty for a text that is no definition. */
function secretsNeeded(text: string): ReadonlySet<string> {
  const names = new Set<string>()
  try {
    const { spec } = JSON.parse(text) as { spec: ApiSpec }
    collect(spec.plugins, names)
    for (const { plugins } of spec.routes) collect(plugins, names)
  } catch {
    // Whoever compiles it says what is wrong.
  }
  return names
}

function collect(value: unknown, names: Set<string>): void {
  if (value === null || typeof value !== 'object') return
  for (const [member, each] of Object.entries(value)) {
    if (member === 'secret' && typeof each === 'string') names.add(each)
    else collect(each, names)
  }
}
