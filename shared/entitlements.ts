import type { ConsumerSpec } from './definitions/consumer.ts'
import type { PlanSpec } from './definitions/plan.ts'
import type { QuotaSpec } from './definitions/quota.ts'

/** Where something comes from that a Consumer is entitled to: itself, or one of its Plans. */
type Source = { readonly type: 'consumer' } | { readonly type: 'plan'; readonly name: string }

/** A Plan that a Consumer has, and that is there. */
type FoundPlan = { readonly name: string; readonly plan: PlanSpec }

/** The Plans of these names that are there, in the order in which they have their say: by priority, then by name. */
export function plansInOrder(
  names: readonly string[],
  plans: ReadonlyMap<string, PlanSpec>,
): readonly FoundPlan[] {
  return names
    .flatMap((name) => {
      const plan = plans.get(name)
      return plan === undefined ? [] : [{ name, plan }]
    })
    .toSorted(
      (a, b) => (b.plan.priority ?? 0) - (a.plan.priority ?? 0) || (a.name < b.name ? -1 : 1),
    )
}

/** The quotas of a Consumer: its own, else those of the Plan that has its say, one of each name. */
export function entitledQuotas(
  consumer: Pick<ConsumerSpec, 'quotas' | 'plans'> | null,
  plans: ReadonlyMap<string, PlanSpec>,
  planNames: readonly string[] = consumer?.plans ?? [],
): readonly { readonly quota: QuotaSpec; readonly from: Source }[] {
  const byName = new Map<string, { readonly quota: QuotaSpec; readonly from: Source }>()
  for (const quota of consumer?.quotas ?? []) {
    byName.set(quota.name, { quota, from: { type: 'consumer' } })
  }
  for (const { name, plan } of plansInOrder(planNames, plans)) {
    for (const quota of plan.quotas ?? []) {
      if (!byName.has(quota.name)) byName.set(quota.name, { quota, from: { type: 'plan', name } })
    }
  }
  return [...byName.values()]
}
