import { createPrivateKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import {
  CERTIFICATE_CHARS_MAX,
  HOSTS_PER_CERTIFICATE_MAX,
  HOST_CHARS_MAX,
  OCSP_CHARS_MAX,
} from '../limits.ts'
import { secretSchema } from './secret.ts'

const LABEL = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const NAME = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`)

const pemSchema = z
  .string()
  .max(CERTIFICATE_CHARS_MAX)
  .regex(/^\s*-----BEGIN CERTIFICATE-----/, 'must be certificates as PEM')

/** A certificate that gateways show on their https port, and whom they ask for one. */
export const certificateSpecSchema = z
  .strictObject({
    hosts: z
      .array(
        z
          .string()
          .max(HOST_CHARS_MAX)
          .regex(NAME, 'must be a host name, or "*.x" for one label before x'),
      )
      .min(1)
      .max(HOSTS_PER_CERTIFICATE_MAX)
      .optional()
      .describe('Names that it is shown for. Omitted: those in the certificate.'),
    certificate: pemSchema.describe('PEM: the certificate, then those that lead to its authority.'),
    key: secretSchema.describe('Its private key as PEM. Sealed before it is stored, never shown.'),
    default: z
      .boolean()
      .optional()
      .describe('Shown too to clients that name no host, or one without a certificate.'),
    minVersion: z.enum(['1.2', '1.3']).optional().describe('Oldest TLS. Default 1.2.'),
    ocsp: z
      .string()
      .max(OCSP_CHARS_MAX)
      .regex(/^[A-Za-z0-9+/\s]+={0,2}\s*$/, 'must be base64')
      .optional()
      .describe('An OCSP response (DER as base64) that is stapled for clients that ask.'),
    clients: z
      .strictObject({
        mode: z
          .enum(['ask', 'require'])
          .describe('Whether clients may, or must, show a certificate of these authorities.'),
        authorities: pemSchema.describe('PEM: whose certificates clients may show.'),
      })
      .optional()
      .describe('Omitted: clients are not asked for certificates.'),
  })
  .superRefine(({ certificate, key, clients }, context) => {
    const leaf = readLeaf(certificate)
    if (leaf === null) {
      context.addIssue({ code: 'custom', path: ['certificate'], message: 'cannot be read' })
    } else if (typeof key === 'string' && !belongsTo(leaf, key)) {
      const message = 'must be the private key of the certificate, as PEM without a password'
      context.addIssue({ code: 'custom', path: ['key'], message })
    }
    if (clients !== undefined && readLeaf(clients.authorities) === null) {
      const path = ['clients', 'authorities']
      context.addIssue({ code: 'custom', path, message: 'cannot be read' })
    }
  })

export type CertificateSpec = z.infer<typeof certificateSpecSchema>

function readLeaf(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

function belongsTo(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
