import type { Socket } from 'node:net'

/**
 * What a link does to the bytes that one node sends another.
 * - `hold`: a black hole. Connections stand and open, nothing comes through; it all arrives when the fault ends.
 * - `drop`: bytes are gone. A connection that lost some is reset when the fault ends.
 * - `cut`: connections are reset, and new ones as soon as it is known who dialled.
 * - `slow`: bytes arrive late, in order, and no more than so many a second.
 */
export type Fault =
  | { readonly type: 'hold' }
  | { readonly type: 'drop' }
  | { readonly type: 'cut' }
  | {
      readonly type: 'slow'
      readonly delayMs: number
      /** Every piece waits up to so much longer. */
      readonly jitterMs: number
      readonly bytesPerSecond: number
    }

/** Held back beyond this, the sender's own network has to wait, as behind a real router. */
const QUEUE_BYTES_MAX = 1 << 20

type Parcel = { readonly bytes: Buffer | 'end'; readonly dueMs: number }

/** One direction of one connection through a relay: what `source` says, `sink` hears, as far as the fault lets it. */
export class Flow {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #chance: () => number
  #fault: Fault | null
  #queue: Parcel[] = []
  #bytes = 0
  #lastDueMs = 0
  #hasLost = false
  #timer: NodeJS.Timeout | undefined

  /** `chance` gives numbers in 0 ≤ x < 1. */
  constructor(parts: {
    readonly source: Socket
    readonly sink: Socket
    readonly fault: Fault | null
    readonly chance: () => number
  }) {
    this.#source = parts.source
    this.#sink = parts.sink
    this.#fault = parts.fault
    this.#chance = parts.chance
    this.#source.on('data', (bytes: Buffer) => this.push(bytes))
    this.#source.on('close', () => this.push('end'))
    this.#sink.on('drain', () => this.#pump())
    this.#sink.on('close', () => this.#forget())
  }

  push(bytes: Buffer | 'end'): void {
    if (this.#sink.destroyed) return
    if (this.#fault?.type === 'drop') {
      this.#hasLost = true
      return
    }
    this.#queue.push({ bytes, dueMs: this.#dueMs(bytes.length) })
    this.#bytes += bytes.length
    if (this.#bytes > QUEUE_BYTES_MAX) this.#source.pause()
    this.#pump()
  }

  /** From now on this is what happens; null for nothing. */
  become(fault: Fault | null): void {
    if (this.#hasLost || fault?.type === 'cut') {
      this.#source.resetAndDestroy()
      this.#sink.resetAndDestroy()
      return
    }
    this.#fault = fault
    this.#lastDueMs = 0
    this.#queue = this.#queue.map(({ bytes }) => ({ bytes, dueMs: this.#dueMs(bytes.length) }))
    this.#pump()
  }

  #dueMs(bytes: number): number {
    const fault = this.#fault
    if (fault?.type !== 'slow') return 0
    const late = performance.now() + fault.delayMs + this.#chance() * fault.jitterMs
    this.#lastDueMs = Math.max(late, this.#lastDueMs) + (bytes * 1_000) / fault.bytesPerSecond
    return this.#lastDueMs
  }

  #pump(): void {
    clearTimeout(this.#timer)
    if (this.#fault?.type === 'hold') return
    while (!this.#sink.destroyed && !this.#sink.writableNeedDrain) {
      const [first] = this.#queue
      if (first === undefined) break
      const waitMs = first.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), waitMs)
        break
      }
      this.#queue.shift()
      this.#bytes -= first.bytes.length
      if (first.bytes === 'end') this.#sink.destroySoon()
      else this.#sink.write(first.bytes)
    }
    if (this.#bytes <= QUEUE_BYTES_MAX / 2) this.#source.resume()
  }

  /** Nobody hears it any more; the sender goes on unaware until it is told through the other direction. */
  #forget(): void {
    clearTimeout(this.#timer)
    this.#queue = []
    this.#bytes = 0
    this.#source.resume()
  }
}
