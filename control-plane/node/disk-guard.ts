import { describeError, RaftwayError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { DiskRoom, NodeId } from '../ports.ts'
import { assertRoom } from '../storage/room.ts'
import type { Leadership } from './leadership.ts'

/** How often a leader without room looks for somebody to lead in its place. */
const HANDOVER_CHECK_MS = 250

/** What the guard needs of the node around it. */
export type DiskGuardParts = {
  readonly space: DiskRoom
  readonly clock: Clock
  readonly logger: Logger
  readonly electionMs: number
  readonly leadership: Leadership
  /** Voters, other than this node, that said lately that they have room. */
  withRoom(): ReadonlySet<NodeId>
  /** Tells every write under way how it ended. */
  answerWaiting(error: RaftwayError): void
}

/**
 * Keeps a node from filling its disk. Below the reserve it takes no new writes, and a leader hands over to a voter that
 * has room; further down nothing is written at all until there is room again: a follower is silent rather than
 * acknowledge what it cannot keep, and a leader that nobody can replace answers what it has not written as uncertain.
 */
export class DiskGuard {
  readonly #parts: DiskGuardParts
  readonly #stops: readonly (() => void)[]
  readonly #waiting = new Set<() => void>()
  #handover: Promise<void> | null = null
  #isStopped = false

  constructor(parts: DiskGuardParts) {
    this.#parts = parts
    this.#stops = [
      parts.space.onRoom((room) => {
        if (room !== 'none') this.#wake()
        if (room !== 'plenty') this.#handOver()
      }),
      parts.clock.every(HANDOVER_CHECK_MS, () => {
        const room = parts.space.look()
        if (room !== 'plenty') this.#handOver()
        if (room === 'none' && this.#handover === null) this.#answerWaiting()
      }),
    ]
  }

  /** Before a write is planned. STORAGE_FULL, or NOT_LEADER when leadership went to a voter with room. */
  async admitWrite(): Promise<void> {
    const { space, leadership } = this.#parts
    if (space.look() === 'plenty') return
    this.#handOver()
    await this.#handover
    leadership.assertLeading()
    assertRoom(space)
  }

  /** Resolves when the log and the state may be written: at once, or when there is room again. */
  untilRoom(): Promise<void> | null {
    if (this.#isStopped || this.#parts.space.look() !== 'none') return null
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  stop(): void {
    this.#isStopped = true
    for (const stop of this.#stops) stop()
    this.#wake()
  }

  /** What is under way was taken before the disk was full: it is kept in memory, and written when there is room. */
  #answerWaiting(): void {
    const detail = 'the disk of the leader is full, and nobody can lead in its place'
    this.#parts.answerWaiting(new RaftwayError('WRITE_UNCERTAIN', detail))
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #handOver(): void {
    const { leadership, logger, electionMs } = this.#parts
    if (this.#handover !== null || !leadership.isLeading) return
    const fit = this.#parts.withRoom()
    if (fit.size === 0) return
    this.#handover = leadership
      .transfer(null, 2 * electionMs, fit)
      .then(
        ({ name }) => logger.warn({ to: name }, 'the disk is full: handed leadership over'),
        (error: unknown) =>
          logger.warn({ reason: describeError(error) }, 'leadership could not be handed over'),
      )
      .finally(() => {
        this.#handover = null
      })
  }
}
