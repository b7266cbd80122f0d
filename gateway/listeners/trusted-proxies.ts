import { clientBehind, saysHttps, type ClientField } from '../addresses/forwarded.ts'
import type { Networks } from '../../shared/addresses/networks.ts'
import type { TlsFacts } from '../exchange.ts'
import type { Fields } from '../http1/fields.ts'

/** Whom a listener believes about the address of a client, and in which field of a request. */
export type TrustedProxies = { readonly networks: Networks; readonly field: ClientField }

/**
 * PROXY headers at the beginning of connections. `accept`: a trusted proxy may send one. `require`: connections without one
 * from a trusted proxy are closed.
 */
export const PROXY_PROTOCOLS = ['off', 'accept', 'require'] as const

export type ProxyProtocol = (typeof PROXY_PROTOCOLS)[number]

/** The connection that a request came on. */
type Peer = {
  readonly clientAddress: string
  readonly tls: TlsFacts | null
  /** Null: what it says of its clients is not believed. */
  readonly trusted: TrustedProxies | null
}

/** The client of a request: whom the peer names, if it is trusted, or the peer itself. */
export function clientOf({ clientAddress, trusted }: Peer, fields: Fields): string {
  const value = trusted === null ? undefined : fields.get(trusted.field)
  if (trusted === null || value === undefined) return clientAddress
  return clientBehind(clientAddress, { field: trusted.field, value }, trusted.networks)
}

/** Whether the client of a request speaks TLS: as a trusted peer says, or with the gateway itself. */
export function isSecure({ tls, trusted }: Peer, fields: Fields): boolean {
  const isTls = tls !== null
  const said = trusted === null ? undefined : fields.get('x-forwarded-proto')
  return said === undefined ? isTls : (saysHttps(said) ?? isTls)
}
