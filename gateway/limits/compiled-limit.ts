import { parseAddress } from '../../shared/addresses/ip-address.ts'
import { Networks } from '../../shared/addresses/networks.ts'
import type { RateLimitSpec } from '../../shared/definitions/rate-limit.ts'
import type { RequestContext } from '../request-context.ts'
import { KeyHash } from './key-hash.ts'
import type { Rule } from './rules.ts'

/** A limit ready to be used. */
export type CompiledLimit = {
  readonly name: string
  readonly rule: Rule
  readonly isOpen: boolean
  readonly isShown: boolean
  readonly scope: 'worker' | 'gateway' | 'cluster'
  /** Whether it is for a request. */
  readonly concerns: (context: RequestContext) => boolean
  /** Puts what it counts by into a hash; false: it is not for a request that does not have it. */
  readonly hashKey: (context: RequestContext, hash: KeyHash) => boolean
  readonly costOf: (context: RequestContext) => number
  /** Of RateLimit-Policy. */
  readonly policy: string
}

/** Where a limit counts: `bucket` where it names none. */
export type LimitPlace = {
  readonly bucket: string
  /** Tells counters of this thread from those of others. */
  readonly worker: number
  readonly seed: readonly [number, number]
  /** For limits that all gateways share. */
  readonly sharedSeed: readonly [number, number]
}

/** A limit of a definition; null: what is unlimited. */
export function compileLimit(spec: RateLimitSpec, place: LimitPlace): CompiledLimit | null {
  if (spec.unlimited === true) return null
  const rule = ruleOf(spec)
  const scope = spec.scope ?? 'gateway'
  return {
    name: spec.name,
    rule,
    isOpen: spec.onFailure !== 'closed',
    isShown: spec.shown === true,
    scope,
    concerns: concernOf(spec),
    hashKey: hasherOf(spec, rule, place),
    costOf: costOf(spec.cost ?? 1),
    policy: policyOf(spec.name, rule),
  }
}

function ruleOf({
  algorithm = 'sliding-window',
  limit = 0,
  windowMs = 1,
  burst,
}: RateLimitSpec): Rule {
  // Without anything that comes back, what is saved up would never be forgotten.
  return { algorithm, limit, windowMs, burst: limit === 0 ? 0 : (burst ?? limit) }
}

/** A structured field of draft-ietf-httpapi-ratelimit-headers-10. */
function policyOf(name: string, { algorithm, limit, windowMs, burst }: Rule): string {
  if (algorithm === 'concurrency') return `"${name}";q=${limit};qu="concurrent-requests"`
  const quota = algorithm === 'token-bucket' ? burst : limit
  return `"${name}";q=${quota};w=${Math.ceil(windowMs / 1_000)}`
}

/** Whether somebody asks who is known, and not only called anonymous. */
function isKnown({ identity }: RequestContext): boolean {
  return identity !== null && identity.key !== ''
}

function concernOf({ authenticated, exempt }: RateLimitSpec): CompiledLimit['concerns'] {
  const skipsKnown = authenticated === 'skip'
  if (exempt === undefined) return (context) => !(skipsKnown && isKnown(context))
  const consumers = new Set(exempt.consumers)
  const networks = exempt.networks === undefined ? null : new Networks(exempt.networks)
  const { roles = [] } = exempt
  const labels = Object.entries(exempt.labels ?? {})
  return (context) => {
    if (skipsKnown && isKnown(context)) return false
    const { entitlements, exchange, identity } = context
    const consumer = identity?.consumer ?? null
    if (networks !== null && networks.hasText(exchange.clientAddress)) return false
    if (entitlements !== null && roles.some((role) => entitlements.roles.has(role))) return false
    if (consumer === null) return true
    return !(
      consumers.has(consumer.name) || labels.some(([key, value]) => consumer.labels[key] === value)
    )
  }
}

/** What a request has of a part of the key; null: nothing. */
type PartOf = (context: RequestContext) => string | null

function hasherOf(spec: RateLimitSpec, rule: Rule, place: LimitPlace): CompiledLimit['hashKey'] {
  const by = spec.by === undefined ? ['consumer' as const] : [spec.by].flat()
  const parts = by.map(partOf)
  const skips = spec.absent === 'skip'
  const [a, b] = beginningOf(spec, rule, place)
  return (context, hash) => {
    hash.start(a, b)
    for (const part of parts) {
      const text = part(context)
      if (text !== null) {
        hash.text(text)
        continue
      }
      if (skips) return false
      // Apart from a part that reads the same.
      hash.number(-1)
      hash.text(addressText(context))
    }
    return true
  }
}

/** What all counters of a limit have in common. */
function beginningOf(
  spec: RateLimitSpec,
  rule: Rule,
  place: LimitPlace,
): readonly [number, number] {
  const hash = new KeyHash()
  hash.start(...(spec.scope === 'cluster' ? place.sharedSeed : place.seed))
  hash.text(spec.bucket ?? place.bucket)
  hash.text(spec.name)
  hash.text(JSON.stringify([spec.by ?? 'consumer', rule.algorithm, rule.windowMs]))
  if (spec.scope === 'worker') hash.number(place.worker)
  return [hash.a, hash.b]
}

function partOf(part: 'consumer' | 'key' | 'ip' | 'route' | 'api' | object): PartOf {
  if (part === 'consumer') {
    return (context) => {
      const { identity } = context
      return identity !== null && isKnown(context)
        ? (identity.consumer?.name ?? identity.key)
        : null
    }
  }
  if (part === 'key')
    return (context) => (isKnown(context) ? (context.identity?.key ?? null) : null)
  if (part === 'ip') return addressText
  if (part === 'route') return ({ route }) => route?.id ?? null
  if (part === 'api') return ({ route }) => route?.api ?? null
  if (typeof part === 'object' && 'header' in part) {
    const name = String(part.header).toLowerCase()
    return ({ exchange }) => exchange.header(name) ?? null
  }
  const claim = typeof part === 'object' && 'claim' in part ? String(part.claim) : ''
  return ({ identity }) => claimText(identity?.claims ?? null, claim)
}

function claimText(claims: Readonly<Record<string, unknown>> | null, name: string): string | null {
  if (claims === null || !Object.hasOwn(claims, name)) return null
  const value = claims[name]
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Whoever has an address of IPv6 has its /64, too. */
function addressText({ exchange: { clientAddress } }: RequestContext): string {
  return clientAddress.includes(':') ? networkText(clientAddress) : clientAddress
}

/** The /64 of an address of IPv6; anything else as it is. */
export function networkText(address: string): string {
  const bytes = parseAddress(address.split('%', 1)[0] ?? '')
  return bytes === null || bytes.length === 4 ? address : bytes.subarray(0, 8).join('.')
}

function costOf(cost: NonNullable<RateLimitSpec['cost']>): CompiledLimit['costOf'] {
  if (typeof cost === 'number') return () => cost
  const { header, max, default: usual = 1 } = cost
  const name = header.toLowerCase()
  return ({ exchange }) => {
    const text = exchange.header(name)
    if (text === undefined || !/^[0-9]{1,15}$/.test(text)) return usual
    return Math.min(max, Math.max(1, Number(text)))
  }
}
