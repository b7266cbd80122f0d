import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { DiskRoom } from '../ports.ts'
import { compactionPoint } from '../storage/retention.ts'
import type { NodeStore } from '../storage/node-store.ts'
import type { Applier } from './applier.ts'

/** Keeps the log and the history within their bounds, in the background. */
export class Housekeeping {
  readonly #store: NodeStore
  readonly #space: DiskRoom
  readonly #applier: Applier
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #stops: (() => void)[]
  #running: Promise<void> = Promise.resolve()

  constructor(parts: {
    readonly store: NodeStore
    readonly space: DiskRoom
    readonly applier: Applier
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#store = parts.store
    this.#space = parts.space
    this.#applier = parts.applier
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#stops = [
      parts.clock.every(parts.store.retention.logCheckMs, () =>
        this.#run('log compaction', () => this.#compactLog()),
      ),
      parts.clock.every(parts.store.retention.historyCheckMs, () =>
        this.#run('history compaction', () => this.#compactHistory()),
      ),
    ]
  }

  /** Ends the timers; resolves when nothing is under way. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    await this.#running
  }

  #run(what: string, work: () => Promise<void>): void {
    if (this.#space.look() === 'none') return
    this.#running = this.#running.then(work).catch((error: unknown) => {
      this.#logger.warn({ err: error }, `${what} failed; it will be tried again`)
    })
  }

  /**
   * Half of the bound stays, so that compaction is rare and a follower just behind needs no snapshot. What a member
   * needs next stays as well: else the log would be gone from under each snapshot by the time it has arrived.
   */
  async #compactLog(): Promise<void> {
    const { log, retention, neededFrom } = this.#store
    const first = log.firstIndex()
    const held = log.lastIndex() - first + 1
    if (held <= retention.logEntries && log.bytes <= retention.logBytes) return
    const upTo = Math.min(
      this.#applier.index,
      log.lastIndex() - Math.floor(Math.min(held, retention.logEntries) / 2),
      held > retention.logEntriesForMembers || log.bytes > retention.logBytesForMembers
        ? Infinity
        : neededFrom - 1,
    )
    if (upTo >= first) await this.#store.compactLog(upTo)
  }

  async #compactHistory(): Promise<void> {
    const { state } = this.#applier
    const upTo = await compactionPoint(this.#store.past, {
      revision: state.revision,
      nowMs: this.#clock.now(),
      keep: this.#store.retention,
      compactedRevision: state.compactedRevision,
    })
    if (upTo <= state.compactedRevision) return
    // Readers are told before the records go, so that nobody finds a hole.
    state.compactHistory(upTo)
    await this.#store.compactHistory(upTo)
  }
}
