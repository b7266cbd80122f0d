import 'reflect-metadata'
import { createHash, createPrivateKey, createPublicKey, hkdfSync, webcrypto } from 'node:crypto'
import { X509Certificate, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import { assert } from '../../shared/assert.ts'
import { fingerprintOf, type CertificateRole } from '../../shared/certificate.ts'

/** Bytes of the secret that a cluster authority is derived from. */
export const AUTHORITY_SEED_BYTES = 32

/** What the authority is asked to put its name to. The asker has checked all of it. */
export type CertificateRequest = {
  readonly role: CertificateRole
  readonly name: string
  readonly nodeId: number | null
  readonly clusterId: string | null
  readonly publicKey: KeyObject
  /** Names and addresses that the holder is reached by. */
  readonly hosts: readonly string[]
  readonly validFromMs: number
  readonly validToMs: number
  /** 128 bits of chance, hexadecimal. */
  readonly serial: string
}

/** The one that vouches for nodes and gateways of a cluster. Whoever has it can issue any certificate. */
export type Authority = {
  /** The secret that all of it is derived from. */
  readonly seed: Uint8Array
  readonly certificate: X509Certificate
  /** Of the certificate, as tokens carry it. */
  readonly fingerprint: string
  issue(request: CertificateRequest): Promise<X509Certificate>
}

const ALGORITHM = { name: 'Ed25519' } as const
/** Everything of a PKCS #8 Ed25519 key that stands before its 32 bytes (RFC 8410 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Derives the authority from its seed: the same seed gives the same key and the same certificate to the byte, on every
 * node (Ed25519 signs deterministically, RFC 8032 5.1.6; everything else is constant), so that nodes that have only a
 * founding token in common agree on it before they agree on a cluster.
 */
export async function openAuthority(seed: Uint8Array): Promise<Authority> {
  assert(seed.length === AUTHORITY_SEED_BYTES, 'an authority is derived from 32 bytes')
  const keys = await deriveKeys(seed)
  const certificate = await selfSigned(keys)
  return {
    seed,
    certificate,
    fingerprint: fingerprintOf(certificate.raw),
    issue: (request) => issue(request, keys, certificate),
  }
}

type Keys = {
  readonly privateKey: webcrypto.CryptoKey
  readonly publicKey: webcrypto.CryptoKey
  readonly spki: Buffer
}

async function deriveKeys(seed: Uint8Array): Promise<Keys> {
  const secret = Buffer.from(hkdfSync('sha256', seed, '', 'raftway cluster authority key', 32))
  const pkcs8 = Buffer.concat([PKCS8_HEAD, secret])
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const { subtle } = webcrypto
  return {
    spki,
    privateKey: await subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']),
    publicKey: await subtle.importKey('spki', spki, ALGORITHM, true, ['verify']),
  }
}

async function selfSigned(keys: Keys): Promise<X509Certificate> {
  const { KeyUsageFlags } = x509
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: positive(createHash('sha256').update(keys.spki).digest('hex').slice(0, 32)),
      name: [{ CN: ['Raftway cluster authority'] }],
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter: new Date('2119-12-31T23:59:59Z'),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return new X509Certificate(Buffer.from(made.rawData))
}

async function issue(
  request: CertificateRequest,
  keys: Keys,
  authority: X509Certificate,
): Promise<X509Certificate> {
  const { role, publicKey, serial, validFromMs, validToMs } = request
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const subjectKey = await x509.SubjectKeyIdentifierExtension.create(
    new x509.PublicKey(spki),
    false,
    webcrypto,
  )
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  const made = await x509.X509CertificateGenerator.create(
    {
      serialNumber: positive(serial),
      subject: subjectOf(request),
      issuer: new x509.X509Certificate(authority.raw).subjectName,
      notBefore: new Date(validFromMs),
      notAfter: new Date(validToMs),
      signingAlgorithm: ALGORITHM,
      publicKey: new x509.PublicKey(spki),
      signingKey: keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        // A gateway's certificate must not pass for a node's towards clients that look at nothing but the signature.
        new x509.ExtendedKeyUsageExtension(
          role === 'node' ? [serverAuth, clientAuth] : [clientAuth],
        ),
        ...alternativeNames(request.hosts),
        subjectKey,
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  return new X509Certificate(Buffer.from(made.rawData))
}

function subjectOf({ role, name, nodeId, clusterId }: CertificateRequest): x509.JsonName {
  return [
    { CN: [name] },
    { OU: [role] },
    ...(clusterId === null ? [] : [{ O: [clusterId] }]),
    ...(nodeId === null ? [] : [{ [SERIAL_NUMBER]: [String(nodeId)] }]),
  ]
}

/** The attribute of a name that tells equal ones apart (X.520 6.2.9); not the number of the certificate. */
const SERIAL_NUMBER = '2.5.4.5'

function alternativeNames(hosts: readonly string[]): x509.Extension[] {
  const names = hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const)
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]
}

/** A serial number is a positive integer of one length: its first bit is not its sign (RFC 5280 4.1.2.2). */
function positive(serial: string): string {
  assert(/^[0-9a-f]{32}$/.test(serial), 'a serial number is 128 bits')
  const first = (Number.parseInt(serial.slice(0, 2), 16) & 0x3f) | 0x40
  return first.toString(16) + serial.slice(2)
}
