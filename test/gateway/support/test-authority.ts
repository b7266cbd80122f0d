import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export type Pair = { readonly certificate: string; readonly key: string }

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000

/** An authority that certifies host names and clients, with keys that every TLS stack takes. */
export class TestAuthority {
  readonly pem: string
  readonly #certificate: x509.X509Certificate
  readonly #keys: webcrypto.CryptoKeyPair
  #serial = 1

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate
    this.#keys = keys
    this.pem = `${certificate.toString('pem')}\n`
  }

  static async make(name: string): Promise<TestAuthority> {
    x509.cryptoProvider.set(webcrypto)
    const keys = await newKeys()
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      serialNumber: '01',
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      signingAlgorithm: CURVE,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    })
    return new TestAuthority(certificate, keys)
  }

  /** A certificate for names; the first is its subject. */
  async issue(names: readonly string[], days = 1): Promise<Pair> {
    const keys = await newKeys()
    this.#serial += 1
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${names[0] ?? ''}`,
      issuer: this.#certificate.subject,
      serialNumber: this.#serial.toString(16).padStart(4, '0'),
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + days * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: CURVE,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: 'dns' as const, value })),
        ),
      ],
    })
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
    const lines = (der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')
    return {
      certificate: `${certificate.toString('pem')}\n`,
      key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
    }
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
}
