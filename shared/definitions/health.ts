import { z } from 'zod'
import {
  CHECK_INTERVAL_MS_MIN,
  CHECK_STATUSES_MAX,
  CHECKS_IN_ROW_MAX,
  FAILURES_IN_ROW_MAX,
  HOST_CHARS_MAX,
  PATH_CHARS_MAX,
  TIMEOUT_MS_MAX,
} from '../limits.ts'
import { millisecondsSchema } from './common.ts'

/** How a gateway asks a target whether it is well. */
const CHECK_TYPES = ['http', 'tcp', 'grpc'] as const

export type CheckType = (typeof CHECK_TYPES)[number]

const activeSchema = z
  .strictObject({
    type: z
      .enum(CHECK_TYPES)
      .optional()
      .describe(
        'http (default): GET, judged by the status. tcp: a connection stands. grpc: grpc.health.v1.Health/Check.',
      ),
    path: z
      .string()
      .max(PATH_CHARS_MAX)
      .regex(/^\/[!-~]*$/, 'must begin with "/" and have no spaces')
      .optional()
      .describe('What an http check asks for. Default /.'),
    host: z
      .string()
      .max(HOST_CHARS_MAX)
      .regex(/^[A-Za-z0-9._:[\]-]+$/, 'must be a host, with a port if need be')
      .optional()
      .describe('Host that an http or grpc check names. Default: that of the target.'),
    statuses: z
      .array(z.int().min(100).max(599))
      .min(1)
      .max(CHECK_STATUSES_MAX)
      .optional()
      .describe('Answers to an http check that mean well. Default: 200 to 399.'),
    service: z
      .string()
      .max(PATH_CHARS_MAX)
      .optional()
      .describe('Service that a grpc check asks about. Default: the whole server.'),
    port: z.int().min(1).max(65_535).optional().describe('Default: the port of the target.'),
    intervalMs: z
      .int()
      .min(CHECK_INTERVAL_MS_MIN)
      .max(TIMEOUT_MS_MAX)
      .optional()
      .describe(
        'From the end of one check of a target to its next, by each worker. Default 10000.',
      ),
    timeoutMs: millisecondsSchema.optional().describe('For the whole check. Default 2000.'),
    unhealthyAfter: z
      .int()
      .min(1)
      .max(CHECKS_IN_ROW_MAX)
      .optional()
      .describe('Failed checks in a row that take a target out. Default 3.'),
    healthyAfter: z
      .int()
      .min(1)
      .max(CHECKS_IN_ROW_MAX)
      .optional()
      .describe('Good checks in a row that bring it back. Default 2.'),
  })
  .refine(({ type, path }) => path === undefined || (type ?? 'http') === 'http', {
    path: ['path'],
    message: 'is for checks of type http',
  })
  .refine(({ type, statuses }) => statuses === undefined || (type ?? 'http') === 'http', {
    path: ['statuses'],
    message: 'is for checks of type http',
  })
  .refine(({ type, host }) => host === undefined || type !== 'tcp', {
    path: ['host'],
    message: 'is for checks of type http and grpc',
  })
  .refine(({ type, service }) => service === undefined || type === 'grpc', {
    path: ['service'],
    message: 'is for checks of type grpc',
  })

const passiveSchema = z.strictObject({
  failuresInRow: z
    .int()
    .min(1)
    .max(FAILURES_IN_ROW_MAX)
    .optional()
    .describe(
      'Failures in a row (no answer, a malformed one, or 5xx) that eject a target. Default 5.',
    ),
  ejectMs: millisecondsSchema
    .optional()
    .describe('How long the first ejection lasts; each further one twice as long. Default 30000.'),
  ejectMsMax: millisecondsSchema
    .optional()
    .describe('The longest ejection. Default 300000, or ejectMs if that is more.'),
  ejectPercentMax: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Share of the targets that may be ejected at one time. Default 50.'),
})

/** Which targets take requests. */
export const healthSchema = z.strictObject({
  active: activeSchema.optional().describe('Targets are asked. Omitted: they are not.'),
  passive: passiveSchema
    .optional()
    .describe('Targets are judged by their answers to clients. Omitted: they are not.'),
  panicPercent: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .describe(
      'When less than this share of the targets is well, all of them take requests: it is more likely that the ' +
        'judgement is wrong. 0: never, so that there may be none (503 UPSTREAM_UNHEALTHY). Default 10.',
    ),
  slowStartMs: millisecondsSchema
    .optional()
    .describe(
      'A target that is new or well again gets its full share only after this time. Default: at once.',
    ),
})

export type HealthSpec = z.infer<typeof healthSchema>
