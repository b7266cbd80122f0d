import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import { nameOfText, type DefinitionName } from '../config/definition-text.ts'
import { consumerOf, momentOf, type Consumer } from './consumer.ts'
import { Identity } from './identity.ts'

/** An API key that is known. */
export type KnownKey = {
  readonly identity: Identity
  readonly isEnabled: boolean
  /** Milliseconds since 1970; Infinity: never. */
  readonly expiresAtMs: number
}

/** The Consumers that a worker knows, by name and by what they show. */
export class Consumers {
  readonly #byName = new Map<string, Consumer>()
  readonly #byKey = new Map<string, KnownKey>()
  #version = 0

  /** Another number whenever any Consumer changes: what was remembered of one is void then. */
  get version(): number {
    return this.#version
  }

  /** Takes Consumers out of definitions as they come. */
  adopt(puts: readonly string[], deletes: readonly DefinitionName[]): void {
    for (const { kind, name } of deletes) if (kind === 'Consumer') this.#remove(name)
    for (const text of puts) if (nameOfText(text)?.kind === 'Consumer') this.#put(text)
  }

  byName(name: string): Consumer | null {
    return this.#byName.get(name) ?? null
  }

  /** By `hashApiKey` of the key. */
  byKey(hash: string): KnownKey | null {
    return this.#byKey.get(hash) ?? null
  }

  #put(text: string): void {
    // The schemas have seen it: here, or in the node that has the same ones.
    const { name, labels, spec } = JSON.parse(text) as {
      name: string
      labels?: Record<string, string>
      spec: ConsumerSpec
    }
    this.#remove(name)
    this.#version += 1
    const consumer = consumerOf(name, labels, spec)
    this.#byName.set(name, consumer)
    for (const key of spec.credentials?.keys ?? []) {
      this.#byKey.set(key.hash, {
        identity: new Identity({ consumer, credential: key.name, key: key.hash }),
        isEnabled: key.enabled ?? true,
        expiresAtMs: momentOf(key.expiresAt),
      })
    }
  }

  #remove(name: string): void {
    const consumer = this.#byName.get(name)
    if (consumer === undefined) return
    this.#version += 1
    this.#byName.delete(name)
    for (const { hash } of consumer.spec.credentials?.keys ?? []) {
      if (this.#byKey.get(hash)?.identity.consumer === consumer) this.#byKey.delete(hash)
    }
  }
}
