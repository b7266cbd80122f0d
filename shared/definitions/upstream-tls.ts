import { z } from 'zod'
import { CERTIFICATES_CHARS_MAX, FILE_PATH_CHARS_MAX, HOST_CHARS_MAX } from '../limits.ts'

const fileSchema = z
  .string()
  .min(1)
  .max(FILE_PATH_CHARS_MAX)
  .startsWith('/', 'must be an absolute path')
  .refine((path) => !path.includes('\0'), 'must have no NUL')

/** How TLS targets are asked to prove who they are, and what the gateway shows them of itself. */
export const upstreamTlsSchema = z.strictObject({
  ca: z
    .string()
    .max(CERTIFICATES_CHARS_MAX)
    .regex(/-----BEGIN CERTIFICATE-----/, 'must be certificates in PEM')
    .optional()
    .describe('Whom to believe, as PEM. Default: whom the gateway’s system believes.'),
  serverName: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'must be a host name')
    .max(HOST_CHARS_MAX)
    .optional()
    .describe(
      'The name that targets must have a certificate for, and are asked for (SNI). Default: the host of the url.',
    ),
  verify: z
    .boolean()
    .optional()
    .describe('Default true. False believes anybody: for trials, never where it matters.'),
  clientCertificate: z
    .strictObject({
      certFile: fileSchema.describe('The certificate and what leads to its authority, as PEM.'),
      keyFile: fileSchema.describe('Its private key, as PEM.'),
    })
    .optional()
    .describe(
      'What the gateway shows to targets that ask for a certificate: files on each gateway’s machine, read again every minute.',
    ),
})

export type UpstreamTls = z.infer<typeof upstreamTlsSchema>
