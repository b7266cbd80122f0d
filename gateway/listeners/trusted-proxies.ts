import type { ClientField } from '../addresses/forwarded.ts'
import type { Networks } from '../addresses/networks.ts'

/** Whom a listener believes about the address of a client, and in which field of a request. */
export type TrustedProxies = { readonly networks: Networks; readonly field: ClientField }

/**
 * PROXY headers at the beginning of connections. `accept`: a trusted proxy may send one. `require`: connections without one
 * from a trusted proxy are closed.
 */
export const PROXY_PROTOCOLS = ['off', 'accept', 'require'] as const

export type ProxyProtocol = (typeof PROXY_PROTOCOLS)[number]
