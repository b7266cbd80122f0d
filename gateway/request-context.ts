import type { ErrorCode } from '../shared/errors.ts'
import type { CompiledRoute, CompiledUpstream } from '../shared/routing/types.ts'
import type { Random } from '../shared/random.ts'
import type { CurrentTable } from './config/current-table.ts'
import type { Entitlements } from './consumers/consumer.ts'
import type { Identity } from './consumers/identity.ts'
import type { Exchange } from './exchange.ts'
import type { HeldRoutes } from './held-routes.ts'
import type { Shedding } from './limits/shedding.ts'
import type { WorkerMetrics } from './metrics/worker-metrics.ts'
import type { Access } from './plugins/access.ts'
import type { RecordBatch } from './records/record-batch.ts'
import type { RequestIds } from './request-id.ts'
import type { Reply } from './reply.ts'
import type { BodyDigest } from './signatures/body-digest.ts'
import type { Certificates } from './tls/certificates.ts'
import type { Trace } from './tracing/otlp.ts'
import type { Tracer } from './tracing/tracer.ts'
import type { Tunnels } from './tunnels.ts'
import type { LiveUpstreams } from './upstream/live-upstreams.ts'

/** What lives as long as a worker and is shared by its requests. */
export type PipelineParts = {
  readonly current: CurrentTable
  readonly access: Access
  readonly upstreams: LiveUpstreams
  readonly tunnels: Tunnels
  readonly heldRoutes: HeldRoutes
  readonly metrics: WorkerMetrics
  /** Null: no access records. */
  readonly records: RecordBatch | null
  /** Null: no https port. */
  readonly tls: TlsParts | null
  /** Null: no spans. */
  readonly tracer: Tracer | null
  readonly requestIds: RequestIds
  readonly random: Random
  /** Null: nothing is shed. */
  readonly shedding: Shedding | null
  /** Milliseconds from any fixed moment. */
  readonly now: () => number
  /** Runs something once, later, unless what it returns is called before. */
  readonly after: After
  /** This moment as a Date field has it. */
  readonly httpDate: () => string
}

/** What requests need to know of TLS. */
type TlsParts = {
  readonly certificates: Pick<Certificates, 'requiredFor'>
  /** Port that clients are sent to. */
  readonly port: number
}

/** Calls `run` once, in so many milliseconds, unless what it gives is called before. */
export type After = (ms: number, run: () => void) => () => void

/** Who has to know when a request is over. */
type RequestWatcher = { requestOver(): void }

/** One request on its way through the stages. Each stage fills in what the later ones read. */
export class RequestContext {
  readonly exchange: Exchange
  readonly parts: PipelineParts
  readonly startedAtMs: number
  /** Set by `matchStage`, and kept to the end whatever table comes meanwhile. */
  route: CompiledRoute | null = null
  upstream: CompiledUpstream | null = null
  /** Who gets a copy of this request; null for nearly all. */
  mirrorUpstream: CompiledUpstream | null = null
  /** Who is asking; null: nobody was asked for, or nobody is known. */
  identity: Identity | null = null
  /** What they are entitled to; null without an identity. */
  entitlements: Entitlements | null = null
  /** Lower-case names of fields of the client that the target does not get; null for none. */
  dropped: readonly string[] | null = null
  /** Field lines that the target gets beside those of the client. */
  added = ''
  /** In place of the client's query; null: as it came. */
  query: string | null = null
  /** Largest request body; Infinity: any. */
  bodyBytesMax = Infinity
  /** Field lines that the client gets beside those of the answer, whoever gives it. */
  answerLines = ''
  /** Lower-case names of fields of the target's answer that the client does not get; null for none. */
  answerDropped: readonly string[] | null = null
  /** The body must be the one that its client has signed, or the refusal is the answer; null: any. */
  signedBody: { readonly digest: BodyDigest; readonly refusal: Reply } | null = null
  /** A browser's question before a request to another origin, which `cors` of the route answers. */
  isPreflight = false
  /** Set by `rewriteStage`. */
  targetPath = ''
  lines = ''
  /** Protocol that the target is asked to change to; null: none. */
  upgrade: string | null = null
  requestId: string | null = null
  /** Set by `rewriteStage` where spans are made. */
  trace: Trace | null = null
  /** Status that went to the client; 0 while none did. */
  status = 0
  /** Why the gateway answered by itself, or broke an answer off; null otherwise. */
  code: ErrorCode | null = null
  /** Origin of the target that was asked last; null while none was. */
  target: string | null = null
  /** Targets asked, one after another. */
  attempts = 0
  /** When the last of them was asked, as `startedAtMs` counts. */
  attemptedAtMs = 0
  /** From there to the head of its answer; null while there is none. */
  upstreamMs: number | null = null
  /** What waits for the end of the request; null for nearly all. */
  #waiting: RequestWatcher[] | null = null
  #isOver = false
  requestBytes = 0
  responseBytes = 0

  constructor(exchange: Exchange, parts: PipelineParts) {
    this.exchange = exchange
    this.parts = parts
    this.startedAtMs = parts.now()
  }

  /** Whether it has ended, however it did. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Tells somebody once the request is over, whatever it comes to; at once if it is already. */
  whenOver(watcher: RequestWatcher): void {
    if (this.#isOver) watcher.requestOver()
    else (this.#waiting ??= []).push(watcher)
  }

  /** Once, at the end. */
  over(): void {
    this.#isOver = true
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    for (const watcher of waiting) watcher.requestOver()
  }
}
