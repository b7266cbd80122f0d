import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { UpstreamTls } from '../../shared/definitions/upstream-tls.ts'
import { CLIENT_CERTIFICATE_MS } from '../../shared/limits.ts'

/** What Node's clients take of a target's TLS settings. */
export type TargetTls = {
  readonly secureContext?: SecureContext
  readonly rejectUnauthorized: boolean
  readonly servername?: string
}

/**
 * What a connection to a target is made with. A target must prove that it is `serverName`, unless its upstream says otherwise.
 * Throws what the system says of a certificate file that cannot be read or used.
 */
export function targetTls(tls: UpstreamTls | null, serverName: string): TargetTls {
  const name = tls?.serverName ?? serverName
  const verified = { rejectUnauthorized: tls?.verify ?? true }
  // An address is no server name (RFC 6066 3): the certificate is then checked against the address itself.
  const named = isIP(name) === 0 ? { ...verified, servername: name } : verified
  if (tls?.ca === undefined && tls?.clientCertificate === undefined) return named
  const { ca, clientCertificate } = tls
  const secureContext = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(clientCertificate === undefined
      ? {}
      : {
          cert: readFileSync(clientCertificate.certFile),
          key: readFileSync(clientCertificate.keyFile),
        }),
  })
  return { ...named, secureContext }
}

/** The same for all connections of a pool: made once, and anew after a while where it comes from files. */
export class TlsSource {
  readonly #tls: UpstreamTls | null
  readonly #serverName: string
  readonly #now: () => number
  #made: TargetTls | null = null
  #madeAtMs = 0

  constructor(tls: UpstreamTls | null, serverName: string, now: () => number) {
    this.#tls = tls
    this.#serverName = serverName
    this.#now = now
  }

  /** Throws like `targetTls`. */
  get(): TargetTls {
    const isOld = this.#now() - this.#madeAtMs > CLIENT_CERTIFICATE_MS
    if (this.#made === null || (isOld && this.#tls?.clientCertificate !== undefined)) {
      this.#made = targetTls(this.#tls, this.#serverName)
      this.#madeAtMs = this.#now()
    }
    return this.#made
  }
}
