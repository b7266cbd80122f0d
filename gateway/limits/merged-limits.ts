import type { RateLimitSpec } from '../../shared/definitions/rate-limit.ts'
import type { Entitlements } from '../consumers/consumer.ts'
import { compileLimit, type CompiledLimit, type LimitPlace } from './compiled-limit.ts'

/** Counters of limits that only Consumers and Plans have are those of no Api; no name of one looks so. */
const EVERYWHERE = '*'

/**
 * The limits of requests to a route: its own, each replaced by the caller's of the same name, and then what only the caller
 * has. One that takes the place of a route's counts where that one does; what only the caller has counts across all Apis.
 */
export class MergedLimits {
  readonly #own: readonly RateLimitSpec[]
  readonly #place: LimitPlace
  readonly #withoutCaller: readonly CompiledLimit[]
  readonly #ofCallers = new WeakMap<Entitlements, readonly CompiledLimit[]>()
  /** Of Plans, mostly: many callers have the same object. */
  readonly #compiled = new WeakMap<RateLimitSpec, CompiledLimit>()

  constructor(own: readonly RateLimitSpec[], place: LimitPlace) {
    this.#own = own
    this.#place = place
    this.#withoutCaller = this.#merge(NOTHING)
  }

  /** What is not limited is left out. */
  of(entitlements: Entitlements | null): readonly CompiledLimit[] {
    if (entitlements === null || entitlements.limits.size === 0) return this.#withoutCaller
    let merged = this.#ofCallers.get(entitlements)
    if (merged === undefined) {
      merged = this.#merge(entitlements.limits)
      this.#ofCallers.set(entitlements, merged)
    }
    return merged
  }

  #merge(given: ReadonlyMap<string, RateLimitSpec>): readonly CompiledLimit[] {
    const names = new Set(this.#own.map(({ name }) => name))
    const replaced = this.#own.map((own) => {
      const spec = given.get(own.name) ?? own
      return this.#compile(spec, own.bucket ?? this.#place.bucket)
    })
    const further = [...given.values()]
      .filter(({ name }) => !names.has(name))
      .map((spec) => this.#compile(spec, EVERYWHERE))
    return [...replaced, ...further].filter((limit) => limit !== null)
  }

  #compile(spec: RateLimitSpec, bucket: string): CompiledLimit | null {
    const known = this.#compiled.get(spec)
    if (known !== undefined) return known
    const limit = compileLimit(spec, { ...this.#place, bucket })
    if (limit !== null) this.#compiled.set(spec, limit)
    return limit
  }
}

const NOTHING: ReadonlyMap<string, RateLimitSpec> = new Map()
