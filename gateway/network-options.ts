import type { Issue } from '../shared/errors.ts'
import { TRUSTED_NETWORKS_MAX } from '../shared/limits.ts'
import { CLIENT_FIELDS, type ClientField } from './addresses/forwarded.ts'
import { isNetwork, Networks } from './addresses/networks.ts'
import {
  PROXY_PROTOCOLS,
  type ProxyProtocol,
  type TrustedProxies,
} from './listeners/trusted-proxies.ts'

/** Who stands in front of a gateway, as a command line or a test says. */
export type NetworkOptions = {
  /** Addresses and networks (`10.0.0.0/8`) of proxies that are believed about their clients. Default: none. */
  readonly trustedProxies?: readonly string[]
  /** The one field in which they name a client. Default `x-forwarded-for`. */
  readonly clientAddressFrom?: ClientField
  /** PROXY headers on the HTTP port. Default `off`. */
  readonly proxyProtocol?: ProxyProtocol
}

/** The same checked. Goes from thread to thread, so plain data. */
export type NetworkSettings = {
  readonly trustedProxies: readonly string[]
  readonly clientAddressFrom: ClientField
  readonly proxyProtocol: ProxyProtocol
}

/** Checks and fills in; what is wrong is added to `issues`. */
export function readNetworkOptions(options: NetworkOptions, issues: Issue[]): NetworkSettings {
  const { trustedProxies = [], clientAddressFrom = 'x-forwarded-for' } = options
  const { proxyProtocol = 'off' } = options
  if (trustedProxies.length > TRUSTED_NETWORKS_MAX) {
    const message = `at most ${TRUSTED_NETWORKS_MAX} networks (TRUSTED_NETWORKS_MAX)`
    issues.push({ path: 'trustedProxies', message })
  }
  for (const [at, text] of trustedProxies.entries()) {
    if (isNetwork(text)) continue
    const message = `must be an address or a network without further bits, such as 10.0.0.0/8: ${text}`
    issues.push({ path: `trustedProxies.${at}`, message })
  }
  if (!CLIENT_FIELDS.includes(clientAddressFrom)) {
    const message = `must be one of ${CLIENT_FIELDS.join(', ')}`
    issues.push({ path: 'clientAddressFrom', message })
  }
  if (!PROXY_PROTOCOLS.includes(proxyProtocol)) {
    const message = `must be one of ${PROXY_PROTOCOLS.join(', ')}`
    issues.push({ path: 'proxyProtocol', message })
  } else if (proxyProtocol !== 'off' && trustedProxies.length === 0) {
    const message = 'needs trusted proxies: PROXY headers of others are not believed'
    issues.push({ path: 'proxyProtocol', message })
  }
  return { trustedProxies, clientAddressFrom, proxyProtocol }
}

/** Whom listeners believe; null: nobody, which costs nothing. */
export function trustedProxiesOf(settings: NetworkSettings): TrustedProxies | null {
  const { trustedProxies, clientAddressFrom } = settings
  if (trustedProxies.length === 0) return null
  return { networks: new Networks(trustedProxies), field: clientAddressFrom }
}
