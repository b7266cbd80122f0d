import { hostname } from 'node:os'
import { zodIssues } from '../shared/definitions/issues.ts'
import { parseToken, type TokenText } from '../shared/token-text.ts'
import type { SealKeys } from '../shared/definitions/seal.ts'
import { RaftwayError } from '../shared/errors.ts'
import { GATEWAY_CERTIFICATE_LIFETIME_MS_DEFAULT } from '../shared/limits.ts'
import type { Logger } from '../shared/logger.ts'
import { RevocationList } from './access/revocations.ts'
import { accessViewOf, verifyToken } from './access/verify-token.ts'
import { GivenPair } from './api/given-pair.ts'
import type { CertificateDesk } from './api/enrolment.ts'
import type { ApiTls } from './api/tls.ts'
import type { Clock } from './clock.ts'
import { seekAuthority } from './cluster/authority-seeker.ts'
import { CredentialFiles } from './cluster/credential-files.ts'
import { seedSeal } from './cluster/seed-seal.ts'
import type { Credentials, Subject } from './cluster/credentials.ts'
import { EnrolmentDesk, enrolmentSchema, rightOf } from './cluster/enrolment.ts'
import { openCredentials } from './cluster/entrance.ts'
import {
  answerEnrolment,
  AUTHORITY_CALL,
  handOverAuthority,
  type VerifyToken,
} from './cluster/peer-enrolment.ts'
import { isLoopbackHost, type CheckedServerOptions } from './options.ts'
import type {
  ControlPlane,
  Identity,
  NodeAddress,
  PeerHandler,
  PeerNote,
  Transport,
  Lookup,
} from './ports.ts'
import type { LinkPort } from './transport/links.ts'
import { openPinnedCalls } from './transport/pinned-calls.ts'
import { tlsLinks } from './transport/tls-links.ts'

export type SecurityParts = {
  readonly options: CheckedServerOptions
  readonly plane: ControlPlane
  readonly self: NodeAddress
  /** Null while the node belongs to no cluster. */
  readonly identity: Identity | null
  readonly clock: Clock
  readonly logger: Logger
  /** What the authority is kept under; none for as it is. */
  readonly sealKeys: SealKeys
  /** Looks the names of peers up. */
  readonly lookup: Lookup
}

/** Everything of a node that has to do with certificates; there is none in a node without TLS. */
export class Security {
  readonly credentials: Credentials
  readonly #desk: EnrolmentDesk
  readonly links: LinkPort
  readonly apiTls: ApiTls
  readonly apiDesk: CertificateDesk
  readonly #parts: SecurityParts
  readonly #subject: Subject
  readonly #revocations: RevocationList
  readonly #givenPair: GivenPair | null
  #stopSeeking: () => void = () => {}

  /** CERTIFICATE_MISSING, STORAGE_CORRUPT, INVALID_REQUEST, and what a member refuses an enrolment with. */
  static async open(parts: SecurityParts): Promise<Security> {
    const { options, self, identity, clock, logger } = parts
    const { apiCert: certFile, apiKey: keyFile } = options
    const subject = subjectOf(options, self, identity)
    const hasFiles = certFile !== null && keyFile !== null
    const given = hasFiles ? await GivenPair.open({ certFile, keyFile, clock, logger }) : null
    try {
      const credentials = await openCredentials({
        parts: {
          files: new CredentialFiles(options.dataDir, seedSeal(parts.sealKeys)),
          clock,
          logger,
          lifetimeMs: options.certLifetimeMs,
        },
        subject,
        token: readJoinToken(options.joinToken),
        join: options.join,
        lookup: parts.lookup,
        isFresh: identity === null,
        openCalls: (fingerprint) => {
          const asking = () => ({ ...self, clusterId: identity?.clusterId ?? null })
          return openPinnedCalls({ fingerprint, clock, self: asking })
        },
      })
      return new Security(parts, { subject, credentials, given })
    } catch (error) {
      given?.close()
      throw error
    }
  }

  private constructor(
    parts: SecurityParts,
    opened: {
      readonly subject: Subject
      readonly credentials: Credentials
      readonly given: GivenPair | null
    },
  ) {
    const { plane, clock, logger, options } = parts
    const { credentials, given } = opened
    const revocations = new RevocationList(plane)
    this.#parts = parts
    this.#subject = opened.subject
    this.#revocations = revocations
    this.#givenPair = given
    this.credentials = credentials
    this.links = tlsLinks({ credentials, revocations, clock, logger, lookup: parts.lookup })
    this.apiTls = { credentials, revocations, given }
    const desk = new EnrolmentDesk({
      plane,
      credentials,
      logger,
      reasonForHolder: (role, name) => revocations.reasonForHolder(role, name),
      lifetimesMs: {
        node: options.certLifetimeMs,
        gateway: Math.min(options.certLifetimeMs, GATEWAY_CERTIFICATE_LIFETIME_MS_DEFAULT),
      },
    })
    this.#desk = desk
    this.apiDesk = {
      authority: credentials.authority,
      enrol: (body, caller) => {
        const parsed = enrolmentSchema.safeParse(body)
        if (parsed.success) return desk.enrol(parsed.data, rightOf(caller))
        const issues = zodIssues(parsed.error, enrolmentSchema, '')
        throw new RaftwayError('INVALID_REQUEST', 'The enrolment is not valid.', { issues })
      },
    }
  }

  /** Answers nodes that have a join token and no certificate. */
  onEnrol(call: PeerNote): Promise<unknown> {
    const { plane, clock } = this.#parts
    const verify: VerifyToken = (text) => {
      const verified = verifyToken(accessViewOf(plane.state, null), text, clock.now(), null)
      if (!verified.ok) return { ok: false, reason: verified.reason }
      const { name, role } = verified.holder
      return { ok: true, name, role }
    }
    return answerEnrolment(call, { plane, desk: this.#desk, verify })
  }

  /** The same handler, which hands the authority over to members beside what it does. */
  handling(handler: PeerHandler): PeerHandler {
    return {
      onMessage: (message) => handler.onMessage(message),
      onNote: (from, note) => handler.onNote(from, note),
      onSnapshot: (message, chunks) => handler.onSnapshot(message, chunks),
      onUnreachable: (id) => handler.onUnreachable(id),
      // Every link that carries calls is a node's here, by its certificate.
      onCall: async (from, call) =>
        call.type === AUTHORITY_CALL
          ? handOverAuthority(from, this.#parts.plane, this.credentials)
          : handler.onCall(from, call),
    }
  }

  /** The node has found its cluster: its certificate says so from now on, and it has the authority or looks for it. */
  async onFormed({ clusterId }: Identity, call: Transport['call']): Promise<void> {
    const { plane, clock, logger } = this.#parts
    const { credentials } = this
    this.#stopSeeking = seekAuthority({ credentials, plane, call, clock, logger })
    await credentials.describe({ ...this.#subject, clusterId })
  }

  /** Looks at the files of the API's certificate now. */
  async reload(): Promise<void> {
    await this.#givenPair?.reload()
  }

  close(): void {
    this.#stopSeeking()
    this.#givenPair?.close()
    this.#revocations.close()
    this.credentials.close()
  }
}

function subjectOf(
  options: CheckedServerOptions,
  { id: nodeId, name }: NodeAddress,
  identity: Identity | null,
): Subject {
  const clusterId = identity?.clusterId ?? null
  return { name, nodeId, clusterId, hosts: hostsOf(options) }
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1'] as const
const WILDCARDS = ['0.0.0.0', '::']

/** Names and addresses that a node is reached by, as far as its options and its machine tell. */
function hostsOf({ api, peer, advertiseApi, advertisePeer }: CheckedServerOptions): string[] {
  const bound = [api.host, peer.host].map(withoutBrackets)
  const told = [
    ...(advertiseApi === null ? [] : [new URL(advertiseApi).hostname]),
    ...(advertisePeer === null ? [] : [advertisePeer.replace(/:\d+$/, '')]),
  ].map(withoutBrackets)
  const isLocal = bound.some((host) => isLoopbackHost(host) || WILDCARDS.includes(host))
  const machine = hostname().toLowerCase()
  const hosts = [...bound, ...told, ...(isLocal ? LOOPBACK : []), machine]
  const good = hosts.filter((host) => !WILDCARDS.includes(host) && /^[a-z0-9_.:-]+$/i.test(host))
  return [...new Set(good)]
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

function readJoinToken(text: string | null): TokenText | null {
  const token = text === null ? null : parseToken(text)
  if (token !== null || text === null) return token
  throw new RaftwayError('INVALID_REQUEST', 'options: joinToken: is not a token')
}
