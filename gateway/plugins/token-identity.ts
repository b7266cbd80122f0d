import type { ClaimUseOptions } from '../../shared/plugins/token.ts'
import type { Consumer } from '../consumers/consumer.ts'
import { Identity } from '../consumers/identity.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { Reply } from '../reply.ts'
import { insufficientScope, TOKEN_REPLIES } from './bearer.ts'
import { claimAt, fitsClaim, wordsOf, type Claims } from './claims.ts'
import type { PluginParts } from './plugin.ts'

/** What plugins use that know callers by tokens. */
export type TokenParts = Pick<PluginParts, 'consumers' | 'secrets' | 'epochMs'>

/** Who bears a token that is known to be good, by what it says; a reply when that is not enough. */
export type Identify = (claims: Claims) => Identity | Reply

/** What the options make of claims. Pure: the same claims are looked at again when a Consumer has changed. */
export function identifier(options: ClaimUseOptions, consumers: Consumers): Identify {
  const wanted = Object.entries(options.claims ?? {})
  const required = options.scopes?.required ?? []
  const planOf = new Map(Object.entries(options.scopes?.plans ?? {}))
  const lacksScope = insufficientScope(required)
  const lacksPlan = insufficientScope([...planOf.keys()])
  const { claim = 'sub', by = 'subject' } = options.consumer ?? {}
  const needsConsumer = options.consumer !== undefined && options.consumer.required !== false

  function consumerOf(claims: Claims): Consumer | null {
    const value = claimAt(claims, claim)
    if (typeof value !== 'string' || value === '') return null
    if (by === 'name') return consumers.byName(value)
    return consumers.bySubject(typeof claims['iss'] === 'string' ? claims['iss'] : '', value)
  }

  return (claims) => {
    if (!wanted.every(([path, value]) => fitsClaim(claimAt(claims, path), value))) {
      return TOKEN_REPLIES.claims
    }
    const scopes = scopesOf(claims, options.scopes?.claim)
    if (!required.every((scope) => scopes.has(scope))) return lacksScope
    const plans = Array.from(planOf).flatMap(([scope, plan]) => (scopes.has(scope) ? [plan] : []))
    // Whoever has no Plan may ask for everything: a token must not come to that by having nothing.
    if (planOf.size > 0 && plans.length === 0) return lacksPlan
    const consumer = consumerOf(claims)
    if (consumer === null && needsConsumer) return TOKEN_REPLIES.noConsumer
    const more = plans.length === 0 ? {} : { plans }
    return new Identity({ consumer, credential: null, key: keyOf(claims), claims, ...more })
  }
}

function scopesOf(claims: Claims, claim: string | undefined): ReadonlySet<string> {
  const value =
    claim === undefined
      ? (claimAt(claims, 'scope') ?? claimAt(claims, 'scp'))
      : claimAt(claims, claim)
  return new Set(wordsOf(value))
}

/** The same for every token of one subject. */
function keyOf(claims: Claims): string {
  const { iss, sub } = claims
  return `token ${JSON.stringify([iss ?? null, sub ?? claims['client_id'] ?? claims['jti'] ?? null])}`
}
