import { z } from 'zod'
import { HOSTS_PER_STREAM_MAX, STREAM_CONNECTIONS_MAX } from '../limits.ts'
import { hostSchema, millisecondsSchema, nameSchema } from './common.ts'
import { upstreamSpecSchema } from './upstream.ts'

/** What a target is told of the client's connection before anything else. */
const PROXY_HEADERS = ['none', 'v1', 'v2'] as const

/** What a Stream is: a port, and where the connections that come there go, byte for byte. */
export const streamSpecSchema = z
  .strictObject({
    port: z
      .int()
      .min(1)
      .max(65_535)
      .describe('TCP port that gateways listen on, if their option --stream-ports allows it.'),
    sni: z
      .array(hostSchema)
      .min(1)
      .max(HOSTS_PER_STREAM_MAX)
      .optional()
      .describe(
        'Names that TLS clients ask for: `.x` = x and everything below; `*.x` = only below. Omitted: whatever no other ' +
          'Stream of the port takes, TLS or not. Nothing is decrypted.',
      ),
    upstream: z
      .union([nameSchema, upstreamSpecSchema])
      .describe(
        'Inline, or the name of an Upstream. Connections are plain TCP to host and port of a target, whatever its scheme.',
      ),
    proxyProtocol: z
      .enum(PROXY_HEADERS)
      .optional()
      .describe('PROXY header that targets are sent first. Default none.'),
    acceptProxyProtocol: z
      .boolean()
      .optional()
      .describe(
        'Connections come from trusted proxies of the gateway and begin with a PROXY header; others are closed. The same ' +
          'for all Streams of a port. Default false.',
      ),
    idleMs: millisecondsSchema
      .optional()
      .describe('How long neither side may send anything. Default 3600000.'),
    connectionsMax: z
      .int()
      .min(1)
      .max(STREAM_CONNECTIONS_MAX)
      .optional()
      .describe(
        `Connections at a time in one worker of a gateway. Default ${STREAM_CONNECTIONS_MAX}.`,
      ),
  })
  .describe('Connections that are passed on without a look inside.')

export type StreamSpec = z.infer<typeof streamSpecSchema>
export type StreamProxyHeader = (typeof PROXY_HEADERS)[number]
