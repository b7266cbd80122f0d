import { createHash, X509Certificate } from 'node:crypto'

/** What the holder of a certificate is. */
export type CertificateRole = 'node' | 'gateway'

/** What a certificate of the cluster authority says of its holder. */
export type CertificateIdentity = {
  readonly role: CertificateRole
  readonly name: string
  /** Of a node; null for a gateway. */
  readonly nodeId: number | null
  /** Null in the first certificate of a node, made before its cluster was. */
  readonly clusterId: string | null
  /** Hexadecimal, lower case. */
  readonly serial: string
  /** SHA-256 of the certificate; hexadecimal, lower case. */
  readonly fingerprint: string
  /** Milliseconds since 1970. */
  readonly validToMs: number
}

/** Whether a certificate is believed, and if not, why: for people. */
export type Judgement =
  | { readonly ok: true; readonly identity: CertificateIdentity }
  | { readonly ok: false; readonly reason: string }

/** 160 bits of the SHA-256 of a certificate (DER), in hex: what tokens carry of the cluster authority. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex').slice(0, 40)
}

/**
 * Holds a certificate against the cluster authority: signed by it (RFC 5280 6.1 for a path of one), valid at `nowMs`, and
 * of a known role. That its holder has the key is for TLS to prove. Nothing is said about revocation.
 */
export function judgeCertificate(
  certificate: X509Certificate,
  authority: X509Certificate,
  nowMs: number,
): Judgement {
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    return refuse('its certificate is not from this cluster’s authority')
  }
  if (nowMs > certificate.validToDate.getTime()) {
    return refuse(`its certificate expired at ${certificate.validToDate.toISOString()}`)
  }
  if (nowMs < certificate.validFromDate.getTime()) {
    return refuse(`its certificate is valid from ${certificate.validFromDate.toISOString()} on`)
  }
  const identity = identityOf(certificate)
  return identity === null ? refuse('its certificate has no known role') : { ok: true, identity }
}

/** Reads PEM or DER; null for anything else. */
export function readCertificate(data: string | Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(data)
  } catch {
    return null
  }
}

/** What the subject says; null when it is not as the authority writes it. */
function identityOf(certificate: X509Certificate): CertificateIdentity | null {
  if (certificate.ca) return null
  const subject: Readonly<Record<string, unknown>> = { ...certificate.toLegacyObject().subject }
  const { CN: name, OU: role, O: clusterId = null, serialNumber: number = null } = subject
  const nodeId = number === null ? null : Number(number)
  if (typeof name !== 'string' || (role !== 'node' && role !== 'gateway')) return null
  if (clusterId !== null && typeof clusterId !== 'string') return null
  // A node is a number and a name; nothing else has a number.
  if (Number.isSafeInteger(nodeId) !== (role === 'node')) return null
  return {
    role,
    name,
    nodeId,
    clusterId,
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    validToMs: certificate.validToDate.getTime(),
  }
}

function refuse(reason: string): Judgement {
  return { ok: false, reason }
}
