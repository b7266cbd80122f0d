import type { AuthenticationOptions } from '../../shared/plugins/authentication.ts'
import { FAILED_CREDENTIALS_DEFAULT, FAILED_CREDENTIALS_MS } from '../../shared/limits.ts'
import { mayAsk, type Consumer } from '../consumers/consumer.ts'
import { Identity } from '../consumers/identity.ts'
import { Attempts } from '../limits/attempts.ts'
import { errorReply, type Reply, type StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import { identityFields } from './identity-fields.ts'
import type { Authenticated, Authenticator, Check, PluginParts } from './plugin.ts'
import { withRetryAfter } from './retry-after.ts'

const CONSUMER_DISABLED = errorReply('CONSUMER_DISABLED', 'the consumer is disabled')
const CONSUMER_EXPIRED = errorReply('CONSUMER_EXPIRED', 'the consumer has expired')
const NOT_FROM_HERE = errorReply('ACCESS_DENIED', 'the consumer may not call from here')
const NOT_IN_PLAN = errorReply(
  'ACCESS_DENIED',
  'the plans of the consumer do not permit this request',
)
const NOT_THE_SAME = errorReply(
  'CREDENTIALS_INVALID',
  'the credentials are those of different consumers',
)
const TOO_MANY_ATTEMPTS = errorReply(
  'TOO_MANY_ATTEMPTS',
  'too many wrong credentials came from this address',
)
const USUAL_ATTEMPTS = { limit: FAILED_CREDENTIALS_DEFAULT, windowMs: FAILED_CREDENTIALS_MS }
const NO_ANONYMOUS = errorReply('INTERNAL', 'the consumer for anonymous callers is not there')

/** Tells who is asking, by any or by all of its authenticators, and whether that Consumer may ask for this at all. */
export function authentication(
  options: AuthenticationOptions,
  authenticators: readonly Authenticator[],
  parts: PluginParts,
): Check {
  const { admit, strip, refuse } = admission(options, parts)
  const needsAll = options.require === 'all'
  const missing = missingReply(authenticators)

  function nobody(context: RequestContext): StageResult {
    strip(context)
    if (options.anonymous !== undefined) {
      const consumer = parts.consumers.byName(options.anonymous)
      if (consumer === null) return NO_ANONYMOUS
      return admit(context, anonymousIdentity(consumer))
    }
    return options.require === 'none' || authenticators.length === 0 ? undefined : missing
  }

  /** Goes on at an authenticator, with whom those before it have found. */
  function ask(context: RequestContext, from: number, known: Identity | null): StageResult {
    for (let at = from; at < authenticators.length; at++) {
      const result = authenticators[at]?.authenticate(context) ?? null
      if (result instanceof Promise) {
        return result.then((later) => take(context, at, known, later))
      }
      if (result !== null || needsAll) return take(context, at, known, result)
    }
    return known === null ? nobody(context) : admit(context, known)
  }

  function take(
    context: RequestContext,
    at: number,
    known: Identity | null,
    result: Authenticated,
  ): StageResult {
    if (result !== null && !(result instanceof Identity)) return refuse(context, result)
    if (!needsAll) return result === null ? ask(context, at + 1, null) : admit(context, result)
    if (result === null) {
      // Of several that are all needed, none may stay away: unless all do, and that is allowed.
      const isAbsent = known === null && at === 0
      return isAbsent ? restAbsent(context) : missing
    }
    if (known !== null && known.consumer !== result.consumer) return NOT_THE_SAME
    return ask(context, at + 1, known ?? result)
  }

  /** The first of all is absent: the others must be, too. */
  function restAbsent(context: RequestContext): StageResult {
    const given = authenticators.slice(1).map(({ authenticate }) => authenticate(context))
    if (given.every((each) => each === null)) return nobody(context)
    return Promise.all(given.map(async (each) => each)).then((all) =>
      all.every((each) => each === null) ? nobody(context) : missing,
    )
  }

  return (context) => ask(context, 0, null)
}

/** One identity a Consumer, so that what is worked out for it is kept. */
function anonymousIdentity(consumer: Consumer): Identity {
  let identity = ANONYMOUS.get(consumer)
  if (identity === undefined) {
    identity = new Identity({ consumer, credential: null, key: '' })
    ANONYMOUS.set(consumer, identity)
  }
  return identity
}

const ANONYMOUS = new WeakMap<Consumer, Identity>()

type Admission = {
  /** Lets somebody in who is known, or says why not. */
  readonly admit: (context: RequestContext, identity: Identity) => Reply | undefined
  /** What somebody gets whose credentials are not good. */
  readonly refuse: (context: RequestContext, reply: Reply) => Reply
  /** Takes away what a client says of itself in the fields that tell the target who is asking. */
  readonly strip: (context: RequestContext) => void
}

function admission({ attempts, headers }: AuthenticationOptions, parts: PluginParts): Admission {
  const fields = identityFields(headers)
  const guard = attempts === false ? null : new Attempts(attempts ?? USUAL_ATTEMPTS, parts)
  return {
    refuse: ({ exchange }, reply) => {
      // What is wrong with others than the caller is no attempt.
      const waitMs = reply.status === 401 ? (guard?.failed(exchange.clientAddress) ?? 0) : 0
      return waitMs === 0 ? reply : withRetryAfter(TOO_MANY_ATTEMPTS, waitMs)
    },
    strip: fields.strip,
    admit: (context, identity) => {
      const { consumer } = identity
      const waitMs = guard?.succeeded(identity, context.exchange.clientAddress) ?? 0
      if (waitMs > 0) return withRetryAfter(TOO_MANY_ATTEMPTS, waitMs)
      const refusal = consumer === null ? undefined : refusalOf(consumer, context, parts)
      if (refusal !== undefined) return refusal
      const { route, exchange } = context
      const entitlements = identity.entitlements(parts.current.table.plans)
      if (route !== null && !mayAsk(entitlements, route, exchange.method)) return NOT_IN_PLAN
      context.identity = identity
      context.entitlements = entitlements
      fields.strip(context)
      fields.tell(context, identity, entitlements)
      return undefined
    },
  }
}

function refusalOf(
  consumer: Consumer,
  { exchange }: RequestContext,
  { epochMs }: PluginParts,
): Reply | undefined {
  if (!consumer.isEnabled) return CONSUMER_DISABLED
  if (consumer.expiresAtMs !== Infinity && consumer.expiresAtMs <= epochMs())
    return CONSUMER_EXPIRED
  const { networks, referers } = consumer
  if (networks !== null && !networks.hasText(exchange.clientAddress)) return NOT_FROM_HERE
  if (referers === null) return undefined
  const isAllowed = referers.has(exchange.header('referer'), exchange.header('origin'))
  return isAllowed ? undefined : NOT_FROM_HERE
}

/** The refusal of the first, with what all of them take. */
function missingReply(authenticators: readonly Authenticator[]): Reply {
  const [first, ...others] = authenticators.map(({ missing }) => missing)
  if (first === undefined) return errorReply('CREDENTIALS_MISSING', 'no credentials were given')
  const more = others.flatMap(({ lines }) => /WWW-Authenticate: [^\r]*\r\n/.exec(lines) ?? [])
  return { ...first, lines: first.lines + [...new Set(more)].join('') }
}
