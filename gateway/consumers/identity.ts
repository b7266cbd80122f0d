import type { PlanSpec } from '../../shared/definitions/plan.ts'
import { entitlementsOf, type Consumer, type Entitlements } from './consumer.ts'

/**
 * Who makes a request, and by what that is known. One object a credential, not a request: what is worked out for it is
 * kept with it.
 */
export class Identity {
  /** Null: known to somebody else, such as the issuer of a token, but no Consumer here. */
  readonly consumer: Consumer | null
  /** Name of the credential; null: it has none. */
  readonly credential: string | null
  /** Tells this credential from all others; what limits by key count by. */
  readonly key: string
  readonly claims: Readonly<Record<string, unknown>> | null
  /** When the credential was made, in milliseconds since 1970; null: nobody says. */
  readonly createdAtMs: number | null
  readonly #plans: readonly string[]
  #entitlements: Entitlements | null = null
  #entitledBy: ReadonlyMap<string, PlanSpec> | null = null

  constructor(parts: {
    readonly consumer: Consumer | null
    readonly credential: string | null
    readonly key: string
    readonly claims?: Readonly<Record<string, unknown>>
    /** Plans beside those of the Consumer. */
    readonly plans?: readonly string[]
    readonly createdAtMs?: number | null
  }) {
    this.consumer = parts.consumer
    this.credential = parts.credential
    this.key = parts.key
    this.claims = parts.claims ?? null
    this.createdAtMs = parts.createdAtMs ?? null
    const own = parts.consumer?.spec.plans ?? NO_PLANS
    this.#plans = parts.plans === undefined ? own : [...new Set([...own, ...parts.plans])]
  }

  /** What it is entitled to while the Plans are these. */
  entitlements(plans: ReadonlyMap<string, PlanSpec>): Entitlements {
    if (this.#entitlements === null || this.#entitledBy !== plans) {
      this.#entitlements = entitlementsOf(this.consumer, this.#plans, plans)
      this.#entitledBy = plans
    }
    return this.#entitlements
  }
}

const NO_PLANS: readonly string[] = []
