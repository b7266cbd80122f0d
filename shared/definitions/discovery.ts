import { z } from 'zod'
import {
  DISCOVERY_MS_MIN,
  HOST_CHARS_MAX,
  JSON_PATH_CHARS_MAX,
  PATH_CHARS_MAX,
  TIMEOUT_MS_MAX,
  URL_CHARS_MAX,
} from '../limits.ts'
import { millisecondsSchema } from './common.ts'

const jsonPathSchema = z.string().max(JSON_PATH_CHARS_MAX)
const intervalSchema = z.int().min(DISCOVERY_MS_MIN).max(TIMEOUT_MS_MAX)

const listFields = {
  list: jsonPathSchema
    .optional()
    .describe(
      'Where the list lies in the JSON, by names with dots between: data.nodes. Default: it is the whole.',
    ),
  hostField: jsonPathSchema
    .optional()
    .describe(
      'Where an item has its host, in the same way. Default host. An item may also be text, host:port.',
    ),
  portField: jsonPathSchema.optional().describe('Default port.'),
  weightField: jsonPathSchema.optional().describe('Default weight; an item without one has 1.'),
}

const dnsSchema = z.strictObject({
  name: z
    .string()
    .max(HOST_CHARS_MAX)
    .regex(/^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$/, 'must be a host or service name')
    .describe(
      'Looked up as this machine does: hosts file, servers and search domains of resolv.conf.',
    ),
  type: z
    .enum(['address', 'srv'])
    .optional()
    .describe('address (default): A and AAAA records. srv: SRV records, with ports and weights.'),
  server: z
    .string()
    .max(HOST_CHARS_MAX)
    .regex(/^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}$/, 'must be ADDRESS:PORT')
    .optional()
    .describe('DNS server in place of those of resolv.conf.'),
  family: z.enum(['any', 'ipv4', 'ipv6']).optional().describe('Default any.'),
  ttlMsMin: intervalSchema
    .optional()
    .describe(
      'Names are not looked up more often than this, whatever their records say. Default 1000.',
    ),
})

const httpSchema = z.strictObject({
  url: z
    .string()
    .max(URL_CHARS_MAX)
    .refine(
      (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''),
      'must be http:// or https://',
    )
    .describe('Answers GET with 200 and JSON.'),
  ...listFields,
  intervalMs: intervalSchema
    .optional()
    .describe('From one answer to the next question. Default 10000.'),
  timeoutMs: millisecondsSchema.optional().describe('Default 5000.'),
})

const fileSchema = z.strictObject({
  path: z
    .string()
    .max(PATH_CHARS_MAX)
    .regex(/^\//, 'must begin with "/"')
    .describe('A file of JSON on the gateway.'),
  ...listFields,
  intervalMs: intervalSchema.optional().describe('From one look to the next. Default 1000.'),
})

/** Targets that are found, and may change without a change of the definition. */
export const discoverSchema = z
  .strictObject({
    scheme: z
      .enum(['http', 'https'])
      .optional()
      .describe('How targets are spoken to. Default http.'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('For addresses that were found without one. Default: that of the scheme.'),
    dns: dnsSchema.optional(),
    http: httpSchema.optional(),
    file: fileSchema.optional(),
  })
  .refine(
    ({ dns, http, file }) =>
      [dns, http, file].filter((source) => source !== undefined).length === 1,
    'must have exactly one of `dns`, `http` and `file`',
  )

export type DiscoverSpec = z.infer<typeof discoverSchema>
