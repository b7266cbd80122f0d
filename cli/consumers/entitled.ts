import type { ConsumerSpec } from '../../shared/definitions/consumer.ts'
import type { AccessRule, PlanSpec } from '../../shared/definitions/plan.ts'
import type { RateLimitSpec } from '../../shared/definitions/rate-limit.ts'

/** Where something comes from: `consumer`, or `plan gold`. */
type Sourced<T> = T & { readonly from: string }

/** What a Consumer comes to with its Plans, and what of it comes from where. */
export type Entitled = {
  /** By name: in the order in which they have their say. `isMissing`: there is no such Plan; it gives nothing. */
  readonly plans: readonly {
    readonly name: string
    readonly priority: number
    readonly isMissing: boolean
  }[]
  readonly roles: readonly Sourced<{ readonly role: string }>[]
  readonly limits: readonly Sourced<RateLimitSpec>[]
  /** Null: everything may be asked for. */
  readonly access: readonly Sourced<AccessRule>[] | null
}

/** The same merge that gateways do (`gateway/consumers/consumer.ts`; a test compares), with names of the sources. */
export function entitledOf(
  spec: ConsumerSpec,
  planOf: (name: string) => PlanSpec | undefined,
): Entitled {
  const plans = (spec.plans ?? [])
    .map((name) => ({ name, plan: planOf(name) }))
    .toSorted(
      (a, b) => (b.plan?.priority ?? 0) - (a.plan?.priority ?? 0) || (a.name < b.name ? -1 : 1),
    )
  const found = plans.flatMap(({ name, plan }) =>
    plan === undefined ? [] : [{ from: `plan ${name}`, plan }],
  )
  const limits = new Map<string, Sourced<RateLimitSpec>>()
  const roles = new Map<string, string>()
  for (const { from, plan } of [{ from: 'consumer', plan: spec }, ...found]) {
    for (const limit of plan.limits ?? [])
      if (!limits.has(limit.name)) limits.set(limit.name, { ...limit, from })
    for (const role of plan.roles ?? []) if (!roles.has(role)) roles.set(role, from)
  }
  const isFree = plans.length === 0 || found.some(({ plan }) => plan.access === undefined)
  return {
    plans: plans.map(({ name, plan }) => ({
      name,
      priority: plan?.priority ?? 0,
      isMissing: plan === undefined,
    })),
    roles: [...roles].map(([role, from]) => ({ role, from })),
    limits: [...limits.values()],
    access: isFree
      ? null
      : found.flatMap(({ from, plan }) => (plan.access ?? []).map((rule) => ({ ...rule, from }))),
  }
}
