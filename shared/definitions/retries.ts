import { z } from 'zod'
import {
  BREAKER_PROBES_MAX,
  BREAKER_REQUESTS_MAX,
  BREAKER_WINDOW_MS_MIN,
  RETRIES_MAX,
  RETRIES_PER_SECOND_MAX,
  RETRY_STATUSES_MAX,
  TIMEOUT_MS_MAX,
} from '../limits.ts'
import { millisecondsSchema } from './common.ts'

const backoffSchema = z.strictObject({
  baseMs: millisecondsSchema.describe(
    'Before the first further attempt: anything up to this; then up to twice as long each time.',
  ),
  maxMs: millisecondsSchema.optional().describe('Longest wait. Default ten times baseMs.'),
})

const budgetSchema = z.strictObject({
  percent: z
    .int()
    .min(0)
    .max(1_000)
    .describe('Further attempts for each hundred requests of a worker to the upstream.'),
  perSecond: z
    .int()
    .min(0)
    .max(RETRIES_PER_SECOND_MAX)
    .optional()
    .describe('Further attempts a second that are allowed at any rate. Default 10.'),
})

export const retriesSchema = z.strictObject({
  attempts: z
    .int()
    .min(0)
    .max(RETRIES_MAX)
    .describe(
      'Further attempts after the first, on other targets while there are some. Default 1. What a target may have ' +
        'seen is repeated only if its method is idempotent and nothing of its body was sent.',
    ),
  statuses: z
    .array(z.int().min(500).max(599))
    .min(1)
    .max(RETRY_STATUSES_MAX)
    .optional()
    .describe(
      'Answers after which another target is asked, if the method is idempotent. Default none.',
    ),
  perTryMs: millisecondsSchema
    .optional()
    .describe(
      'From the start of an attempt to the head of its answer; then another may follow. Not for a body that was begun to be ' +
        'sent. Default: firstByteMs bounds each attempt, and none follows.',
    ),
  backoff: backoffSchema.optional().describe('Omitted: further attempts follow at once.'),
  budget: budgetSchema
    .optional()
    .describe('Bounds further attempts to a share of the requests. Omitted: only `attempts` does.'),
})

/** A second attempt beside a slow first one. */
export const hedgeSchema = z.strictObject({
  afterMs: millisecondsSchema.describe(
    'A request without a body and with an idempotent method that has no answer after this time is sent to a second ' +
      'target as well; the first answer counts.',
  ),
})

/** When an upstream is left alone. */
export const breakerSchema = z.strictObject({
  failurePercent: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Share of requests without an answer or with 5xx that opens it. Default 50.'),
  requestsMin: z
    .int()
    .min(1)
    .max(BREAKER_REQUESTS_MAX)
    .optional()
    .describe('Requests in the window below which it stays closed. Default 20.'),
  windowMs: z
    .int()
    .min(BREAKER_WINDOW_MS_MIN)
    .max(TIMEOUT_MS_MAX)
    .optional()
    .describe('Over how long it looks back. Default 10000.'),
  openMs: millisecondsSchema
    .optional()
    .describe('How long it stays open: 503 UPSTREAM_OPEN with Retry-After. Default 5000.'),
  openMsMax: millisecondsSchema
    .optional()
    .describe(
      'Each failed probe doubles the time up to this. Default 60000, or openMs if that is more.',
    ),
  probes: z
    .int()
    .min(1)
    .max(BREAKER_PROBES_MAX)
    .optional()
    .describe(
      'Requests that are let through after it, and must all be good to close it. Default 1.',
    ),
})

export type RetriesSpec = z.infer<typeof retriesSchema>
export type HedgeSpec = z.infer<typeof hedgeSchema>
export type BreakerSpec = z.infer<typeof breakerSchema>
