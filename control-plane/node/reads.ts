import { RaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'
import type { ReadState } from '../raft/raw-node.ts'

type Read = { readonly resolve: (index: number) => void; readonly reject: (error: Error) => void }
type Round = { readonly context: string; readonly reads: Read[]; askedMs: number }

/** How long an unanswered round waits before it is asked again: messages may be lost. */
const ASK_AGAIN_MS = 100

/**
 * Linearizable read points. Reads that arrive while a round is under way share the next one: a round must begin
 * after the read did, or it would prove too little. Source: Raft thesis 6.4.
 */
export class Reads {
  readonly #clock: Clock
  readonly #ask: (context: string) => void
  readonly #prefix: string
  #sequence = 0
  #round: Round | null = null
  #next: Read[] = []

  /** `ask` sends one ReadIndex; contexts begin with `prefix` and are unique in the cluster. */
  constructor(clock: Clock, prefix: string, ask: (context: string) => void) {
    this.#clock = clock
    this.#prefix = prefix
    this.#ask = ask
  }

  /** The log index that must be applied here before a read that began now may be answered. NO_LEADER at the timeout. */
  point(timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const read: Read = {
        resolve: (index) => {
          cancel()
          resolve(index)
        },
        reject: (error) => {
          cancel()
          reject(error)
        },
      }
      const cancel = this.#clock.after(timeoutMs, () => {
        this.#forget(read)
        reject(new RaftwayError('NO_LEADER', `no leader confirmed the read within ${timeoutMs} ms`))
      })
      this.#next.push(read)
      if (this.#round === null) this.#begin()
    })
  }

  /** The core answered a round. */
  onReadState(readState: ReadState): void {
    const round = this.#round
    if (round === null || round.context !== readState.context) return
    this.#round = null
    for (const read of round.reads) read.resolve(readState.index)
    if (this.#next.length > 0) this.#begin()
  }

  /** Asks again what went unanswered for too long; called on ticks. */
  onTick(): void {
    const round = this.#round
    if (round === null || this.#clock.monotonic() - round.askedMs < ASK_AGAIN_MS) return
    if (round.reads.length === 0) {
      this.#round = null
      if (this.#next.length > 0) this.#begin()
      return
    }
    round.askedMs = this.#clock.monotonic()
    this.#ask(round.context)
  }

  /** Refuses everyone who waits. */
  rejectAll(error: Error): void {
    const reads = [...(this.#round?.reads ?? []), ...this.#next]
    this.#round = null
    this.#next = []
    for (const read of reads) read.reject(error)
  }

  #begin(): void {
    const context = `${this.#prefix}-${++this.#sequence}`
    this.#round = { context, reads: this.#next, askedMs: this.#clock.monotonic() }
    this.#next = []
    this.#ask(context)
  }

  #forget(read: Read): void {
    for (const reads of [this.#round?.reads, this.#next]) {
      const at = reads?.indexOf(read) ?? -1
      if (at !== -1) reads?.splice(at, 1)
    }
  }
}
