import type { PluginSet } from '../../shared/plugins/schema.ts'
import type { CompiledRoute } from '../../shared/routing/types.ts'
import { isOwnPlugin } from '../../shared/routing/table.ts'
import { authentication } from './authentication.ts'
import { keyAuth } from './key-auth.ts'
import type { Authenticator, Check, PluginParts } from './plugin.ts'
import { quota } from './quota.ts'
import { rateLimit } from './rate-limit.ts'

/** What plugins make of requests, ready to run: once for each set of plugins, whatever routes share it. */
export class Access {
  readonly #parts: PluginParts
  readonly #checks = new WeakMap<PluginSet, readonly Check[]>()

  constructor(parts: PluginParts) {
    this.#parts = parts
  }

  /** The checks of a set, in the order in which they look at a request to one of the routes that have it. */
  checksOf(set: PluginSet, route: CompiledRoute | null): readonly Check[] {
    const known = this.#checks.get(set)
    if (known !== undefined) return known
    const checks = compileChecks(set, route, this.#parts)
    this.#checks.set(set, checks)
    return checks
  }
}

/**
 * In this order: who is asking, whether they may, how often. What costs least and refuses most comes first within each.
 */
function compileChecks(
  set: PluginSet,
  route: CompiledRoute | null,
  parts: PluginParts,
): readonly Check[] {
  const authenticators = authenticatorsOf(set, parts)
  const checks: Check[] = []
  const knowsCallers = authenticators.length > 0 || set.authentication !== undefined
  if (knowsCallers) {
    checks.push(authentication(set.authentication ?? {}, authenticators, parts))
  }
  // Callers bring limits of their own, whether the route has any or not.
  if (knowsCallers || set['rate-limit'] !== undefined) {
    checks.push(rateLimit(set['rate-limit'] ?? {}, bucketOf(route, parts), parts))
  }
  if (set.quota !== undefined) checks.push(quota(set.quota, parts))
  return checks
}

/** Where limits count that name no bucket: the Api, unless the route has its own ones. */
function bucketOf(route: CompiledRoute | null, { current }: PluginParts): string {
  if (route === null) return ''
  return isOwnPlugin(current.table, route, 'rate-limit') ? route.id : route.api
}

/** Who knows callers, in the order in which they are asked. */
function authenticatorsOf(set: PluginSet, parts: PluginParts): readonly Authenticator[] {
  const authenticators: Authenticator[] = []
  if (set['key-auth'] !== undefined) authenticators.push(keyAuth(set['key-auth'], parts))
  return authenticators
}
