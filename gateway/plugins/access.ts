import type { PluginSet } from '../../shared/plugins/schema.ts'
import type { CompiledRoute } from '../../shared/routing/types.ts'
import { isOwnPlugin } from '../../shared/routing/table.ts'
import { acl } from './acl.ts'
import { authentication } from './authentication.ts'
import { basicAuth } from './basic-auth.ts'
import { botDeny } from './bot-deny.ts'
import { concurrencyLimit } from './concurrency-limit.ts'
import { cors } from './cors.ts'
import { hmac } from './hmac.ts'
import { ipAllow, ipDeny } from './ip-list.ts'
import { jwt } from './jwt.ts'
import { keyAuth } from './key-auth.ts'
import { mtls } from './mtls.ts'
import { oauth2Introspection } from './oauth2-introspection.ts'
import { oidc } from './oidc.ts'
import type { Authenticator, Check, PluginParts } from './plugin.ts'
import { quota } from './quota.ts'
import { rateLimit } from './rate-limit.ts'
import { refererAllow } from './referer-allow.ts'
import { requireHttps } from './require-https.ts'
import { roles } from './roles.ts'
import { shedLoad } from './shed-load.ts'
import { sizeLimit } from './size-limit.ts'

/** What plugins make of requests, ready to run: once for each set of plugins, whatever routes share it. */
export class Access {
  readonly #parts: PluginParts
  #compiled = new WeakMap<PluginSet, Compiled>()

  constructor(parts: PluginParts) {
    this.#parts = parts
  }

  /** Everything is made anew when it is next asked for: something has changed that was built in. */
  reset(): void {
    this.#compiled = new WeakMap()
  }

  /** The checks of a set, in the order in which they look at a request to one of the routes that have it. */
  checksOf(set: PluginSet, route: CompiledRoute | null): readonly Check[] {
    return this.#compiledOf(set, route).checks
  }

  /** Of a set, what tells browsers which pages may read an answer; null when nothing does. */
  corsOf(set: PluginSet, route: CompiledRoute | null): Check | null {
    return this.#compiledOf(set, route).cors
  }

  #compiledOf(set: PluginSet, route: CompiledRoute | null): Compiled {
    const known = this.#compiled.get(set)
    if (known !== undefined) return known
    const compiled = compile(set, route, this.#parts)
    this.#compiled.set(set, compiled)
    return compiled
  }
}

type Compiled = { readonly checks: readonly Check[]; readonly cors: Check | null }

/**
 * In this order: what browsers are told, where from and by what means, who is asking, whether they may, how often. What
 * costs least and refuses most comes first within each.
 */
function compile(set: PluginSet, route: CompiledRoute | null, parts: PluginParts): Compiled {
  const corsCheck = set.cors === undefined ? null : cors(set.cors)
  const checks = [corsCheck, ...placeChecks(set), ...callerChecks(set, route, parts)]
  return { checks: checks.filter((check) => check !== null), cors: corsCheck }
}

/** Where a request comes from, before anybody asks from whom. */
function placeChecks(set: PluginSet): readonly (Check | null)[] {
  const { 'require-https': https, 'bot-deny': bots, 'referer-allow': referers } = set
  return [
    https === undefined ? null : requireHttps(https).early,
    bots === undefined ? null : botDeny(bots),
    set['ip-deny'] === undefined ? null : ipDeny(set['ip-deny']),
    set['ip-allow'] === undefined ? null : ipAllow(set['ip-allow']),
    referers === undefined ? null : refererAllow(referers),
  ]
}

/** Who is asking, whether they may, and how often. */
function callerChecks(
  set: PluginSet,
  route: CompiledRoute | null,
  parts: PluginParts,
): readonly (Check | null)[] {
  const authenticators = authenticatorsOf(set, parts)
  const isAsked = authenticators.length > 0 || set.authentication !== undefined
  const check = isAsked ? authentication(set.authentication ?? {}, authenticators, parts) : null
  const https = set['require-https']
  const late = https === undefined ? null : requireHttps(https).late
  return [
    late === null ? check : late(check),
    set.roles === undefined ? null : roles(set.roles),
    set.acl === undefined ? null : acl(set.acl),
    set['size-limit'] === undefined ? null : sizeLimit(set['size-limit']),
    shedLoad,
    set['concurrency-limit'] === undefined
      ? null
      : concurrencyLimit(set['concurrency-limit'], parts),
    // Callers bring limits of their own, whether the route has any or not.
    isAsked || set['rate-limit'] !== undefined
      ? rateLimit(set['rate-limit'] ?? {}, bucketOf(route, parts), parts)
      : null,
    set.quota === undefined ? null : quota(set.quota, parts),
  ]
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
  if (set['basic-auth'] !== undefined) authenticators.push(basicAuth(set['basic-auth'], parts))
  if (set.hmac !== undefined) authenticators.push(hmac(set.hmac, parts))
  if (set.mtls !== undefined) authenticators.push(mtls(set.mtls, parts))
  const introspection = set['oauth2-introspection']
  if (set.jwt !== undefined) {
    authenticators.push(jwt(set.jwt, parts, { leavesOpaque: introspection !== undefined }))
  }
  if (introspection !== undefined) authenticators.push(oauth2Introspection(introspection, parts))
  if (set.oidc !== undefined) {
    const { require, anonymous } = set.authentication ?? {}
    const isNeeded = require !== 'none' && anonymous === undefined
    authenticators.push(oidc(set.oidc, parts, { isNeeded }))
  }
  return authenticators
}
