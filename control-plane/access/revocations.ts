import type { CertificateIdentity, CertificateRole } from '../../shared/certificate.ts'
import type { DefinitionChange } from '../../shared/changes.ts'
import type { RevocationSpec } from '../../shared/definitions/access.ts'
import type { Definition, Kind } from '../../shared/definitions/kinds.ts'

/** Where revocations are kept. */
type Source = {
  readonly state: { list(kind: Kind): readonly Definition[] }
  onApplied(
    listener: (change: { readonly changes: readonly DefinitionChange[] }) => void,
  ): () => void
  onReset(listener: () => void): () => void
}

/**
 * Certificates and their holders that the cluster has taken back, as this node's copy of the state has it: a Revocation
 * counts from the moment it is applied, until it is deleted.
 */
export class RevocationList {
  readonly #source: Source
  readonly #listeners = new Set<() => void>()
  readonly #stops: (() => void)[]
  /** Reason by `certificate/SERIAL`, `certificate/FINGERPRINT`, `node/NAME`, `gateway/NAME`; null when it may be old. */
  #reasons: ReadonlyMap<string, string> | null = null

  constructor(source: Source) {
    this.#source = source
    this.#stops = [
      source.onApplied(({ changes }) => {
        if (changes.some(isRevocation)) this.#changed()
      }),
      source.onReset(() => this.#changed()),
    ]
  }

  /** Why this certificate is no longer believed, by its number, its fingerprint or its holder; null while it is. */
  reasonFor({ role, name, serial, fingerprint }: CertificateIdentity): string | null {
    const reasons = this.#read()
    return (
      reasons.get(`certificate/${serial}`) ??
      reasons.get(`certificate/${fingerprint}`) ??
      reasons.get(`${role}/${name}`) ??
      null
    )
  }

  /** Why nobody of this name gets a certificate; null while they may. */
  reasonForHolder(role: CertificateRole, name: string): string | null {
    return this.#read().get(`${role}/${name}`) ?? null
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    for (const stop of this.#stops) stop()
    this.#listeners.clear()
  }

  #changed(): void {
    this.#reasons = null
    for (const hear of this.#listeners) hear()
  }

  #read(): ReadonlyMap<string, string> {
    this.#reasons ??= new Map(
      this.#source.state.list('Revocation').flatMap((definition) => {
        if (definition.kind !== 'Revocation') return []
        const reason = definition.spec.reason ?? `by Revocation ${definition.name}`
        return subjectsOf(definition.spec).map((subject) => [subject, reason] as const)
      }),
    )
    return this.#reasons
  }
}

function subjectsOf({ certificate, node, gateway }: RevocationSpec): string[] {
  if (certificate !== undefined) return [`certificate/${certificate}`]
  if (node !== undefined) return [`node/${node}`]
  return gateway === undefined ? [] : [`gateway/${gateway}`]
}

function isRevocation(change: DefinitionChange): boolean {
  return (change.op === 'put' ? change.definition.kind : change.kind) === 'Revocation'
}
