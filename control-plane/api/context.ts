import type { SealKeys } from '../../shared/definitions/seal.ts'
import type { Logger } from '../../shared/logger.ts'
import {
  API_BODY_BYTES_MAX,
  BOOKMARK_MS,
  READ_BARRIER_MS_MAX,
  RECENT_CHANGES_BYTES_MAX,
  REPLAY_REVISIONS,
  WATCHER_QUEUE_BYTES_MAX,
  WATCHER_STALL_MS_MAX,
  WATCHERS_MAX,
} from '../../shared/limits.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane, ScrubReport } from '../ports.ts'
import type { CertificateDesk } from './enrolment.ts'
import type { CountExchange } from './count-exchange.ts'
import type { Forwarder } from './forward.ts'
import type { Gate } from './gate.ts'
import type { GatewayRegistry } from './gateway-registry.ts'
import type { Metrics } from './metrics.ts'
import type { RolloutBoard } from './rollout.ts'
import type { WatchHub } from './watch-hub.ts'

/** What every call of one node's API works with. Lives as long as the server. */
export type ApiContext = {
  readonly plane: ControlPlane
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  readonly bounds: ApiBounds
  /** How long a call looks for a leader: two election timeouts, at least a second. */
  readonly patienceMs: number
  readonly gate: Gate
  /** Null without TLS. */
  readonly desk: CertificateDesk | null
  /** What seals secrets; empty where none can be written. */
  readonly sealKeys: SealKeys
  readonly hub: WatchHub
  readonly gateways: GatewayRegistry
  readonly rollouts: RolloutBoard
  readonly forwarder: Forwarder
  readonly counts: CountExchange
  readonly metrics: Metrics
  scrub(): ScrubReport
  /** The server is about to close: it is not ready and takes no watches, but still serves whoever calls. */
  isStopping(): boolean
  /** It closes: what comes now is refused. */
  isClosed(): boolean
}

/** Bounds that a test may tighten; the defaults are those of `shared/limits.ts`. */
export type ApiBounds = {
  readonly bodyBytesMax: number
  readonly bookmarkMs: number
  readonly watchersMax: number
  readonly watcherQueueBytesMax: number
  readonly watcherStallMs: number
  readonly recentChangesBytesMax: number
  /** Revisions read from disk at once for a watcher that catches up. */
  readonly replayRevisions: number
  /** How long a read or an answer waits until this node has caught up. */
  readonly catchUpMs: number
}

export const DEFAULT_BOUNDS: ApiBounds = {
  bodyBytesMax: API_BODY_BYTES_MAX,
  bookmarkMs: BOOKMARK_MS,
  watchersMax: WATCHERS_MAX,
  watcherQueueBytesMax: WATCHER_QUEUE_BYTES_MAX,
  watcherStallMs: WATCHER_STALL_MS_MAX,
  recentChangesBytesMax: RECENT_CHANGES_BYTES_MAX,
  replayRevisions: REPLAY_REVISIONS,
  catchUpMs: READ_BARRIER_MS_MAX,
}
