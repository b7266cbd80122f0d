import { z } from 'zod'
import {
  CONNECTIONS_PER_TARGET_MAX,
  TARGET_WEIGHT_MAX,
  TARGETS_PER_UPSTREAM_MAX,
  URL_CHARS_MAX,
} from '../limits.ts'
import { millisecondsSchema } from './common.ts'
import { discoverSchema } from './discovery.ts'
import { healthSchema } from './health.ts'
import { keySourceSchema } from './key-source.ts'
import { breakerSchema, hedgeSchema, retriesSchema } from './retries.ts'
import { stickySchema } from './sticky.ts'
import { upstreamTlsSchema } from './upstream-tls.ts'

/** How the next target is chosen. */
const BALANCES = [
  'round-robin',
  'least-connections',
  'ip-hash',
  'hash',
  'random-two-choices',
] as const

const targetUrlSchema = z
  .string()
  .max(URL_CHARS_MAX)
  .refine(
    isTargetUrl,
    'must be http:// or https://, a host and an optional port, or tcp://, a host and a port, and nothing else',
  )

const targetSchema = z
  .strictObject({
    url: targetUrlSchema.describe(
      'Scheme, host and port, such as http://10.0.0.7:9001, or tcp://10.0.0.7:5432 for Streams. No path, query or ' +
        'credentials.',
    ),
    weight: z
      .int()
      .min(0)
      .max(TARGET_WEIGHT_MAX)
      .optional()
      .describe(
        'Share of the requests against the other targets. Default 1; 0 takes the target out.',
      ),
  })
  .describe('One address of an upstream.')

const timeoutsSchema = z.strictObject({
  connectMs: millisecondsSchema.optional().describe('Until the connection stands. Default 3000.'),
  firstByteMs: millisecondsSchema
    .optional()
    .describe('From the request to the head of the answer. Default 30000.'),
  idleMs: millisecondsSchema.optional().describe('Between two pieces of a body. Default 60000.'),
  requestMs: millisecondsSchema
    .optional()
    .describe(
      'From the request to the head of the answer, all attempts and waits together. Default: no bound of its own.',
    ),
})

const keepAliveSchema = z.strictObject({
  connectionsMax: z
    .int()
    .min(1)
    .max(CONNECTIONS_PER_TARGET_MAX)
    .optional()
    .describe('Connections to one target from one worker. Default 256.'),
  idleMs: millisecondsSchema
    .optional()
    .describe('How long an unused connection is kept. Default 60000.'),
})

/** What an Upstream is, whether named or written inline in an Api. */
export const upstreamSpecSchema = z
  .strictObject({
    targets: z
      .array(targetSchema)
      .min(1)
      .max(TARGETS_PER_UPSTREAM_MAX)
      .optional()
      .describe(
        'Needed unless there is `discover`; beside it they stand in while nothing is found.',
      ),
    discover: discoverSchema
      .optional()
      .describe(
        'Targets that are found by DNS, over HTTP or in a file, and followed as they change.',
      ),
    balance: z
      .enum(BALANCES)
      .optional()
      .describe('How the next target is chosen. Default round-robin.'),
    hashOn: keySourceSchema
      .optional()
      .describe(
        'What `balance: hash` goes by: equal requests meet the same target. Default {client: true}.',
      ),
    sticky: stickySchema
      .optional()
      .describe(
        'Keeps a client with the target that it met first, as long as that takes requests.',
      ),
    protocol: z
      .enum(['http1', 'http2', 'auto'])
      .optional()
      .describe(
        'What is spoken with targets. http2: by ALPN with https, by prior knowledge with http; gRPC needs it. auto: with https what a target chooses by ALPN, else HTTP/1.1. Default http1.',
      ),
    timeouts: timeoutsSchema.optional(),
    retries: retriesSchema.optional(),
    hedge: hedgeSchema.optional().describe('Omitted: a request is with one target at a time.'),
    breaker: breakerSchema
      .optional()
      .describe('Refuses requests for a while when too many fail. Omitted: never.'),
    keepAlive: keepAliveSchema.optional(),
    health: healthSchema
      .optional()
      .describe('Which targets take requests. Omitted: all, whatever becomes of requests.'),
    tls: upstreamTlsSchema
      .optional()
      .describe('For targets with https urls. Omitted: what the system believes, checked.'),
    hostHeader: z
      .enum(['client', 'target'])
      .optional()
      .describe(
        'The Host a target sees: what the client sent (default), or the host of its own url.',
      ),
  })
  .refine(({ targets, discover }) => targets !== undefined || discover !== undefined, {
    path: ['targets'],
    message: 'is required, unless there is `discover`',
  })
  .refine(({ balance, hashOn }) => hashOn === undefined || balance === 'hash', {
    path: ['hashOn'],
    message: 'is for `balance: hash`',
  })

export type UpstreamSpec = z.infer<typeof upstreamSpecSchema>
export type TargetSpec = z.infer<typeof targetSchema>
export type Balance = (typeof BALANCES)[number]

function isTargetUrl(text: string): boolean {
  const isTcp = /^tcp:\/\//i.test(text)
  // A port that is the default of another scheme would be lost.
  if (isTcp && !/:0*[1-9][0-9]*\/?$/.test(text)) return false
  const url = URL.parse(isTcp ? text.replace(/^tcp/i, 'http') : text)
  if (url === null) return false
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && !/[?#]/.test(text)
  return (
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    isBare &&
    url.username === '' &&
    url.password === ''
  )
}
