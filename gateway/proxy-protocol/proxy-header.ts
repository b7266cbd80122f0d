/** One end of a connection. */
export type Endpoint = {
  /** IP address as text, IPv4 in its own form. */
  readonly address: string
  readonly port: number
}

/** Both ends of the connection that a proxy took. */
export type ProxyEndpoints = { readonly source: Endpoint; readonly destination: Endpoint }

/** The twelve bytes that version 2 begins with (PROXY protocol 2.2). */
export const SIGNATURE = Uint8Array.from([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
])

/** Signature, version and command, family and transport, length of what follows. */
export const HEAD_BYTES_V2 = 16

/** The versions in which a header can be written. */
export type ProxyVersion = 'v1' | 'v2'
