import { createHmac, timingSafeEqual } from 'node:crypto'
import type { HmacAlgorithm, HmacOptions } from '../../shared/plugins/hmac.ts'
import type { HmacSecret } from '../consumers/consumers.ts'
import { errorReply, JSON_LINE, type Reply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { openedText } from '../secrets/open.ts'
import {
  BodyDigest,
  readContentDigest,
  readDigest,
  type ExpectedDigest,
} from '../signatures/body-digest.ts'
import { readDraftCavage } from '../signatures/draft-cavage.ts'
import { Nonces } from '../signatures/nonces.ts'
import { readRfc9421 } from '../signatures/rfc9421.ts'
import { notCovered, type GivenSignature, type ReadSignatures } from '../signatures/signature.ts'
import { dropFields } from './edits.ts'
import type { Authenticated, Authenticator, PluginParts } from './plugin.ts'

const HASHES: Readonly<Record<HmacAlgorithm, string>> = {
  'hmac-sha256': 'sha256',
  'hmac-sha384': 'sha384',
  'hmac-sha512': 'sha512',
}

const CHALLENGE = 'WWW-Authenticate: Signature\r\n'

function challenged(message: string): Reply {
  const reply = errorReply('CREDENTIALS_INVALID', message)
  return { ...reply, lines: reply.lines + CHALLENGE }
}

const MISSING = {
  ...errorReply('CREDENTIALS_MISSING', 'the request is not signed'),
  lines: JSON_LINE + CHALLENGE,
}
const MALFORMED = challenged('the signature is malformed, or covers what is not there')
const WRONG = challenged('the signature is not good')
const STALE = challenged('the signature is too old, or from the future')
const UNDATED = challenged('the signature does not say, signed, when it was made')
const REPLAYED = challenged('the nonce of the signature was used before')
const NO_NONCE = challenged('the signature has no nonce')
const NO_DIGEST = challenged('the body is not signed: a digest of it must be covered')
const OTHER_BODY = challenged('the body is not the one that was signed')
const SEALED = errorReply('INTERNAL', 'the secret of the caller cannot be opened')
const NO_ROOM = errorReply('OVERLOADED', 'too many signatures with a nonce are under way')

const NAMES_OF_FIELDS = { rfc9421: ['signature', 'signature-input'], cavage: ['authorization'] }

/** Knows callers by a signature over the request (RFC 9421, draft-cavage-http-signatures-12) with a secret of a Consumer. */
export function hmac(options: HmacOptions, parts: PluginParts): Authenticator {
  const { forms = ['rfc9421', 'draft-cavage'], dateHeader } = options
  const date = dateHeader === undefined ? null : dateHeader.toLowerCase()
  const isNew = forms.includes('rfc9421')
  const isOld = forms.includes('draft-cavage')
  const judge = judgement(options, parts)

  function authenticate(context: RequestContext): Authenticated {
    const { exchange } = context
    const given: ReadSignatures = isNew ? readRfc9421(exchange) : 'none'
    if (given !== 'none') {
      if (options.keep !== true) dropFields(context, NAMES_OF_FIELDS.rfc9421)
      return given === 'malformed' ? MALFORMED : judge(context, given)
    }
    const before: ReadSignatures = isOld ? readDraftCavage(exchange, date) : 'none'
    if (before === 'none') return null
    if (options.keep !== true) dropFields(context, NAMES_OF_FIELDS.cavage)
    return before === 'malformed' ? MALFORMED : judge(context, before)
  }

  return { authenticate, missing: MISSING }
}

type Judge = (context: RequestContext, given: readonly GivenSignature[]) => Authenticated

function judgement(options: HmacOptions, parts: PluginParts): Judge {
  const { components = ['@method', '@path', '@query'], skewSeconds = 60 } = options
  const maxAgeSeconds = options.maxAgeSeconds ?? 300
  const algorithms: readonly string[] = options.algorithms ?? Object.keys(HASHES)
  const nonces = new Nonces()
  const secrets = new OpenSecrets(parts)

  /** Of a good signature: whether it was made now, and not used before. */
  function freshness({ created, expires, keyId, nonce }: GivenSignature): Reply | null {
    const now = parts.epochMs() / 1_000
    if (created === null) return UNDATED
    if (created > now + skewSeconds || created < now - maxAgeSeconds) return STALE
    if (expires !== null && expires <= now) return STALE
    if (nonce === null) return options.nonce === 'required' ? NO_NONCE : null
    const taken = nonces.take(`${keyId}\n${nonce}`, now + skewSeconds + maxAgeSeconds, now)
    if (taken === 'full') return NO_ROOM
    return taken === 'used' ? REPLAYED : null
  }

  return (context, given) => {
    const known = given.find(({ keyId }) => parts.consumers.byHmacKey(keyId) !== null)
    const credential = known === undefined ? null : parts.consumers.byHmacKey(known.keyId)
    if (known === undefined || credential === null) return WRONG
    const secret = secrets.of(credential)
    if (secret === null) return SEALED
    if (!algorithms.includes(known.algorithm) || !isGood(known, secret)) return WRONG
    const missed = notCovered(known, components, context.exchange)
    if (missed !== null) return challenged(`the signature does not cover ${missed}`)
    const body = bodyOf(known, context, options.digest === 'required')
    if (body !== null) return body
    return freshness(known) ?? credential.identity
  }
}

function isGood({ algorithm, base, signature }: GivenSignature, secret: string): boolean {
  const made = createHmac(HASHES[algorithm as HmacAlgorithm], secret)
    .update(base, 'latin1')
    .digest()
  return made.length === signature.length && timingSafeEqual(made, signature)
}

/** Has the body compared with its digest, if that is signed; an empty one at once. Null: so far nothing is wrong. */
function bodyOf(
  { covered }: GivenSignature,
  context: RequestContext,
  isRequired: boolean,
): Reply | null {
  const { exchange } = context
  const name = ['content-digest', 'digest'].find((each) => covered.includes(each))
  if (name === undefined) return isRequired && exchange.bodyLength !== 0 ? NO_DIGEST : null
  const field = exchange.header(name) ?? ''
  const expected: ExpectedDigest | null =
    name === 'digest' ? readDigest(field) : readContentDigest(field)
  if (expected === null) return MALFORMED
  const digest = new BodyDigest(expected)
  if (exchange.bodyLength === 0) return digest.finish(() => true) ? null : OTHER_BODY
  context.signedBody = { digest, refusal: OTHER_BODY }
  return null
}

/** Secrets of Consumers, opened when they are first needed. */
class OpenSecrets {
  readonly #parts: PluginParts
  readonly #opened = new WeakMap<HmacSecret, string | null>()

  constructor(parts: PluginParts) {
    this.#parts = parts
  }

  /** Null when it cannot be opened. */
  of(credential: HmacSecret): string | null {
    const known = this.#opened.get(credential)
    if (known !== undefined) return known
    const secret = this.#open(credential)
    this.#opened.set(credential, secret)
    return secret
  }

  #open({ place, secret }: HmacSecret): string | null {
    try {
      return openedText(this.#parts.sealKeys, place, secret)
    } catch {
      return null
    }
  }
}
