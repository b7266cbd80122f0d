import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'
import { assert } from '../../shared/assert.ts'
import {
  fingerprintOf,
  judgeCertificate,
  readCertificate,
  type CertificateIdentity,
} from '../../shared/certificate.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import { CERTIFICATE_BACKDATE_MS, CERTIFICATE_CHECK_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { NodeCredentials } from '../ports.ts'
import { openAuthority, type Authority, type CertificateRequest } from './authority.ts'
import type { CredentialFiles, KeyPair } from './credential-files.ts'

/** Who the certificate of this node is for. */
export type Subject = {
  readonly name: string
  readonly nodeId: number
  /** Null while the node belongs to no cluster. */
  readonly clusterId: string | null
  /** Names and addresses that it is reached by. */
  readonly hosts: readonly string[]
}

export type CredentialsParts = {
  readonly files: CredentialFiles
  readonly clock: Clock
  readonly logger: Logger
  /** Of the certificates that are issued here. Milliseconds. */
  readonly lifetimeMs: number
}

/** Whom to issue a certificate for, and for how long. */
export type Grant = Pick<
  CertificateRequest,
  'role' | 'name' | 'nodeId' | 'clusterId' | 'publicKey' | 'hosts'
> & { readonly lifetimeMs: number }

type Held = {
  readonly pair: KeyPair
  readonly certificate: X509Certificate
  readonly identity: CertificateIdentity
}

/**
 * This node's certificate, always a valid one: renewed once two thirds of its life are over, without a restart, by the
 * node itself if it has the authority's seed. A renewal has a new key. The disk has a pair before anybody sees it.
 */
export class Credentials implements NodeCredentials {
  readonly authority: X509Certificate
  /** As tokens carry it. */
  readonly fingerprint: string
  readonly #parts: CredentialsParts
  readonly #listeners = new Set<() => void>()
  #issuer: Authority | null
  #subject: Subject
  #held: Held
  #cancel: () => void = () => {}
  /** Renewals wait for each other. */
  #turn: Promise<void> = Promise.resolve()
  #isClosed = false

  /** With the authority at hand: keeps the pair on disk if it is still good for `subject`, else issues one. */
  static async own(
    authority: Authority,
    subject: Subject,
    parts: CredentialsParts,
  ): Promise<Credentials> {
    const { files, clock } = parts
    await files.writeSeed(authority.seed)
    await files.writeAuthority(authority.certificate.toString())
    const known = readHeld(await files.readPair(), authority.certificate, clock.now())
    const isGood = known !== null && isFor(known, subject) && dueMs(known) > clock.now()
    const held = isGood ? known : await issuePair(authority, subject, parts)
    return new Credentials(
      { authority: authority.certificate, issuer: authority, held },
      subject,
      parts,
    )
  }

  /** With nothing but a pair from somebody who has the authority; null if it is no good (any more) for `subject`. */
  static lent(
    authority: X509Certificate,
    pair: KeyPair,
    subject: Subject,
    parts: CredentialsParts,
  ): Credentials | null {
    const held = readHeld(pair, authority, parts.clock.now())
    if (held === null || held.identity.nodeId !== subject.nodeId) return null
    if (held.identity.name !== subject.name) return null
    return new Credentials({ authority, issuer: null, held }, subject, parts)
  }

  private constructor(
    kept: {
      readonly authority: X509Certificate
      readonly issuer: Authority | null
      readonly held: Held
    },
    subject: Subject,
    parts: CredentialsParts,
  ) {
    this.authority = kept.authority
    this.fingerprint = fingerprintOf(kept.authority.raw)
    this.#issuer = kept.issuer
    this.#held = kept.held
    this.#subject = subject
    this.#parts = parts
    this.#schedule()
  }

  get pair(): { readonly key: string; readonly cert: string } {
    const { key, cert } = this.#held.pair
    return { key, cert: cert + this.authority.toString() }
  }

  /** What the newest certificate says of this node. */
  get identity(): CertificateIdentity {
    return this.#held.identity
  }

  /** The secret of the authority; null while this node has not been given it. */
  get seed(): Uint8Array | null {
    return this.#issuer?.seed ?? null
  }

  onRenewal(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The node has been given the authority's seed: from now on it can issue. PEER_REFUSED if it is of another one. */
  async takeSeed(seed: Uint8Array): Promise<void> {
    const issuer = await openAuthority(seed)
    if (issuer.fingerprint !== this.fingerprint) {
      throw new RaftwayError('PEER_REFUSED', 'a peer handed over the seed of another authority')
    }
    await this.#parts.files.writeSeed(seed)
    this.#issuer = issuer
    this.#schedule()
  }

  /**
   * The subject has changed, as when the node has found its cluster. Resolves when the certificate says so; without the
   * seed the next one will.
   */
  describe(subject: Subject): Promise<void> {
    this.#subject = subject
    return this.#inTurn(async () => {
      if (this.#issuer !== null && !isFor(this.#held, this.#subject)) await this.#renew()
    })
  }

  /** Puts the authority's name to a certificate for someone else; NOT_FORMED while this node cannot. */
  issue(grant: Grant): Promise<X509Certificate> {
    if (this.#issuer !== null) return issueFor(this.#issuer, grant, this.#parts.clock.now())
    const detail = 'this node has not been given the cluster authority yet'
    return Promise.reject(new RaftwayError('NOT_FORMED', detail))
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
    this.#listeners.clear()
  }

  #schedule(): void {
    this.#cancel()
    if (this.#isClosed) return
    const { clock, logger } = this.#parts
    const waitMs = Math.max(0, dueMs(this.#held) - clock.now())
    // Looked at now and then, because a clock may be set, and a machine may sleep.
    const check = (): void => {
      void this.#inTurn(() => this.#renewIfDue())
        .catch((error: unknown) => {
          const detail = `the certificate of this node is not renewed: ${describeError(error)}`
          logger.error({ validTo: new Date(this.identity.validToMs).toISOString() }, detail)
        })
        .finally(() => this.#schedule())
    }
    this.#cancel = clock.after(Math.min(CERTIFICATE_CHECK_MS, Math.max(waitMs, RETRY_MS)), check)
  }

  async #renewIfDue(): Promise<void> {
    if (!this.#isClosed && this.#parts.clock.now() >= dueMs(this.#held)) await this.#renew()
  }

  async #renew(): Promise<void> {
    if (this.#issuer === null) {
      throw new RaftwayError('NOT_FORMED', 'no member has handed over the cluster authority yet')
    }
    this.#held = await issuePair(this.#issuer, this.#subject, this.#parts)
    const { serial, validToMs } = this.identity
    const validTo = new Date(validToMs).toISOString()
    this.#parts.logger.info({ serial, validTo }, 'this node has a new certificate')
    for (const hear of this.#listeners) hear()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    // Whoever asked hears of a failure; the next renewal does not depend on it.
    this.#turn = done.catch(() => {})
    return done
  }
}

/** Between two attempts of a renewal that fails. */
const RETRY_MS = 1_000

/** When two thirds of its life are over. */
function dueMs({ certificate, identity }: Held): number {
  const issuedMs = certificate.validFromDate.getTime() + CERTIFICATE_BACKDATE_MS
  return issuedMs + ((identity.validToMs - issuedMs) * 2) / 3
}

async function issuePair(
  authority: Authority,
  subject: Subject,
  { files, clock, lifetimeMs }: CredentialsParts,
): Promise<Held> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const grant = { ...subject, role: 'node' as const, publicKey, lifetimeMs }
  const certificate = await issueFor(authority, grant, clock.now())
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const pair = { key, cert: certificate.toString() }
  await files.writePair(pair)
  const held = readHeld(pair, authority.certificate, clock.now())
  assert(held !== null, 'what the authority has just issued is believed')
  return held
}

function issueFor(
  authority: Authority,
  { lifetimeMs, ...grant }: Grant,
  nowMs: number,
): Promise<X509Certificate> {
  return authority.issue({
    ...grant,
    // Clocks of other machines may be behind.
    validFromMs: nowMs - CERTIFICATE_BACKDATE_MS,
    validToMs: nowMs + lifetimeMs,
    serial: randomBytes(16).toString('hex'),
  })
}

/** Null for a pair that is damaged, or whose certificate is not believed now. */
function readHeld(pair: KeyPair | null, authority: X509Certificate, nowMs: number): Held | null {
  const certificate = pair === null ? null : readCertificate(pair.cert)
  if (pair === null || certificate === null) return null
  const judged = judgeCertificate(certificate, authority, nowMs)
  if (!judged.ok || !holdsKey(certificate, pair.key)) return null
  return { pair, certificate, identity: judged.identity }
}

function holdsKey(certificate: X509Certificate, key: string): boolean {
  try {
    return createPublicKey(createPrivateKey(key)).equals(certificate.publicKey)
  } catch {
    return false
  }
}

function isFor({ identity, certificate }: Held, subject: Subject): boolean {
  const { name, nodeId, clusterId, hosts } = subject
  return (
    identity.name === name &&
    identity.nodeId === nodeId &&
    identity.clusterId === clusterId &&
    hosts.every((host) => names(certificate, host))
  )
}

function names(certificate: X509Certificate, host: string): boolean {
  const found = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)
  return found !== undefined
}
