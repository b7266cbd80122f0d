import { X509Certificate } from 'node:crypto'

/** What is known of a client's certificate. */
export type ClientCertificate = {
  /** SHA-256 in lower-case hex. */
  readonly fingerprint: string
  /** `CN=a,O=b`. */
  readonly subject: string
  readonly commonNames: readonly string[]
  readonly dns: readonly string[]
  readonly uris: readonly string[]
  readonly emails: readonly string[]
}

/** Of what Node tells of a certificate: the subject a part a line, alternative names as OpenSSL prints them. */
export function clientCertificateOf(facts: {
  readonly subject: string
  readonly fingerprint: string
  readonly alternativeNames: string
}): ClientCertificate {
  const parts = facts.subject.split('\n').filter((part) => part !== '')
  const names = readAlternativeNames(facts.alternativeNames)
  const of = (type: string): readonly string[] =>
    names.filter((name) => name.type === type).map(({ value }) => value)
  return {
    fingerprint: facts.fingerprint.replaceAll(':', '').toLowerCase(),
    subject: parts.join(','),
    commonNames: parts.filter((part) => part.startsWith('CN=')).map((part) => part.slice(3)),
    dns: of('DNS'),
    uris: of('URI'),
    emails: of('email'),
  }
}

/** A certificate in a header: PEM with % escapes, or DER as base64, between colons (RFC 9440) or not. Null for anything else. */
export function readCertificateHeader(value: string): ClientCertificate | null {
  const plain = unescaped(value.trim())
  if (plain === null) return null
  if (plain.includes('-----BEGIN CERTIFICATE-----')) return parsed(plain)
  const base64 = plain.replace(/^:(.*):$/s, '$1')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? parsed(Buffer.from(base64, 'base64')) : null
}

/**
 * The last element of an X-Forwarded-Client-Cert field: what the nearest proxy has seen itself. Null when it is not well formed,
 * or has no Hash and no Cert.
 */
export function readXfcc(value: string): ClientCertificate | null {
  const pairs = lastElement(value)
  if (pairs === null) return null
  const all = (key: string): readonly string[] =>
    pairs.filter((pair) => pair.key === key).map((pair) => pair.value)
  const [certificate] = all('cert')
  if (certificate !== undefined) return readCertificateHeader(certificate)
  const [hash] = all('hash')
  if (hash === undefined || !/^[0-9a-fA-F]{64}$/.test(hash)) return null
  const [subject = ''] = all('subject')
  const commonName = /(?:^|,)CN=((?:[^,\\]|\\.)*)/.exec(subject)?.[1]
  return {
    fingerprint: hash.toLowerCase(),
    subject,
    commonNames: commonName === undefined ? [] : [commonName.replace(/\\(.)/g, '$1')],
    dns: all('dns'),
    uris: all('uri'),
    emails: [],
  }
}

const PAIR = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|,|$)/y

function lastElement(value: string): readonly { key: string; value: string }[] | null {
  let pairs: { key: string; value: string }[] = []
  let at = 0
  while (at < value.length) {
    PAIR.lastIndex = at
    const found = PAIR.exec(value)
    if (found === null) return null
    const [all, key = '', quoted, bare = '', end] = found
    pairs.push({ key: key.toLowerCase(), value: quoted?.replace(/\\(.)/g, '$1') ?? bare })
    at += all.length
    if (end !== ',') continue
    pairs = []
    while (value[at] === ' ') at++
  }
  return pairs
}

function unescaped(text: string): string | null {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function parsed(bytes: string | Buffer): ClientCertificate | null {
  try {
    const certificate = new X509Certificate(bytes)
    return clientCertificateOf({
      subject: certificate.subject,
      fingerprint: certificate.fingerprint256,
      alternativeNames: certificate.subjectAltName ?? '',
    })
  } catch {
    return null
  }
}

const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y

/** `DNS:a.example, URI:"…"`: what has a comma or a quotation mark stands quoted, as in JSON. Nothing of what cannot be read. */
function readAlternativeNames(text: string): readonly { type: string; value: string }[] {
  const names: { type: string; value: string }[] = []
  let at = 0
  while (at < text.length) {
    NAME.lastIndex = at
    const found = NAME.exec(text)
    if (found === null) return []
    const [all, type = '', value = ''] = found
    const plain = value.startsWith('"') ? unquoted(value) : value
    if (plain !== null) names.push({ type, value: plain })
    at += all.length
  }
  return names
}

function unquoted(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}
