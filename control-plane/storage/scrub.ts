import { describeError } from '../../shared/errors.ts'
import { SCRUB_PIECE_BYTES, SCRUB_RETRY_MS } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { ScrubReport } from '../ports.ts'
import type { Pace } from './table-check.ts'

/** One kind of thing that is at rest. */
export type ScrubCheck = {
  /** For people. */
  readonly what: string
  /** Says what is damaged, in words; null when nothing is. */
  find(pace: Pace): Promise<string | null>
  /** Does what can be done about it; the next pass tells whether that was enough. */
  heal(detail: string): Promise<void>
}

/** Thrown out of a check that is to end. */
class Ended extends Error {}

/**
 * Reads everything that is at rest again and again, slowly, so that damage is found while there still is somebody to
 * heal from, and not when the last whole copy is gone. Each pass reads so many bytes a second at most, and rests after.
 */
export class Scrub {
  readonly #checks: readonly ScrubCheck[]
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #bytesPerSecond: number
  readonly #restMs: number
  readonly #running: Promise<void>
  /** Read since the last pause. */
  #unpacedBytes = 0
  #bytes = 0
  #passes = 0
  #damages = 0
  /** Checks whose last look found damage that is not healed. */
  readonly #damaged = new Set<string>()
  #isStopped = false
  #wake: () => void = () => {}

  /** `restMs` passes before the first pass as well: a start has just checked what there is. */
  constructor(parts: {
    readonly checks: readonly ScrubCheck[]
    readonly bytesPerSecond: number
    readonly restMs: number
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#checks = parts.checks
    this.#bytesPerSecond = parts.bytesPerSecond
    this.#restMs = parts.restMs
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#running = this.#run()
  }

  get report(): ScrubReport {
    const isDamaged = this.#damaged.size > 0
    return { bytes: this.#bytes, passes: this.#passes, damages: this.#damages, isDamaged }
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      const restMs =
        this.#damaged.size === 0 ? this.#restMs : Math.min(this.#restMs, SCRUB_RETRY_MS)
      await this.#pause(restMs)
      if (this.#isStopped) return
      for (const check of this.#checks) await this.#carryOut(check)
      if (this.#isStopped) return
      this.#passes++
    }
  }

  /** Never rejects. */
  async #carryOut(check: ScrubCheck): Promise<void> {
    const { what } = check
    try {
      const detail = await check.find((bytes) => this.#pace(bytes))
      if (detail === null) {
        if (this.#damaged.delete(what))
          this.#logger.warn({ audit: true, what }, 'data at rest that was damaged is whole again')
        return
      }
      if (!this.#damaged.has(what)) this.#damages++
      this.#damaged.add(what)
      this.#logger.error({ audit: true, what, detail }, 'data at rest is DAMAGED')
      await check.heal(detail)
    } catch (error) {
      if (error instanceof Ended) return
      this.#logger.warn(
        { what, reason: describeError(error) },
        'what is at rest could not be checked; it is tried again',
      )
    }
  }

  async #pace(bytes: number): Promise<void> {
    this.#bytes += bytes
    this.#unpacedBytes += bytes
    if (this.#unpacedBytes >= SCRUB_PIECE_BYTES) {
      const owedMs = (this.#unpacedBytes * 1_000) / this.#bytesPerSecond
      this.#unpacedBytes = 0
      await this.#pause(owedMs)
    }
    if (this.#isStopped) throw new Ended()
  }

  /** Ends early with `stop`. */
  #pause(ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const over = (): void => {
        cancel()
        this.#wake = () => {}
        resolve()
      }
      const cancel = this.#clock.after(ms, over)
      this.#wake = over
    })
  }
}
