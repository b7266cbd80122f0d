// Authorities, certificates and revocations for tests, and a logger that keeps what it hears.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { openAuthority, type Authority } from '../../../control-plane/cluster/authority.ts'
import type { NodeCredentials, Revocations } from '../../../control-plane/ports.ts'
import { tlsLinks } from '../../../control-plane/transport/tls-links.ts'
import type { LinkPort } from '../../../control-plane/transport/links.ts'
import { SYSTEM_CLOCK } from '../../../control-plane/system-clock.ts'
import type { CertificateIdentity, CertificateRole } from '../../../shared/certificate.ts'
import { SILENT, type Logger } from '../../../shared/logger.ts'

export function anAuthority(seed = randomBytes(32)): Promise<Authority> {
  return openAuthority(seed)
}

export type Wanted = {
  readonly role?: CertificateRole
  readonly name?: string
  readonly nodeId?: number | null
  readonly clusterId?: string | null
  readonly hosts?: readonly string[]
  readonly validFromMs?: number
  readonly validToMs?: number
}

/** A key with a certificate of this authority: of node 1 of cluster `one`, valid for an hour, unless said otherwise. */
export async function aPair(
  authority: Authority,
  wanted: Wanted = {},
): Promise<{ readonly key: string; readonly cert: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const role = wanted.role ?? 'node'
  const nodeId = role === 'gateway' ? null : (wanted.nodeId ?? 1)
  const certificate = await authority.issue({
    role,
    name: wanted.name ?? `n${nodeId ?? 1}`,
    nodeId,
    clusterId: wanted.clusterId === undefined ? 'one' : wanted.clusterId,
    publicKey,
    hosts: wanted.hosts ?? ['localhost', '127.0.0.1'],
    validFromMs: wanted.validFromMs ?? Date.now() - 60_000,
    validToMs: wanted.validToMs ?? Date.now() + 3_600_000,
    serial: randomBytes(16).toString('hex'),
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key, cert: certificate.toString() + authority.certificate.toString() }
}

/** Credentials whose pair a test exchanges. */
export class TestCredentials implements NodeCredentials {
  readonly authority
  pair: { readonly key: string; readonly cert: string }
  readonly #listeners = new Set<() => void>()

  constructor(authority: Authority, pair: { readonly key: string; readonly cert: string }) {
    this.authority = authority.certificate
    this.pair = pair
  }

  renew(pair: { readonly key: string; readonly cert: string }): void {
    this.pair = pair
    for (const hear of this.#listeners) hear()
  }

  onRenewal(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** Nothing is revoked until a test says so. */
export class TestRevocations implements Revocations {
  readonly names = new Set<string>()
  readonly #listeners = new Set<() => void>()

  revoke(name: string): void {
    this.names.add(name)
    for (const hear of this.#listeners) hear()
  }

  reasonFor(certificate: CertificateIdentity): string | null {
    return this.names.has(certificate.name) ? 'lost' : null
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** Links of a node with these certificates. */
export function linksOf(parts: {
  readonly credentials: NodeCredentials
  readonly revocations?: Revocations
  readonly logger?: Logger
}): LinkPort {
  const { credentials, revocations = new TestRevocations(), logger = SILENT } = parts
  return tlsLinks({ credentials, revocations, clock: SYSTEM_CLOCK, logger })
}

/** Keeps every line, as text. */
export class LineLogger implements Logger {
  readonly lines: string[] = []

  debug(fields: object, message: string): void {
    this.#keep(fields, message)
  }

  info(fields: object, message: string): void {
    this.#keep(fields, message)
  }

  warn(fields: object, message: string): void {
    this.#keep(fields, message)
  }

  error(fields: object, message: string): void {
    this.#keep(fields, message)
  }

  has(text: string): boolean {
    return this.lines.some((line) => line.includes(text))
  }

  #keep(fields: object, message: string): void {
    const plain = (_key: string, value: unknown): unknown =>
      value instanceof Error ? `${value.name}: ${value.message}` : value
    this.lines.push(`${message} ${JSON.stringify(fields, plain)}`)
  }
}
