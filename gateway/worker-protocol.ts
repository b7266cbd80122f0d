import type { Counted, CountsAnswer } from '../shared/count-protocol.ts'
import type { SealKeys } from '../shared/definitions/seal.ts'
import type { Quarantined } from '../shared/routing/types.ts'
import type { ClientBounds } from './client-bounds.ts'
import type { UsageCount, UsageTotal } from '../shared/usage-protocol.ts'
import type { DefinitionName } from './config/definition-text.ts'
import type { CounterMemory } from './limits/counter-memory.ts'
import type { MetricsMemory } from './metrics/slots.ts'
import type { NetworkSettings } from './network-options.ts'
import type { Address } from './options.ts'
import type { RecordSettings } from './records/settings.ts'
import type { TraceSettings } from './tracing/settings.ts'
import type { TicketMemory } from './tls/ticket-keys.ts'
import type { UpstreamReport } from './upstream/report.ts'

/** What a worker is started with. */
export type WorkerStart = {
  /** Place of the worker among its siblings, and of its counters; 0 ≤ index. */
  readonly index: number
  readonly metrics: MetricsMemory
  /** Of rate limits. */
  readonly counters: CounterMemory
  /** Null: no access records. */
  readonly records: RecordSettings | null
  /** Null: no spans. */
  readonly traces: TraceSettings | null
  readonly network: NetworkSettings
  readonly clients: ClientBounds
  /** What opens the secrets of definitions. */
  readonly sealKeys: SealKeys
  /** Null: no https port. */
  readonly tls: { readonly ticketKeys: TicketMemory } | null
  /** Ports that are not for Streams. */
  readonly ownPorts: readonly number[]
  /** How long what is under way has when it is to end. */
  readonly drainMs: number
  /** A worker that is later than this sheds load; 0: it never does. */
  readonly shedLateMs: number
  /** How long a request may go on after its route is gone. */
  readonly routeDrainMs: number
}

/** Where requests come in; https null: no TLS. */
export type Addresses = { readonly http: Address; readonly https: Address | null }

/** Ports that were really taken. */
export type Ports = { readonly http: number; readonly https: number | null }

/** Which config a worker serves. `step` counts what the supervisor sent, and only grows. */
export type Applied = { readonly step: number; readonly revision: number; readonly hash: string }

/** From the supervisor. Messages are taken in order. */
export type ToWorker =
  | {
      readonly type: 'change'
      readonly to: Applied
      /** Canonical texts, or many of them as lines of UTF-8 in memory that all workers share. */
      readonly puts: readonly string[] | Uint8Array
      readonly deletes: readonly DefinitionName[]
      /** Another message belongs to the same step: adopt, but do not answer yet. */
      readonly isPartial: boolean
    }
  | { readonly type: 'listen'; readonly addresses: Addresses; readonly isShared: boolean }
  /** So many characters of records are written, or lost. */
  | { readonly type: 'records-taken'; readonly chars: number }
  /** Connections that are idle stay open for `quietMs`. */
  | { readonly type: 'drain'; readonly quietMs: number }
  /** The cluster has the usage of this worker up to and with a batch. */
  | {
      readonly type: 'usage-told'
      readonly totals: readonly UsageTotal[]
      readonly through: number
    }
  /** What others have counted of shared limits; for one worker, the others only hear the seed. */
  | { readonly type: 'counts-told'; readonly answer: CountsAnswer }
  /** Answered with `targets` and the same number. */
  | { readonly type: 'report-targets'; readonly ask: number }

/** From a worker. */
export type FromWorker =
  | {
      readonly type: 'applied'
      readonly applied: Applied
      readonly routes: number
      readonly quarantined: readonly Quarantined[]
    }
  | {
      /** Ports of Streams were tried since the last `applied`, and something is different. */
      readonly type: 'ports-tried'
      readonly routes: number
      readonly quarantined: readonly Quarantined[]
    }
  | { readonly type: 'listening'; readonly ports: Ports }
  | { readonly type: 'listen-failed'; readonly code: string; readonly reason: string }
  /** Whole lines; further ones are held back when too many are not yet taken. */
  | { readonly type: 'records'; readonly lines: string; readonly records: number }
  /** What was counted of limits that all gateways share. */
  | { readonly type: 'counts'; readonly counts: readonly Counted[] }
  /** What was used of quotas since the batch before. */
  | { readonly type: 'usage'; readonly batch: number; readonly counts: readonly UsageCount[] }
  | { readonly type: 'drained' }
  | {
      readonly type: 'targets'
      readonly ask: number
      readonly upstreams: readonly UpstreamReport[]
    }
