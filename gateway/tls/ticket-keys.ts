import { randomFillSync } from 'node:crypto'

/** What Node takes as `ticketKeys`: the name of the key, which tickets begin with, then the two that make and check them. */
const KEY_BYTES = 48
const TICKET_NAME_BYTES = 16
/** A count of changes, odd while one is being made; then the newest key and the one before it. */
const COUNT_BYTES = 4
const MEMORY_BYTES = COUNT_BYTES + 2 * KEY_BYTES

/** Memory that all workers of a gateway share. */
export type TicketMemory = SharedArrayBuffer

/** Makes the keys that sessions of TLS are kept with, and a new one from time to time. Belongs to the supervisor. */
export class TicketKeyMaker {
  readonly memory: TicketMemory = new SharedArrayBuffer(MEMORY_BYTES)
  readonly #count = new Int32Array(this.memory, 0, 1)
  readonly #timer: NodeJS.Timeout

  constructor(periodMs: number) {
    // Whoever knew the key before the first one could make tickets: it is as random as any.
    this.rotate()
    this.rotate()
    this.#timer = setInterval(() => this.rotate(), periodMs)
    this.#timer.unref()
  }

  /** Tickets are made with a new key from now on. Those of the key before are still good, older ones are not any more. */
  rotate(): void {
    const keys = new Uint8Array(this.memory, COUNT_BYTES)
    Atomics.add(this.#count, 0, 1)
    keys.copyWithin(KEY_BYTES, 0, KEY_BYTES)
    const made = new Uint8Array(KEY_BYTES)
    randomFillSync(made)
    keys.set(made)
    Atomics.add(this.#count, 0, 1)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** The keys as a worker has them. */
export class TicketKeys {
  readonly #memory: TicketMemory
  readonly #count: Int32Array
  #seen = -1
  #newest: Buffer = Buffer.alloc(0)
  #previous: Buffer = Buffer.alloc(0)

  constructor(memory: TicketMemory) {
    this.#memory = memory
    this.#count = new Int32Array(memory, 0, 1)
  }

  /** The same object as before, as long as there is no newer one. */
  get newest(): Buffer {
    this.#refresh()
    return this.#newest
  }

  /** The key that a ticket was made with, by the bytes that it begins with; the newest for all that are too old, or none. */
  keyFor(ticket: Uint8Array | null): Buffer {
    this.#refresh()
    if (ticket === null) return this.#newest
    const name = this.#previous.subarray(0, TICKET_NAME_BYTES)
    return name.equals(ticket.subarray(0, TICKET_NAME_BYTES)) ? this.#previous : this.#newest
  }

  /** Whether tickets of a key are still good. */
  isKnown(key: Buffer): boolean {
    this.#refresh()
    return key === this.#newest || key === this.#previous
  }

  #refresh(): void {
    let count = Atomics.load(this.#count, 0)
    if (count === this.#seen) return
    for (;;) {
      const keys = Buffer.from(new Uint8Array(this.#memory, COUNT_BYTES))
      const after = Atomics.load(this.#count, 0)
      // A change takes microseconds: it is over by the next look.
      if (after === count && (count & 1) === 0) {
        this.#take(keys)
        this.#seen = count
        return
      }
      count = after
    }
  }

  #take(keys: Buffer): void {
    const newest = keys.subarray(0, KEY_BYTES)
    const previous = keys.subarray(KEY_BYTES)
    this.#previous = [this.#newest, this.#previous].find((old) => old.equals(previous)) ?? previous
    this.#newest = newest
  }
}
