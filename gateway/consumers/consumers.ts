import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { SecretPlace } from '../../shared/definitions/seal.ts'
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

/** A user name that is known. */
export type KnownLogin = {
  readonly identity: Identity
  /** argon2id of the password, as a PHC string. */
  readonly hash: string
}

/** What signatures are made with; the same object as long as its Consumer stays as it is. */
export type HmacSecret = {
  readonly identity: Identity
  /** As the definition has it: sealed, where there is a key. */
  readonly secret: unknown
  readonly place: SecretPlace
}

/** The Consumers that a worker knows, by name and by what they show. */
export class Consumers {
  readonly #byName = new Map<string, Consumer>()
  readonly #byKey = new Map<string, KnownKey>()
  readonly #byUsername = new Map<string, KnownLogin>()
  readonly #byHmacKey = new Map<string, HmacSecret>()
  readonly #byFingerprint = new Map<string, Identity>()
  readonly #bySubject = new Map<string, Consumer>()
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

  /** By the user name of a `basic` credential. */
  byUsername(username: string): KnownLogin | null {
    return this.#byUsername.get(username) ?? null
  }

  /** By the `keyId` of an `hmac` credential. */
  byHmacKey(keyId: string): HmacSecret | null {
    return this.#byHmacKey.get(keyId) ?? null
  }

  /** By the SHA-256 of a certificate, in lower-case hex. */
  byFingerprint(fingerprint: string): Identity | null {
    return this.#byFingerprint.get(fingerprint) ?? null
  }

  /** By the subject of a token, of its issuer or, failing that, of any. */
  bySubject(issuer: string, subject: string): Consumer | null {
    const found = this.#bySubject.get(subjectKey(issuer, subject))
    return found ?? this.#bySubject.get(subjectKey(undefined, subject)) ?? null
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
        identity: new Identity({
          consumer,
          credential: key.name,
          key: key.hash,
          createdAtMs: key.createdAt === undefined ? null : Date.parse(key.createdAt),
        }),
        isEnabled: key.enabled ?? true,
        expiresAtMs: momentOf(key.expiresAt),
      })
    }
    this.#putOthers(consumer)
  }

  /** What a Consumer shows beside keys. */
  #putOthers(consumer: Consumer): void {
    const { basic = [], hmac = [], certificates = [] } = consumer.spec.credentials ?? {}
    for (const { username, hash } of basic) {
      const key = `basic ${username}`
      const identity = new Identity({ consumer, credential: username, key })
      this.#byUsername.set(username, { identity, hash })
    }
    for (const [at, { keyId, secret }] of hmac.entries()) {
      const identity = new Identity({ consumer, credential: keyId, key: `hmac ${keyId}` })
      const path = `spec.credentials.hmac.${at}.secret`
      const place = { kind: 'Consumer', name: consumer.name, path }
      this.#byHmacKey.set(keyId, { identity, secret, place })
    }
    for (const { fingerprint } of certificates) {
      const key = `certificate ${fingerprint}`
      const identity = new Identity({ consumer, credential: fingerprint.slice(0, 16), key })
      this.#byFingerprint.set(fingerprint, identity)
    }
    for (const { issuer, subject } of consumer.spec.credentials?.subjects ?? []) {
      this.#bySubject.set(subjectKey(issuer, subject), consumer)
    }
  }

  #remove(name: string): void {
    const consumer = this.#byName.get(name)
    if (consumer === undefined) return
    this.#version += 1
    this.#byName.delete(name)
    const { keys = [], basic = [], hmac = [], certificates = [] } = consumer.spec.credentials ?? {}
    for (const { hash } of keys) {
      if (this.#byKey.get(hash)?.identity.consumer === consumer) this.#byKey.delete(hash)
    }
    for (const { username } of basic) {
      const known = this.#byUsername.get(username)
      if (known?.identity.consumer === consumer) this.#byUsername.delete(username)
    }
    for (const { keyId } of hmac) {
      const known = this.#byHmacKey.get(keyId)
      if (known?.identity.consumer === consumer) this.#byHmacKey.delete(keyId)
    }
    for (const { fingerprint } of certificates) {
      const known = this.#byFingerprint.get(fingerprint)
      if (known?.consumer === consumer) this.#byFingerprint.delete(fingerprint)
    }
    for (const { issuer, subject } of consumer.spec.credentials?.subjects ?? []) {
      const key = subjectKey(issuer, subject)
      if (this.#bySubject.get(key) === consumer) this.#bySubject.delete(key)
    }
  }
}

/** As JSON has it, so that no subject of one issuer can be one of another. */
function subjectKey(issuer: string | undefined, subject: string): string {
  return JSON.stringify([issuer ?? null, subject])
}
