import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { CertificateSpec } from '../../shared/definitions/certificate.ts'
import type { SealKeys } from '../../shared/definitions/seal.ts'
import { describeError } from '../../shared/errors.ts'
import { TLS_HANDSHAKE_MS_MAX } from '../../shared/limits.ts'
import type { Quarantined } from '../../shared/routing/types.ts'
import { nameOfText, type DefinitionName } from '../config/definition-text.ts'
import { openedText } from '../secrets/open.ts'
import type { TicketKeys } from './ticket-keys.ts'

/** A Certificate in use. Replaced as a whole; connections that it was shown on stay as they are. */
export type ShownCertificate = {
  readonly name: string
  readonly mode: 'none' | 'ask' | 'require'
  /**
   * Does the handshakes of connections that are given to it. Made when it is first needed, for each key of tickets: a client
   * that comes back with a ticket, which begins with these bytes, needs the one that made it.
   */
  readonly serverFor: (ticket: Uint8Array | null) => Server
}

type Entry = ShownCertificate & {
  readonly hosts: readonly string[]
  readonly isDefault: boolean
  readonly validToMs: number
}

/**
 * The Certificates that a worker shows, by host. A new one is in use from the next handshake on; sessions can be resumed
 * across renewals, but never from one Certificate to another, nor after other clients are asked for.
 */
export class Certificates {
  readonly #keys: SealKeys
  readonly #ticketKeys: TicketKeys
  readonly #onSecure: (socket: TLSSocket) => void
  readonly #entries = new Map<string, Entry>()
  readonly #unusable = new Map<string, Quarantined>()
  #byHost = new Map<string, Entry>()
  #default: Entry | null = null

  constructor(parts: {
    readonly keys: SealKeys
    /** The same in every worker: a client comes back to any of them. */
    readonly ticketKeys: TicketKeys
    /** A handshake is over. */
    readonly onSecure: (socket: TLSSocket) => void
  }) {
    this.#keys = parts.keys
    this.#ticketKeys = parts.ticketKeys
    this.#onSecure = parts.onSecure
  }

  /** Takes Certificates out of definitions as they come. Returns those that cannot be used. Never throws. */
  adopt(puts: readonly string[], deletes: readonly DefinitionName[]): readonly Quarantined[] {
    let isChanged = false
    for (const { kind, name } of deletes) {
      if (kind !== 'Certificate') continue
      this.#unusable.delete(name)
      isChanged = this.#entries.delete(name) || isChanged
    }
    for (const text of puts) {
      if (nameOfText(text)?.kind !== 'Certificate') continue
      this.#put(text)
      isChanged = true
    }
    if (isChanged) this.#index()
    return [...this.#unusable.values()]
  }

  /** What is shown to a client that names this host, or none. */
  find(serverName: string | null): ShownCertificate | null {
    return (serverName === null ? null : this.#of(serverName)) ?? this.#default
  }

  /** The name of the Certificate whose clients alone may ask for this host; null when everybody may. */
  requiredFor(host: string): string | null {
    const entry = this.#of(host) ?? this.#default
    return entry?.mode === 'require' ? entry.name : null
  }

  #of(host: string): Entry | null {
    const exact = this.#byHost.get(host)
    if (exact !== undefined) return exact
    return this.#byHost.get(`*${host.slice(Math.max(0, host.indexOf('.')))}`) ?? null
  }

  #put(text: string): void {
    // The schemas have seen it: here, or in the node that has the same ones.
    const { name, spec } = JSON.parse(text) as { name: string; spec: CertificateSpec }
    try {
      this.#entries.set(name, this.#entryOf(name, spec))
      this.#unusable.delete(name)
    } catch (error) {
      // The form before stays in use.
      const reason = describeError(error)
      this.#unusable.set(name, { kind: 'Certificate', name, reason })
    }
  }

  #entryOf(name: string, spec: CertificateSpec): Entry {
    const place = { kind: 'Certificate', name, path: 'spec.key' }
    const key = openedText(this.#keys, place, spec.key)
    const leaf = new X509Certificate(spec.certificate)
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      throw new Error('the key does not belong to the certificate')
    }
    const servers = new Map<Buffer, Server>()
    const serverFor = (ticket: Uint8Array | null): Server => {
      const ticketKey = this.#ticketKeys.keyFor(ticket)
      const made = servers.get(ticketKey)
      if (made !== undefined) return made
      for (const old of servers.keys()) if (!this.#ticketKeys.isKnown(old)) servers.delete(old)
      const server = this.#makeServer(name, spec, { key, ticketKey })
      servers.set(ticketKey, server)
      return server
    }
    return {
      name,
      hosts: (spec.hosts ?? namesIn(leaf)).map((host) => host.toLowerCase()),
      isDefault: spec.default ?? false,
      validToMs: leaf.validToDate.getTime(),
      mode: spec.clients?.mode ?? 'none',
      serverFor,
    }
  }

  #makeServer(
    name: string,
    spec: CertificateSpec,
    { key, ticketKey }: { readonly key: string; readonly ticketKey: Buffer },
  ): Server {
    const { clients, ocsp } = spec
    const server = createServer(
      {
        cert: spec.certificate,
        key,
        minVersion: spec.minVersion === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
        ALPNProtocols: ['h2', 'http/1.1'],
        // A client may close its side and still wait for its answer.
        allowHalfOpen: true,
        handshakeTimeout: TLS_HANDSHAKE_MS_MAX,
        ticketKeys: ticketKey,
        // A session is good for the clients that it was made with.
        sessionIdContext: createHash('sha256')
          .update(`${name}\0${clients?.mode ?? ''}\0${clients?.authorities ?? ''}`)
          .digest('hex')
          .slice(0, 32),
        requestCert: clients !== undefined,
        rejectUnauthorized: clients?.mode === 'require',
        ...(clients === undefined ? {} : { ca: clients.authorities }),
      },
      this.#onSecure,
    )
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    if (ocsp !== undefined) {
      const response = Buffer.from(ocsp, 'base64')
      server.on('OCSPRequest', (_certificate, _issuer, answer) => answer(null, response))
    }
    return server
  }

  /** Of several for one host, the one that is valid longest. */
  #index(): void {
    const entries = Array.from(this.#entries.values()).toSorted(
      (a, b) => a.validToMs - b.validToMs || (a.name < b.name ? 1 : -1),
    )
    this.#byHost = new Map(entries.flatMap((entry) => entry.hosts.map((host) => [host, entry])))
    this.#default = entries.findLast(({ isDefault }) => isDefault) ?? null
  }
}

/** DNS names of a certificate (RFC 6125 6.4): what it may be shown for. */
function namesIn(leaf: X509Certificate): readonly string[] {
  return Array.from(
    (leaf.subjectAltName ?? '').matchAll(/DNS:([^\s,"]+)/g),
    ([, name = '']) => name,
  )
}
