import type { TlsFacts } from '../exchange.ts'

/** Who is at the other end. */
export type ClientFacts = {
  /** IP address, IPv4 in its own form. */
  readonly address: string
  /** Null without TLS. */
  readonly tls: TlsFacts | null
}
