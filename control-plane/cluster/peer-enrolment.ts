import { z } from 'zod'
import { RaftwayError } from '../../shared/errors.ts'
import { ENROL_CALL_MS_MAX } from '../../shared/limits.ts'
import type { ControlPlane, PeerIdentity, PeerNote } from '../ports.ts'
import type { Credentials } from './credentials.ts'
import { enrolmentSchema, type EnrolmentAnswer, type EnrolmentDesk } from './enrolment.ts'

/** A node without a certificate asks a member; the member answers with EnrolmentAnswer, or says who leads. */
const enrolCallSchema = z.strictObject({ token: z.string().max(1_024), request: enrolmentSchema })

export type Referral = { readonly leader: string }

export const referralSchema = z.object({ leader: z.string().min(1).max(300) })

/** Whether a token is good for a role: its name, or why not, for people. */
export type VerifyToken = (
  text: string,
) => { readonly ok: true; readonly name: string; readonly role: string } | RefusedToken

type RefusedToken = { readonly ok: false; readonly reason: string }

/** Answers nodes that have a token and no certificate. UNAUTHENTICATED, NO_LEADER, NOT_FORMED, and as `enrol`. */
export async function answerEnrolment(
  call: PeerNote,
  parts: {
    readonly plane: ControlPlane
    readonly desk: EnrolmentDesk
    readonly verify: VerifyToken
  },
): Promise<EnrolmentAnswer | Referral> {
  const { plane, desk, verify } = parts
  if (call.type !== 'enrol') {
    throw new RaftwayError('PEER_REFUSED', 'a node without a certificate may do nothing but enrol')
  }
  const parsed = enrolCallSchema.safeParse(call.body)
  if (!parsed.success) throw new RaftwayError('INVALID_REQUEST', 'the enrolment is not as agreed')
  if (plane.identity === null) {
    throw new RaftwayError('NOT_FORMED', `${plane.self.name} belongs to no cluster yet`)
  }
  if (!plane.isLeader) {
    const leader = plane.leader()
    if (leader !== null) return { leader: leader.peer }
    throw new RaftwayError('NO_LEADER', 'no leader is known: try again')
  }
  // A leader that was just elected may not have applied the token yet.
  await plane.readBarrier(ENROL_CALL_MS_MAX)
  const { token, request } = parsed.data
  const verified = verify(token)
  if (!verified.ok)
    throw new RaftwayError('UNAUTHENTICATED', `the join token is refused: ${verified.reason}`)
  return desk.enrol(request, { type: 'token', ...verified })
}

/** The call by which a member gets the authority's seed. */
export const AUTHORITY_CALL = 'authority'

/** What a member that asks is given. */
export const authorityAnswerSchema = z.object({ seed: z.string().length(43) })

/**
 * Hands the authority's seed to a member, so that it can issue certificates when it leads. Over mutual TLS only: the
 * caller makes sure of that. PEER_REFUSED for nodes that are no members (yet); NOT_FORMED without a seed.
 */
export function handOverAuthority(
  from: PeerIdentity,
  plane: ControlPlane,
  credentials: Credentials,
): z.infer<typeof authorityAnswerSchema> {
  if (!plane.status().members.some(({ id }) => id === from.id)) {
    throw new RaftwayError(
      'PEER_REFUSED',
      `${from.name} is no member that ${plane.self.name} knows`,
    )
  }
  const { seed } = credentials
  if (seed === null) throw new RaftwayError('NOT_FORMED', `${plane.self.name} waits for it as well`)
  return { seed: Buffer.from(seed).toString('base64url') }
}
