import { randomBytes } from 'node:crypto'
import {
  SPANS_PER_EXPORT_MAX,
  SPANS_WAITING_MAX,
  TRACE_EXPORT_MS,
  TRACE_EXPORT_MS_MAX,
} from '../../shared/limits.ts'
import type { RequestContext } from '../request-context.ts'
import { without } from '../stages/hop-by-hop.ts'
import { otlpBody, spansOf, type OtlpSpan, type Trace } from './otlp.ts'
import type { TraceSettings } from './settings.ts'
import { readTraceParent, traceParentText } from './trace-parent.ts'

/** What a tracer tells of spans. */
export type SpanCounts = { spansMade(count: number): void; spansDropped(count: number): void }

/**
 * Spans of one worker, posted to a collector by the batch. A request never waits for them: what a collector does not take
 * in time is dropped, and counted. Loaded only where spans are asked for.
 */
export class Tracer {
  readonly #settings: TraceSettings
  readonly #counts: SpanCounts
  #waiting: OtlpSpan[] = []
  #timer: NodeJS.Timeout | null = null
  #exporting: Promise<void> | null = null
  #isClosing = false
  /** Chance is taken from the system in larger pieces. */
  #chance = Buffer.alloc(0)
  #chanceAt = 0

  constructor(settings: TraceSettings, counts: SpanCounts) {
    this.#settings = settings
    this.#counts = counts
  }

  /** The field lines for a target: those given, with the place in the trace in them. Sets the context's trace. */
  carry(context: RequestContext, lines: string): string {
    const trace = this.#begin(context)
    context.trace = trace
    const { traceId, clientId, isSampled, parentId } = trace
    // What another trace has noted means nothing in one that begins here (W3C Trace Context 3.3).
    const dropped = parentId === null ? ['traceparent', 'tracestate'] : ['traceparent']
    const own = traceParentText({ traceId, spanId: clientId, isSampled })
    return `${without(lines, dropped)}traceparent: ${own}\r\n`
  }

  /** A request is over. */
  ended(context: RequestContext, durationMs: number): void {
    const trace = context.trace ?? this.#begin(context)
    if (!trace.isSampled) return
    const endedAtMs = Date.now()
    const startedAtMs = endedAtMs - durationMs
    const attemptedAtMs = startedAtMs + Math.max(0, context.attemptedAtMs - context.startedAtMs)
    const spans = spansOf(context, trace, { startedAtMs, attemptedAtMs, endedAtMs })
    if (this.#waiting.length + spans.length > SPANS_WAITING_MAX) {
      this.#counts.spansDropped(spans.length)
      return
    }
    this.#counts.spansMade(spans.length)
    this.#waiting.push(...spans)
    if (this.#waiting.length >= SPANS_PER_EXPORT_MAX) this.#export()
    else this.#timer ??= setTimeout(() => this.#export(), TRACE_EXPORT_MS)
  }

  /** Exports what waits, within the time of one export. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#exporting
    this.#export()
    await this.#exporting
    this.#counts.spansDropped(this.#waiting.length)
    this.#waiting = []
  }

  #begin({ exchange }: RequestContext): Trace {
    const parent = readTraceParent(exchange.header('traceparent'))
    return {
      traceId: parent?.traceId ?? this.#hex(16),
      parentId: parent?.spanId ?? null,
      serverId: this.#hex(8),
      clientId: this.#hex(8),
      isSampled: parent?.isSampled ?? this.#isTaken(),
      state: parent === null ? '' : (exchange.header('tracestate') ?? ''),
    }
  }

  #isTaken(): boolean {
    const { sample } = this.#settings
    return sample >= 1 || Number.parseInt(this.#hex(4), 16) < sample * 2 ** 32
  }

  #hex(bytes: number): string {
    if (this.#chanceAt + bytes > this.#chance.length) {
      this.#chance = randomBytes(4_096)
      this.#chanceAt = 0
    }
    const from = this.#chanceAt
    this.#chanceAt += bytes
    return this.#chance.toString('hex', from, from + bytes)
  }

  /** One export at a time. */
  #export(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#exporting !== null || this.#waiting.length === 0) return
    this.#exporting = this.#post(this.#waiting.splice(0, SPANS_PER_EXPORT_MAX)).finally(() => {
      this.#exporting = null
      if (this.#waiting.length === 0 || this.#isClosing) return
      if (this.#waiting.length >= SPANS_PER_EXPORT_MAX) this.#export()
      else this.#timer ??= setTimeout(() => this.#export(), TRACE_EXPORT_MS)
    })
  }

  /** Never rejects: what is not taken is counted. */
  async #post(spans: readonly OtlpSpan[]): Promise<void> {
    const { url, gateway } = this.#settings
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: otlpBody(gateway, spans),
        signal: AbortSignal.timeout(TRACE_EXPORT_MS_MAX),
      })
      await answer.arrayBuffer()
      if (!answer.ok) this.#counts.spansDropped(spans.length)
    } catch {
      this.#counts.spansDropped(spans.length)
    }
  }
}
