import { z } from 'zod'
import { nameSchema, networksSchema } from '../definitions/common.ts'
import { headerNameSchema } from '../definitions/key-source.ts'
import { CERTIFICATE_RULES_MAX } from '../access-limits.ts'
import { PREDICATE_CHARS_MAX, REGEX_CHARS_MAX } from '../limits.ts'

const ruleSchema = z.strictObject({
  field: z
    .enum(['common-name', 'subject', 'dns', 'uri', 'email'])
    .describe(
      'Of the certificate: common name or whole subject (`CN=a,O=b`, as it lies in the certificate), or one of its alternative names.',
    ),
  value: z.union([
    z.string().min(1).max(PREDICATE_CHARS_MAX),
    z.strictObject({ regex: z.string().min(1).max(REGEX_CHARS_MAX) }),
  ]),
  consumer: nameSchema
    .optional()
    .describe('Who that is. Omitted: the Consumer whose name is the value.'),
})

/** Callers are known by the certificate that they show. Whether it is a good one is for the Certificate of the host to say (`clients`). */
export const mtlsSchema = z.strictObject({
  rules: z
    .array(ruleSchema)
    .min(1)
    .max(CERTIFICATE_RULES_MAX)
    .optional()
    .describe(
      'The first that fits tells the Consumer of a certificate whose fingerprint no Consumer has among its credentials.',
    ),
  proxies: z
    .strictObject({
      networks: networksSchema.describe('Who is believed about the certificate of a client.'),
      header: headerNameSchema
        .optional()
        .describe('Default X-Client-Cert; for xfcc X-Forwarded-Client-Cert.'),
      form: z
        .enum(['certificate', 'xfcc'])
        .optional()
        .describe(
          'certificate (default): PEM with % escapes, or DER as base64 (RFC 9440). xfcc: as Envoy has it; of several the last.',
        ),
    })
    .optional()
    .describe(
      'Proxies that end TLS before this gateway, have checked the certificate, and never pass on the header of a client. From ' +
        'anybody else the header does not count, and no target gets it.',
    ),
  keep: z.boolean().optional().describe('The target gets the header of a proxy. Default false.'),
})

export type MtlsOptions = z.infer<typeof mtlsSchema>
export type CertificateRule = z.infer<typeof ruleSchema>
