import type { AccessRule, PlanSpec } from '../../shared/definitions/plan.ts'
import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { RateLimitSpec } from '../../shared/definitions/rate-limit.ts'
import type { QuotaSpec } from '../../shared/definitions/quota.ts'
import { entitledQuotas, plansInOrder } from '../../shared/entitlements.ts'
import { Networks } from '../../shared/addresses/networks.ts'
import { Referers } from './referers.ts'

/** A Consumer as requests meet it. Immutable; another one takes its place when its definition changes. */
export type Consumer = {
  readonly name: string
  readonly isEnabled: boolean
  /** Milliseconds since 1970; Infinity: never. */
  readonly expiresAtMs: number
  readonly labels: Readonly<Record<string, string>>
  readonly spec: ConsumerSpec
  /** Null: any. */
  readonly networks: Networks | null
  /** Null: any. */
  readonly referers: Referers | null
}

/** The Consumer of a definition. */
export function consumerOf(
  name: string,
  labels: Readonly<Record<string, string>> | undefined,
  spec: ConsumerSpec,
): Consumer {
  const { ips, referers } = spec.allow ?? {}
  return {
    name,
    isEnabled: spec.enabled ?? true,
    expiresAtMs: momentOf(spec.expiresAt),
    labels: labels ?? NO_LABELS,
    spec,
    networks: ips === undefined ? null : new Networks(ips),
    referers: referers === undefined ? null : new Referers(referers),
  }
}

const NO_LABELS = {}

/** A moment of a definition in milliseconds since 1970; Infinity when there is none. */
export function momentOf(text: string | undefined): number {
  return text === undefined ? Infinity : Date.parse(text)
}

/** What a caller has from its Consumer and Plans together. */
export type Entitlements = {
  readonly roles: ReadonlySet<string>
  /** The highest of the Plans; 0 without any. */
  readonly priority: number
  /** By Api; null: everything may be asked for. */
  readonly access: ReadonlyMap<string, readonly AccessRule[]> | null
  /** By name of the limit: of the Consumer, else of the Plan that has its say. */
  readonly limits: ReadonlyMap<string, RateLimitSpec>
  readonly quotas: readonly QuotaSpec[]
}

/**
 * Merges what a Consumer has with what its Plans give. Roles and access add up. A limit is the Consumer's own, else that
 * of the Plan with the highest priority, then the first by name. A Plan that is not there gives nothing: whoever has
 * Plans and finds none of them may ask for nothing.
 */
export function entitlementsOf(
  consumer: Consumer | null,
  planNames: readonly string[],
  plans: ReadonlyMap<string, PlanSpec>,
): Entitlements {
  const found = plansInOrder(planNames, plans)
  const limits = new Map<string, RateLimitSpec>()
  for (const limit of consumer?.spec.limits ?? []) limits.set(limit.name, limit)
  for (const { plan } of found) {
    for (const limit of plan.limits ?? [])
      if (!limits.has(limit.name)) limits.set(limit.name, limit)
  }
  const roles = new Set(consumer?.spec.roles)
  for (const { plan } of found) for (const role of plan.roles ?? []) roles.add(role)
  const isFree = planNames.length === 0 || found.some(({ plan }) => plan.access === undefined)
  const quotas = entitledQuotas(consumer?.spec ?? null, plans, planNames)
  return {
    roles,
    priority: found[0]?.plan.priority ?? 0,
    limits,
    quotas: quotas.map(({ quota }) => quota),
    access: isFree ? null : accessOf(found.map(({ plan }) => plan)),
  }
}

function accessOf(plans: readonly PlanSpec[]): ReadonlyMap<string, readonly AccessRule[]> {
  const access = new Map<string, AccessRule[]>()
  for (const { access: rules = [] } of plans) {
    for (const rule of rules) {
      const known = access.get(rule.api)
      if (known === undefined) access.set(rule.api, [rule])
      else known.push(rule)
    }
  }
  return access
}

/** Whether a request may be made: to a route, given by its Api and its path there, with a method. */
export function mayAsk(
  { access }: Entitlements,
  route: { readonly api: string; readonly path: string },
  method: string,
): boolean {
  if (access === null) return true
  const rules = access.get(route.api)
  if (rules === undefined) return false
  return rules.some(
    ({ routes, methods }) =>
      (routes === undefined || routes.includes(route.path)) &&
      (methods === undefined || methods.includes(method)),
  )
}
