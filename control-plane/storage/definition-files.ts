import type { DefinitionChange } from '../../shared/changes.ts'
import type { Definition } from '../../shared/definitions/kinds.ts'
import {
  DEFINITION_FILES_PAUSE_MS,
  DEFINITION_FILES_REST,
  DEFINITION_FILES_REST_MS_MAX,
  DEFINITION_FILES_RETRY_MS_MAX,
  DEFINITION_FILES_RETRY_MS_MIN,
} from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { ControlPlane, DiskRoom } from '../ports.ts'
import {
  compareDirectory,
  pathOf,
  writeFiles,
  writeRevision,
  type FileChanges,
} from './definition-directory.ts'
import { assertRoom } from './room.ts'

/** Whose definitions the files show. */
export type Followed = Pick<ControlPlane, 'onApplied' | 'onReset'> & {
  readonly state: { readonly revision: number; list(): Definition[] }
}

type Waiting = { readonly revision: number; readonly resolve: () => void }

/**
 * The applied definitions as files for people, git and gateways without a control plane:
 *
 *   <dir>/api/petstore.json   one a definition, kind in lower case, canonical
 *   <dir>/REVISION            written last: every file is as this revision has it
 *
 * They follow the state and never hold it up: changes wait here by definition, the newest of each, so that there are
 * never more than definitions. A disk that fails is tried again with back-off, and never stops the node.
 */
export class DefinitionFiles {
  readonly #dir: string
  readonly #logger: Logger
  readonly #space: DiskRoom
  /** What to write to get from `#shown` to `#wanted`. */
  #pending: FileChanges = new Map()
  /** Set while the whole directory must be compared with the state, whatever is pending. */
  #reconcile: Followed['state'] | null = null
  #wanted = -1
  /** When the last change came. */
  #changedMs = 0
  /** The revision that the files show; -1 before it is known. */
  #shown = -1
  #running: Promise<void> | null = null
  #isClosed = false
  #stops: readonly (() => void)[] = []
  #waiting: Waiting[] = []
  /** Each ends a pause early. */
  readonly #pauses = new Set<() => void>()

  constructor(dir: string, logger: Logger, space: DiskRoom) {
    this.#dir = dir
    this.#logger = logger
    this.#space = space
  }

  /** Makes the directory show the state, and keeps it so. What is identical already is not written. Call once. */
  follow(plane: Followed): void {
    const startOver = () => {
      this.#reconcile = plane.state
      this.#advance(plane.state.revision)
    }
    this.#stops = [
      plane.onApplied(({ revision, changes }) => {
        for (const change of changes) this.#enqueue(change)
        this.#advance(revision)
      }),
      plane.onReset(startOver),
    ]
    startOver()
  }

  /** Resolves when the files show `revision` or a later one; also when they are closed before. */
  flushed(revision: number): Promise<void> {
    if (this.#shown >= revision || this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ revision, resolve }))
  }

  /** Stops following and writes what is pending; gives up if the disk fails. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    for (const end of this.#pauses) end()
    await this.#running
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  #enqueue(change: DefinitionChange): void {
    if (change.op === 'put') this.#pending.set(pathOf(change.definition), change.definition)
    else this.#pending.set(pathOf(change), null)
  }

  #advance(revision: number): void {
    this.#wanted = revision
    this.#changedMs = performance.now()
    // It hears and logs its own failures, and never rejects.
    this.#running ??= this.#work()
  }

  async #work(): Promise<void> {
    let delayMs = DEFINITION_FILES_RETRY_MS_MIN
    // A turn later, so that changes which come together are written together.
    await Promise.resolve()
    while (this.#reconcile !== null || this.#shown !== this.#wanted) {
      try {
        assertRoom(this.#space)
        const syncedMs = await this.#writeOnce()
        delayMs = DEFINITION_FILES_RETRY_MS_MIN
        await this.#rest(syncedMs, DEFINITION_FILES_PAUSE_MS, DEFINITION_FILES_REST_MS_MAX)
      } catch (error) {
        this.#logger.warn({ err: error, dir: this.#dir }, 'definition files could not be written')
        if (this.#isClosed) break
        await this.#pause(delayMs)
        delayMs = Math.min(delayMs * 2, DEFINITION_FILES_RETRY_MS_MAX)
      }
    }
    this.#running = null
  }

  /** One round; gives how long it took to make it last, beside its files. */
  async #writeOnce(): Promise<number> {
    const reconcile = this.#reconcile
    const pending = this.#pending
    // State and revision are read in one turn, and hold everything that was pending.
    const revision = reconcile === null ? this.#wanted : reconcile.revision
    const definitions = reconcile?.list() ?? []
    this.#pending = new Map()
    this.#reconcile = null
    let writtenMs = 0
    try {
      const changes = reconcile === null ? pending : await compareDirectory(this.#dir, definitions)
      const restMsMax = DEFINITION_FILES_REST_MS_MAX / Math.max(1, changes.size)
      await writeFiles(this.#dir, changes, (tookMs) => this.#rest(tookMs, 0, restMsMax))
      writtenMs = performance.now()
      await writeRevision(this.#dir, revision)
    } catch (error) {
      this.#reconcile ??= reconcile
      for (const [path, definition] of pending) {
        if (!this.#pending.has(path)) this.#pending.set(path, definition)
      }
      throw error
    }
    this.#shown = revision
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.revision <= revision) waiter.resolve()
      else this.#waiting.push(waiter)
    }
    return performance.now() - writtenMs
  }

  /** After work of `lastedMs`. A single change is written at once; a stream of them slowly, the newest of each. */
  async #rest(lastedMs: number, restMsMin: number, restMsMax: number): Promise<void> {
    const work = { endedMs: performance.now(), lastedMs, restMsMin, restMsMax }
    while (!this.#isClosed) {
      const nowMs = performance.now()
      const leftMs = restMs(work, { nowMs, changedMs: this.#changedMs })
      if (leftMs <= 0) return
      await this.#pause(leftMs)
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#pauses.delete(end)
        resolve()
      }
      const timer = setTimeout(end, delayMs).unref()
      this.#pauses.add(end)
    })
  }
}

type Work = {
  readonly endedMs: number
  readonly lastedMs: number
  readonly restMsMin: number
  readonly restMsMax: number
}

/**
 * How long files rest after some work before they go on; 0: at once. Their syncs compete with those of the log on the
 * same disk, so while changes keep coming files get a small share of the time, and evenly; once nothing came for a
 * moment they have it all.
 */
export function restMs(
  { endedMs, lastedMs, restMsMin, restMsMax }: Work,
  { nowMs, changedMs }: { readonly nowMs: number; readonly changedMs: number },
): number {
  const fullMs = Math.min(lastedMs * DEFINITION_FILES_REST, restMsMax)
  const restedMs = nowMs - endedMs
  const quietMs = nowMs - changedMs
  const leftMs = Math.min(fullMs - restedMs, DEFINITION_FILES_PAUSE_MS - quietMs)
  return Math.max(leftMs, restMsMin - restedMs, 0)
}
