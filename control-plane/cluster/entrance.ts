import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { fingerprintOf, readCertificate } from '../../shared/certificate.ts'
import { signEnrolment } from '../../shared/enrolment.ts'
import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import { ENROL_CALL_MS_MAX, ENROL_MS_MAX, ENROL_RETRY_MS } from '../../shared/limits.ts'
import { formatToken, type TokenText } from '../../shared/token-text.ts'
import type { Lookup, Transport } from '../ports.ts'
import { AUTHORITY_SEED_BYTES, openAuthority } from './authority.ts'
import { Credentials, type CredentialsParts, type Subject } from './credentials.ts'
import { enrolmentAnswerSchema, type EnrolmentAnswer } from './enrolment.ts'
import { expandJoin } from './join-list.ts'
import { referralSchema } from './peer-enrolment.ts'

/** Calls to nodes of one authority, made without a certificate of one's own. */
type PinnedCalls = { readonly call: Transport['call']; close(): void }

export type EntranceOptions = {
  readonly parts: CredentialsParts
  readonly subject: Subject
  /** Of `--join-token`, or null. */
  readonly token: TokenText | null
  /** Peer addresses. */
  readonly join: readonly string[]
  /** Looks their names up, at every round. */
  readonly lookup: Lookup | null
  /** The node belongs to no cluster yet. */
  readonly isFresh: boolean
  /** Opens calls to nodes whose authority has this fingerprint. */
  readonly openCalls: (fingerprint: string) => PinnedCalls
}

/**
 * Gives a node what it needs to speak TLS: what it has on disk; else the authority that a founding token derives; else a
 * certificate that a member issues for a join token; else, for a node that founds alone, an authority of its own.
 * CERTIFICATE_MISSING, with what to do, when there is none of these; PEER_REFUSED and others when no member issues one.
 */
export async function openCredentials(options: EntranceOptions): Promise<Credentials> {
  const { parts, subject, token, join, isFresh } = options
  const { files } = parts
  const seed = await files.readSeed()
  if (seed !== null) {
    const authority = await openAuthority(seed)
    if (isFresh) assertSame(token, authority.fingerprint)
    return Credentials.own(authority, subject, parts)
  }
  const known = readCertificate((await files.readAuthority()) ?? '')
  const pair = await files.readPair()
  if (known !== null && pair !== null) {
    const lent = Credentials.lent(known, pair, subject, parts)
    if (lent !== null) return lent
  }
  if (known !== null) assertSame(token, fingerprintOf(known.raw))
  if (token?.letter === 'f') return foundWith(token, options)
  if (token !== null) return enrol(token, options)
  if (known !== null) {
    const detail = `the certificate of this node is not valid any more, or not for the name ${subject.name}: start it with a new token: ${HOW_TO_JOIN}`
    throw new RaftwayError('CERTIFICATE_MISSING', detail)
  }
  if (!isFresh) {
    const detail = `this node belongs to a cluster without TLS: to turn it on, make a founding token (${FOUNDING}), and start every node with --join-token and that same token`
    throw new RaftwayError('CERTIFICATE_MISSING', detail)
  }
  if (join.length > 0) throw new RaftwayError('CERTIFICATE_MISSING', NO_TOKEN)
  return Credentials.own(await openAuthority(randomBytes(AUTHORITY_SEED_BYTES)), subject, parts)
}

const FOUNDING = 'raftway token create --role node --founding'
const HOW_TO_JOIN = 'raftway token create --role node --ttl 1h'
const NO_TOKEN = [
  'to join others over TLS this node needs --join-token:',
  `to found a cluster with them, the same founding token on each (${FOUNDING});`,
  `to join a cluster that stands, one made there (${HOW_TO_JOIN});`,
  'or --insecure, if everybody in this network may read and change everything',
].join(' ')

/** The token must be of the authority that the data directory knows already. */
function assertSame(token: TokenText | null, fingerprint: string): void {
  if (token === null || token.fingerprint === fingerprint) return
  const detail = `the data directory belongs to the cluster authority ${fingerprint}, and the token is of ${token.fingerprint}`
  throw new RaftwayError('CERTIFICATE_MISSING', detail)
}

async function foundWith(token: TokenText, options: EntranceOptions): Promise<Credentials> {
  const { subject, parts } = options
  const authority = await openAuthority(Buffer.from(token.secret, 'base64url'))
  if (token.fingerprint !== authority.fingerprint) {
    throw new RaftwayError('CERTIFICATE_MISSING', 'the founding token is damaged: copy it again')
  }
  return Credentials.own(authority, subject, parts)
}

/** Asks members for a certificate, one after the other, until one issues it or refuses, for ENROL_MS_MAX. */
async function enrol(token: TokenText, options: EntranceOptions): Promise<Credentials> {
  const { subject, parts, join } = options
  if (token.letter !== 'j') {
    throw new RaftwayError(
      'CERTIFICATE_MISSING',
      'that token is for calls of the API; a node needs one of role node',
    )
  }
  if (token.fingerprint === '') {
    throw new RaftwayError(
      'CERTIFICATE_MISSING',
      'the token is from a cluster without TLS: start this node with --tls off',
    )
  }
  if (join.length === 0) {
    throw new RaftwayError(
      'CERTIFICATE_MISSING',
      'with a join token, --join names the members to ask',
    )
  }
  const { clock, files, logger } = parts
  const key = await enrolmentKey(files)
  const { name, nodeId, hosts } = subject
  const publicKey = createPublicKey(key)
  const request = signEnrolment(
    { role: 'node', name, nodeId, hosts },
    { publicKey, privateKey: key },
  )
  const body = { token: formatToken(token), request }
  const calls = options.openCalls(token.fingerprint)
  const deadlineMs = clock.monotonic() + ENROL_MS_MAX
  try {
    for (;;) {
      const { peers, failed } = await expandJoin(join, options.lookup)
      const places = [...peers.values()].flat()
      const outcome = places.length > 0 ? await askAround(calls, places, body) : nobodyFound(failed)
      if (!(outcome instanceof RaftwayError)) {
        return await keep(outcome, key.export({ type: 'pkcs8', format: 'pem' }), options)
      }
      if (clock.monotonic() > deadlineMs) throw outcome
      logger.info({ join, reason: outcome.message }, 'no member has issued a certificate yet')
      await new Promise<void>((resolve) => {
        clock.after(ENROL_RETRY_MS, resolve)
      })
    }
  } finally {
    calls.close()
  }
}

function nobodyFound(failed: ReadonlyMap<string, string>): RaftwayError {
  const reasons = [...failed].map(([entry, reason]) => `${entry}: ${reason}`)
  return new RaftwayError('PEER_UNREACHABLE', reasons.join('; '))
}

/** The answer of the first member that has one; else why none has. A refusal is final and thrown. */
async function askAround(
  { call }: PinnedCalls,
  join: readonly string[],
  body: unknown,
): Promise<EnrolmentAnswer | RaftwayError> {
  let last = new RaftwayError('PEER_UNREACHABLE', 'nobody was asked')
  let isHopeless = true
  const asked = [...join]
  // A member that does not lead names the one that does; each is asked once a round.
  for (let i = 0; i < asked.length && i < 2 * join.length; i++) {
    try {
      const answer = await call(asked[i] ?? '', { type: 'enrol', body }, ENROL_CALL_MS_MAX)
      const referral = referralSchema.safeParse(answer.body)
      if (!referral.success) return enrolmentAnswerSchema.parse(answer.body)
      if (!asked.includes(referral.data.leader)) asked.push(referral.data.leader)
    } catch (error) {
      if (!isRaftwayError(error)) throw error
      if (isFinal(error)) throw error
      isHopeless &&= error.code === 'PEER_REFUSED'
      last = error
    }
  }
  // Who answers everywhere is of another cluster, or of none with TLS: another round would find the same.
  if (isHopeless) throw last
  return last
}

function isFinal(error: RaftwayError): boolean {
  return isRaftwayError(
    error,
    'UNAUTHENTICATED',
    'FORBIDDEN',
    'TOKEN_USED_UP',
    'MEMBER_EXISTS',
    'INVALID_REQUEST',
  )
}

/**
 * The key is on disk before anybody is asked: an enrolment whose answer was lost is asked for again with the same key,
 * and counts once.
 */
async function enrolmentKey(files: CredentialsParts['files']): Promise<KeyObject> {
  const kept = await files.readPair()
  try {
    if (kept !== null) return createPrivateKey(kept.key)
  } catch {
    // Damaged: nothing was ever issued for it that could still be used.
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  await files.writePair({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }), cert: '' })
  return privateKey
}

async function keep(
  { certificate, authority }: EnrolmentAnswer,
  key: string,
  { subject, parts, token }: EntranceOptions,
): Promise<Credentials> {
  const parsed = readCertificate(authority)
  // The link has checked who answered; what it answered with must be of the same authority.
  if (parsed === null || fingerprintOf(parsed.raw) !== token?.fingerprint) {
    throw new RaftwayError('PEER_REFUSED', 'a member answered with another cluster authority')
  }
  const pair = { key, cert: certificate }
  const credentials = Credentials.lent(parsed, pair, subject, parts)
  if (credentials === null) {
    throw new RaftwayError(
      'PEER_REFUSED',
      'a member issued a certificate that is not for this node',
    )
  }
  await parts.files.writePair(pair)
  await parts.files.writeAuthority(parsed.toString())
  parts.logger.info({ fingerprint: token.fingerprint }, 'enrolled: this node has a certificate')
  return credentials
}
