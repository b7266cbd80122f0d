import { assert } from '../../shared/assert.ts'

/**
 * The sliding window of append messages on their way to one follower, bounded by count and by payload bytes.
 * A ring: each slot holds the last index of its message. It grows on demand, since most windows stay short.
 * Source: etcd-io/raft tracker/inflights.go.
 */
export class Inflights {
  readonly #messagesMax: number
  readonly #bytesMax: number
  #start = 0
  #count = 0
  #bytes = 0
  #indexes: number[] = []
  #sizes: number[] = []

  /** `messagesMax` ≥ 1; `bytesMax` 0 means unbounded. */
  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether nothing more may be sent. One message may overshoot the byte limit: it is checked before sending. */
  get full(): boolean {
    return (
      this.#count === this.#messagesMax || (this.#bytesMax !== 0 && this.#bytes >= this.#bytesMax)
    )
  }

  /** Notes a sent message whose last entry is `index`; indexes come in ascending order. */
  add(index: number, bytes: number): void {
    assert(!this.full, 'an append is sent only while its window has room')
    if (this.#count === this.#indexes.length) this.#grow()
    const at = (this.#start + this.#count) % this.#indexes.length
    this.#indexes[at] = index
    this.#sizes[at] = bytes
    this.#count++
    this.#bytes += bytes
  }

  /** Forgets the messages that an acknowledgement of `index` covers. */
  freeTo(index: number): void {
    while (this.#count > 0 && (this.#indexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#start] ?? 0
      this.#start = (this.#start + 1) % this.#indexes.length
      this.#count--
    }
    if (this.#count === 0) this.#start = 0
  }

  reset(): void {
    this.#start = 0
    this.#count = 0
    this.#bytes = 0
  }

  #grow(): void {
    const capacity = Math.min(this.#messagesMax, Math.max(4, this.#indexes.length * 2))
    const indexes = Array.from<number>({ length: capacity }).fill(0)
    const sizes = Array.from<number>({ length: capacity }).fill(0)
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#start + i) % this.#indexes.length
      indexes[i] = this.#indexes[at] ?? 0
      sizes[i] = this.#sizes[at] ?? 0
    }
    this.#start = 0
    this.#indexes = indexes
    this.#sizes = sizes
  }
}
