import type { Issue } from '../shared/errors.ts'
import { HOST_CHARS_MAX, STREAM_PORT_RANGES_MAX, TRUSTED_NETWORKS_MAX } from '../shared/limits.ts'
import { CLIENT_FIELDS, type ClientField } from './addresses/forwarded.ts'
import { isNetwork, Networks } from '../shared/addresses/networks.ts'
import {
  PROXY_PROTOCOLS,
  type ProxyProtocol,
  type TrustedProxies,
} from './listeners/trusted-proxies.ts'
import { parsePortRange, type PortRange } from './streams/port-rules.ts'

/** Who stands in front of a gateway, as a command line or a test says. */
export type NetworkOptions = {
  /** Addresses and networks (`10.0.0.0/8`) of proxies that are believed about their clients. Default: none. */
  readonly trustedProxies?: readonly string[]
  /** The one field in which they name a client. Default `x-forwarded-for`. */
  readonly clientAddressFrom?: ClientField
  /** PROXY headers on the HTTP port. Default `off`. */
  readonly proxyProtocol?: ProxyProtocol
  /** Ports that Streams may have: `8443`, `5000-5999`. Default: none. */
  readonly streamPorts?: readonly string[]
  /** Address that they are opened on. Default `0.0.0.0`. */
  readonly streamHost?: string
}

/** The same checked. Goes from thread to thread, so plain data. */
export type NetworkSettings = {
  readonly trustedProxies: readonly string[]
  readonly clientAddressFrom: ClientField
  readonly proxyProtocol: ProxyProtocol
  readonly streamPorts: readonly PortRange[]
  readonly streamHost: string
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
  const streams = readStreamOptions(options, issues)
  return { trustedProxies, clientAddressFrom, proxyProtocol, ...streams }
}

function readStreamOptions(
  { streamPorts = [], streamHost = '0.0.0.0' }: NetworkOptions,
  issues: Issue[],
): Pick<NetworkSettings, 'streamPorts' | 'streamHost'> {
  if (streamPorts.length > STREAM_PORT_RANGES_MAX) {
    const message = `at most ${STREAM_PORT_RANGES_MAX} ranges (STREAM_PORT_RANGES_MAX)`
    issues.push({ path: 'streamPorts', message })
  }
  const ranges = streamPorts.map((text, at) => {
    const range = parsePortRange(text)
    if (range === null) {
      const message = `must be a port or a range of ports, such as 5000-5999: ${text}`
      issues.push({ path: `streamPorts.${at}`, message })
    }
    return range
  })
  if (!/^[0-9A-Za-z.:_-]+$/.test(streamHost) || streamHost.length > HOST_CHARS_MAX) {
    issues.push({ path: 'streamHost', message: `must be an address or a host name: ${streamHost}` })
  }
  return { streamPorts: ranges.filter((range) => range !== null), streamHost }
}

/** Whom listeners believe; null: nobody, which costs nothing. */
export function trustedProxiesOf(settings: NetworkSettings): TrustedProxies | null {
  const { trustedProxies, clientAddressFrom } = settings
  if (trustedProxies.length === 0) return null
  return { networks: new Networks(trustedProxies), field: clientAddressFrom }
}
