import type { PluginSet } from '../../shared/plugins/schema.ts'
import { authentication } from './authentication.ts'
import { keyAuth } from './key-auth.ts'
import type { Authenticator, Check, PluginParts } from './plugin.ts'
import { quota } from './quota.ts'

/** What plugins make of requests, ready to run: once for each set of plugins, whatever routes share it. */
export class Access {
  readonly #parts: PluginParts
  readonly #checks = new WeakMap<PluginSet, readonly Check[]>()

  constructor(parts: PluginParts) {
    this.#parts = parts
  }

  /** The checks of a set, in the order in which they look at a request. */
  checksOf(set: PluginSet): readonly Check[] {
    const known = this.#checks.get(set)
    if (known !== undefined) return known
    const checks = compileChecks(set, this.#parts)
    this.#checks.set(set, checks)
    return checks
  }
}

/**
 * In this order: who is asking, whether they may, how often. What costs least and refuses most comes first within each.
 */
function compileChecks(set: PluginSet, parts: PluginParts): readonly Check[] {
  const authenticators = authenticatorsOf(set, parts)
  const checks: Check[] = []
  if (authenticators.length > 0 || set.authentication !== undefined) {
    checks.push(authentication(set.authentication ?? {}, authenticators, parts))
  }
  if (set.quota !== undefined) checks.push(quota(set.quota, parts))
  return checks
}

/** Who knows callers, in the order in which they are asked. */
function authenticatorsOf(set: PluginSet, parts: PluginParts): readonly Authenticator[] {
  const authenticators: Authenticator[] = []
  if (set['key-auth'] !== undefined) authenticators.push(keyAuth(set['key-auth'], parts))
  return authenticators
}
