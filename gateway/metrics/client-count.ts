import { slotsOf, SLOT, type MetricsMemory } from './slots.ts'

/**
 * Connections of clients that are open, in memory that all workers share: each writes its own number and reads those of all. So
 * a bound on all of them holds to within one connection a worker, without a lock.
 */
export class ClientCount {
  readonly #own: Float64Array
  readonly #all: readonly Float64Array[]

  /** Takes over the memory of a worker that died, whose connections are gone. */
  constructor(memory: MetricsMemory, worker: number) {
    this.#all = Array.from({ length: memory.workers }, (_, at) => slotsOf(memory, at))
    this.#own = slotsOf(memory, worker)
    this.#own[SLOT.clients] = 0
  }

  opened(): void {
    this.#own[SLOT.clients] = (this.#own[SLOT.clients] ?? 0) + 1
  }

  closed(): void {
    this.#own[SLOT.clients] = (this.#own[SLOT.clients] ?? 0) - 1
  }

  /** Of all workers. */
  get inAll(): number {
    let sum = 0
    for (const slots of this.#all) sum += slots[SLOT.clients] ?? 0
    return sum
  }
}
