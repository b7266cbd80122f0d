import { Networks } from '../../shared/addresses/networks.ts'
import {
  CERTIFICATE_HEADER_CHARS_MAX,
  CERTIFICATE_HEADERS_MAX,
} from '../../shared/access-limits.ts'
import type { CertificateRule, MtlsOptions } from '../../shared/plugins/mtls.ts'
import { compileRegex } from '../../shared/routing/regex.ts'
import { Identity } from '../consumers/identity.ts'
import type { TlsFacts } from '../exchange.ts'
import { errorReply } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import {
  clientCertificateOf,
  readCertificateHeader,
  readXfcc,
  type ClientCertificate,
} from './client-certificate.ts'
import { dropFields } from './edits.ts'
import type { Authenticated, Authenticator, PluginParts } from './plugin.ts'
import { Verdicts } from './verdicts.ts'

const MISSING = errorReply('CREDENTIALS_MISSING', 'no client certificate was shown')
const UNKNOWN = errorReply('CREDENTIALS_INVALID', 'the client certificate is not known')
const MALFORMED = errorReply('CREDENTIALS_INVALID', 'the client certificate is malformed')

/** Who a certificate belongs to, as long as no Consumer changes. */
type Belonging = { readonly version: number; readonly identity: Identity | null }

/** Knows callers by the certificate of their TLS connection, or by the one that a trusted proxy tells of. */
export function mtls(options: MtlsOptions, parts: PluginParts): Authenticator {
  const { consumers } = parts
  const told = options.proxies === undefined ? null : proxyHeader(options.proxies)
  const ruled = compileRules(options.rules ?? [])
  const belongings = new WeakMap<ClientCertificate, Belonging>()
  const ofConnections = new WeakMap<object, ClientCertificate>()

  function shown(context: RequestContext): ClientCertificate | 'none' | 'malformed' {
    const { exchange } = context
    if (told !== null) {
      if (options.keep !== true || !told.networks.hasText(exchange.peerAddress)) {
        dropFields(context, told.fields)
      }
      const value = exchange.header(told.name)
      if (value !== undefined && value !== '' && told.networks.hasText(exchange.peerAddress)) {
        return told.read(value)
      }
    }
    const client = exchange.tls?.client ?? null
    return client === null ? 'none' : certificateOf(client)
  }

  /** Once a connection. */
  function certificateOf(client: NonNullable<TlsFacts['client']>): ClientCertificate {
    let certificate = ofConnections.get(client)
    if (certificate === undefined) {
      certificate = clientCertificateOf(client)
      ofConnections.set(client, certificate)
    }
    return certificate
  }

  function owner(certificate: ClientCertificate): Identity | null {
    const known = consumers.byFingerprint(certificate.fingerprint)
    if (known !== null) return known
    const name = ruled(certificate)
    const consumer = name === null ? null : consumers.byName(name)
    if (consumer === null) return null
    const { fingerprint } = certificate
    return new Identity({ consumer, credential: null, key: `certificate ${fingerprint}` })
  }

  function authenticate(context: RequestContext): Authenticated {
    const certificate = shown(context)
    if (certificate === 'none') return null
    if (certificate === 'malformed') return MALFORMED
    const belonging = belongings.get(certificate)
    if (belonging?.version === consumers.version) return belonging.identity ?? UNKNOWN
    const identity = owner(certificate)
    belongings.set(certificate, { version: consumers.version, identity })
    return identity ?? UNKNOWN
  }

  return { authenticate, missing: MISSING }
}

type ProxyHeader = {
  readonly networks: Networks
  readonly name: string
  readonly fields: readonly string[]
  readonly read: (value: string) => ClientCertificate | 'malformed'
}

function proxyHeader({ networks, header, form }: NonNullable<MtlsOptions['proxies']>): ProxyHeader {
  const isXfcc = form === 'xfcc'
  const name = (header ?? (isXfcc ? 'X-Forwarded-Client-Cert' : 'X-Client-Cert')).toLowerCase()
  const verdicts = new Verdicts<ClientCertificate | 'malformed'>(
    (value) => (isXfcc ? readXfcc(value) : readCertificateHeader(value)) ?? 'malformed',
    { entriesMax: CERTIFICATE_HEADERS_MAX, charsMax: CERTIFICATE_HEADER_CHARS_MAX },
  )
  return {
    networks: new Networks(networks),
    name,
    fields: [name],
    read: (value) => verdicts.of(value),
  }
}

/** The name of the Consumer that the first rule which fits tells; null when none does. */
function compileRules(
  rules: readonly CertificateRule[],
): (certificate: ClientCertificate) => string | null {
  const compiled = rules.map((rule) => ({ ...rule, fits: fitOf(rule) }))
  return (certificate) => {
    for (const { field, consumer, fits } of compiled) {
      const value = valuesOf(certificate, field).find(fits)
      if (value !== undefined) return consumer ?? value
    }
    return null
  }
}

function fitOf({ value }: CertificateRule): (text: string) => boolean {
  if (typeof value === 'string') return (text) => text === value
  const compiled = compileRegex(`^(?:${value.regex})$`)
  // Validated with the definition; what this version cannot read lets nobody in.
  return compiled.ok ? (text) => compiled.regex.test(text) : () => false
}

function valuesOf(
  certificate: ClientCertificate,
  field: CertificateRule['field'],
): readonly string[] {
  switch (field) {
    case 'common-name':
      return certificate.commonNames
    case 'subject':
      return [certificate.subject]
    case 'dns':
      return certificate.dns
    case 'uri':
      return certificate.uris
    default:
      return certificate.emails
  }
}
