import type { ErrorCode } from '../../shared/errors.ts'
import { SERIES_FORGET_MS } from '../../shared/limits.ts'
import type { Lines } from './lines.ts'
import { SeriesTable, sumSeries } from './series.ts'
import { STREAM_ERRORS, STREAM_SERIES, STREAM_SLOT, type MetricsMemory } from './slots.ts'

/** Connections that no Stream took: a label without a value is none. */
const NO_STREAM = ''

/** Counters of the Streams of one worker, in memory that the supervisor reads. */
export class StreamMetrics {
  readonly #series: SeriesTable | null
  #forgotAtMs = Number.NEGATIVE_INFINITY

  /** Takes over the memory of a worker that died: its counts go on, its connections are gone. */
  constructor(memory: MetricsMemory, worker: number) {
    const isFull = memory.level === 'full'
    this.#series = isFull ? new SeriesTable(memory.streams, worker, STREAM_SERIES) : null
    const { values } = this.#series ?? { values: NO_VALUES }
    for (let at = STREAM_SLOT.active; at < values.length; at += STREAM_SERIES.slots) values[at] = 0
  }

  began(stream: string): void {
    this.#add(stream, STREAM_SLOT.connections, 1)
    this.#add(stream, STREAM_SLOT.active, 1)
  }

  ended(stream: string): void {
    this.#add(stream, STREAM_SLOT.active, -1)
  }

  carried(stream: string, from: 'client' | 'target', bytes: number): void {
    this.#add(stream, from === 'client' ? STREAM_SLOT.received : STREAM_SLOT.sent, bytes)
  }

  /** An attempt to reach a target failed, or a connection was refused; null: before a Stream had taken it. */
  failed(stream: string | null, code: ErrorCode): void {
    const at = STREAM_ERRORS.findIndex((known) => known === code)
    if (at !== -1) this.#add(stream ?? NO_STREAM, STREAM_SLOT.errors + at, 1)
  }

  /** Where series are used up, names that are no more give theirs back. */
  configChanged(nowMs: number, isLive: (name: string) => boolean): void {
    if (this.#series?.isFull !== true || nowMs - this.#forgotAtMs < SERIES_FORGET_MS) return
    this.#forgotAtMs = nowMs
    this.#series.forget((name) => name === NO_STREAM || isLive(name))
  }

  #add(stream: string, slot: number, amount: number): void {
    const series = this.#series
    if (series === null) return
    const at = series.place(stream) + slot
    series.values[at] = (series.values[at] ?? 0) + amount
  }
}

const NO_VALUES = new Float64Array(0)

/** Adds what is counted by Stream. */
export function streamLines(memory: MetricsMemory, lines: Lines): void {
  const all = [...sumSeries(memory.streams, STREAM_SERIES)].filter(([, values]) =>
    values.some((value) => value !== 0),
  )
  if (all.length === 0) return
  const families = [
    ['stream_connections_total', 'counter', 'Connections by Stream.', STREAM_SLOT.connections],
    ['stream_active_connections', 'gauge', 'Connections that are open.', STREAM_SLOT.active],
    ['stream_received_bytes_total', 'counter', 'Bytes from clients.', STREAM_SLOT.received],
    ['stream_sent_bytes_total', 'counter', 'Bytes to clients.', STREAM_SLOT.sent],
  ] as const
  for (const [name, type, help, slot] of families) {
    lines.family(name, type, help)
    for (const [stream, values] of all) {
      lines.value(name, { stream }, values[slot] ?? 0)
    }
  }
  const help = 'Failed attempts to reach a target, and refused connections, by Stream and code.'
  lines.family('stream_errors_total', 'counter', help)
  for (const [stream, values] of all) {
    STREAM_ERRORS.forEach((code, i) => {
      const count = values[STREAM_SLOT.errors + i] ?? 0
      if (count > 0) lines.value('stream_errors_total', { stream, code }, count)
    })
  }
}
