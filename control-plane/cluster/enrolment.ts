import { createHash, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import type { CertificateRole } from '../../shared/certificate.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import { keyOfEnrolment, type EnrolmentRequest } from '../../shared/enrolment.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import {
  CERTIFICATE_HOSTS_MAX,
  ENROL_WRITES_MAX,
  HOST_CHARS_MAX,
  NAME_CHARS_MAX,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { ControlPlane } from '../ports.ts'
import type { Credentials } from './credentials.ts'

const hostSchema = z
  .string()
  .max(HOST_CHARS_MAX)
  .refine((host) => isIP(host) !== 0 || /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(host), {
    message: 'must be a host name or an address',
  })

const keySchema = z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'must be base64url')

/** What asks for a certificate, before anything of it is believed. */
export const enrolmentSchema = z.strictObject({
  role: z.enum(['node', 'gateway']),
  name: z
    .string()
    .max(HOST_CHARS_MAX)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'must be the name of a node or gateway'),
  nodeId: z.int().min(1).nullable(),
  hosts: z.array(hostSchema).max(CERTIFICATE_HOSTS_MAX),
  publicKey: keySchema,
  signature: keySchema,
})

/** What an enrolment comes to. PEM. */
export const enrolmentAnswerSchema = z.object({ certificate: z.string(), authority: z.string() })

export type EnrolmentAnswer = z.infer<typeof enrolmentAnswerSchema>

/** By what right a certificate is asked for; the caller of `enrol` has checked that it is good. */
export type EnrolmentRight =
  | { readonly type: 'token'; readonly name: string; readonly role: string }
  /** A certificate that is still valid: its holder renews it. */
  | { readonly type: 'certificate'; readonly role: string; readonly name: string }

export type EnrolmentParts = {
  readonly plane: ControlPlane
  readonly credentials: Credentials
  readonly reasonForHolder: (role: CertificateRole, name: string) => string | null
  readonly lifetimesMs: Readonly<Record<CertificateRole, number>>
  readonly logger: Logger
}

type TokenDefinition = Extract<Definition, { kind: 'Token' }>

/** Where nodes and gateways get their certificates, on the leader: uses of a token are counted in the replicated state. */
export class EnrolmentDesk {
  readonly #parts: EnrolmentParts

  constructor(parts: EnrolmentParts) {
    this.#parts = parts
  }

  /**
   * Issues a certificate. FORBIDDEN, TOKEN_USED_UP, INVALID_REQUEST, MEMBER_EXISTS, NOT_LEADER, and as `write`. Asking
   * again with the same key gives another certificate and is not counted.
   */
  async enrol(request: EnrolmentRequest, right: EnrolmentRight): Promise<EnrolmentAnswer> {
    const { credentials, lifetimesMs, logger, plane } = this.#parts
    const publicKey = this.#check(request, right)
    if (right.type === 'token') await this.#countUse(request, right.name)
    const { role, name, nodeId, hosts } = request
    const clusterId = plane.identity?.clusterId ?? null
    const lifetimeMs = lifetimesMs[role]
    const grant = { role, name, nodeId, hosts, clusterId, publicKey, lifetimeMs }
    const certificate = await credentials.issue(grant)
    const validTo = certificate.validToDate.toISOString()
    const by = `${right.type} ${right.name}`
    const serial = certificate.serialNumber.toLowerCase()
    logger.info({ role, name, serial, validTo, by }, 'a certificate was issued')
    return {
      certificate: certificate.toString(),
      authority: credentials.authority.toString(),
    }
  }

  #check(request: EnrolmentRequest, right: EnrolmentRight): KeyObject {
    const { role, name, nodeId, hosts } = request
    if (right.role !== role) {
      throw new RaftwayError('FORBIDDEN', `a ${right.type} of role ${right.role} enrols no ${role}`)
    }
    if (right.type === 'certificate' && right.name !== name) {
      throw new RaftwayError(
        'FORBIDDEN',
        `the certificate of ${right.name} cannot become ${name}’s`,
      )
    }
    const reason = this.#parts.reasonForHolder(role, name)
    if (reason !== null)
      throw new RaftwayError('FORBIDDEN', `${role} ${name} is revoked: ${reason}`)
    const isNode = role === 'node'
    const isWhole = isNode
      ? nodeId !== null && name.length <= NAME_CHARS_MAX
      : nodeId === null && hosts.length === 0
    const publicKey = keyOfEnrolment(request)
    if (!isWhole || publicKey === null) {
      throw new RaftwayError('INVALID_REQUEST', 'the enrolment is not signed by an Ed25519 key')
    }
    if (isNode) this.#checkMember(name, nodeId)
    return publicKey
  }

  /** Nobody gets a certificate in the name, or under the number, of another member. */
  #checkMember(name: string, nodeId: number | null): void {
    const { members } = this.#parts.plane.status()
    const other = members.find((one) => (one.name === name) !== (one.id === nodeId))
    if (other === undefined) return
    const detail = `${other.name} (${other.id}) is a member already: choose another name, or remove it first`
    throw new RaftwayError('MEMBER_EXISTS', detail)
  }

  async #countUse(request: EnrolmentRequest, tokenName: string): Promise<void> {
    const key = createHash('sha256').update(request.publicKey).digest('hex')
    const use = { name: request.name, key }
    for (let attempt = 1; ; attempt++) {
      const token = this.#parts.plane.state.get('Token', tokenName)
      if (token?.kind !== 'Token') {
        throw new RaftwayError('FORBIDDEN', 'the token is gone')
      }
      if (isCounted(token, use)) return
      try {
        return await this.#writeUse(token, use)
      } catch (error) {
        // Somebody else has used it meanwhile: whether there is a use left is looked at again.
        if (!isRaftwayError(error, 'REVISION_CONFLICT') || attempt >= ENROL_WRITES_MAX) throw error
      }
    }
  }

  async #writeUse(token: TokenDefinition, use: Use): Promise<void> {
    const { name, labels, spec, revision } = token
    const definition = {
      kind: 'Token' as const,
      name,
      ...(labels === undefined ? {} : { labels }),
      spec: { ...spec, enrolled: [...(spec.enrolled ?? []), use] },
    }
    await this.#parts.plane.write({
      key: null,
      author: `enrolment of ${use.name}`,
      message: `${spec.role} ${use.name} enrolled with token ${name}`,
      action: { type: 'operations', operations: [{ op: 'put', definition, ifRevision: revision }] },
      ifConfigRevision: null,
      dryRun: false,
    })
  }
}

type Use = { readonly name: string; readonly key: string }

/** Whether this use needs no counting (any more). TOKEN_USED_UP when there is none left for it. */
function isCounted({ name, spec }: TokenDefinition, use: Use): boolean {
  // One box, one token: whoever finds a used one in a shell history gets nothing for it.
  const usesMax = spec.maxUses ?? (spec.role === 'node' ? 1 : null)
  if (usesMax === null) return true
  const enrolled = spec.enrolled ?? []
  if (enrolled.some((one) => one.key === use.key && one.name === use.name)) return true
  if (enrolled.length < usesMax) return false
  const names = enrolled.map((one) => one.name).join(', ')
  throw new RaftwayError('TOKEN_USED_UP', `token ${name} has let in ${names}, and nobody else`)
}

/** By what right a caller of the API asks: who came without either has none that would do. */
export function rightOf(caller: {
  readonly via: 'local' | 'token' | 'certificate'
  readonly name: string
  readonly role: string
}): EnrolmentRight {
  const { via, name, role } = caller
  if (via === 'local')
    throw new RaftwayError('FORBIDDEN', 'enrolling takes a token or a certificate')
  return { type: via, name, role }
}
