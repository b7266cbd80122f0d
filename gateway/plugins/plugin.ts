import type { SealKeys } from '../../shared/definitions/seal.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { Identity } from '../consumers/identity.ts'
import type { CurrentTable } from '../config/current-table.ts'
import type { UsageBook } from '../quotas/usage-book.ts'
import type { Counters } from '../limits/counters.ts'
import type { SharedCounts } from '../limits/shared-counts.ts'
import type { WorkerMetrics } from '../metrics/worker-metrics.ts'
import type { Reply, StageResult } from '../reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { Passwords } from './passwords.ts'

/** What lives as long as a worker and is used by plugins. */
export type PluginParts = {
  readonly consumers: Consumers
  readonly secrets: Secrets
  /** Open the secrets of Consumers. */
  readonly sealKeys: SealKeys
  readonly passwords: Passwords
  readonly current: CurrentTable
  readonly usage: UsageBook
  readonly counters: Counters
  readonly sharedCounts: SharedCounts
  readonly metrics: WorkerMetrics
  /** Milliseconds since 1970. */
  readonly epochMs: () => number
}

/** One look at a request: a reply ends it, `undefined` lets it pass. A promise only where something must be waited for. */
export type Check = (context: RequestContext) => StageResult

/** Who is asking; a reply when the credentials that there are are not good; null when there are none of this kind. */
export type Authenticated = Identity | Reply | null

/** Knows callers by one kind of credentials. */
export type Authenticator = {
  readonly authenticate: (context: RequestContext) => Authenticated | Promise<Authenticated>
  /** For a caller who shows nothing, when something is needed. */
  readonly missing: Reply
}
