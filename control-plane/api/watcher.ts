import { isRaftwayError, type ErrorCode } from '../../shared/errors.ts'
import { nextTurn, type Clock } from '../clock.ts'
import type { StateReader } from '../ports.ts'
import { encodeLine, type EncodedChange, type RecentChanges } from './recent-changes.ts'
import { replay } from './replay.ts'
import type { SnapshotText, WatchView } from './snapshot-text.ts'

/** How long a watcher that was cut off may still take what waits for it, the reason included. */
const FAREWELL_MS = 1_000

/** Where a watch goes: a response whose head was sent. `error` is always followed by `close`. */
export type WatchSink = {
  /** Bytes taken and not yet on their way. */
  readonly writableLength: number
  /** False: take a pause until `drain`. */
  write(bytes: Buffer): boolean
  end(bytes: Buffer): void
  destroy(): void
  on(event: 'error', listener: () => void): void
  once(event: 'drain' | 'close', listener: () => void): void
  off(event: 'drain' | 'close', listener: () => void): void
}

/** What a watcher draws from: its hub. */
export type WatchSource = {
  readonly clock: Clock
  readonly state: StateReader
  readonly recent: RecentChanges
  readonly queueBytesMax: number
  readonly stallMs: number
  readonly replayRevisions: number
  takeSnapshot(view: WatchView): SnapshotText
  releaseSnapshot(snapshot: SnapshotText): void
  /** From now on `deliver` is called for every change, in the tick in which it is applied. */
  goLive(watcher: Watcher): void
  onFailure(error: unknown): void
  onCutOff(watcher: Watcher): void
}

/** Where a watch begins. `reset` is a revision that this cluster does not have: it was restored from an older copy. */
export type WatchStart =
  | { readonly type: 'snapshot' }
  | { readonly type: 'after'; readonly revision: number }
  | { readonly type: 'reset' }

/**
 * One open watch. It catches up at the pace of its client, from a snapshot, history and recent changes; once nothing
 * is missing it is live, in the same tick, so that no change is left out and none comes twice.
 */
export class Watcher {
  readonly #sink: WatchSink
  readonly #source: WatchSource
  readonly #view: WatchView
  /** Revision of the last change or snapshot that was sent. */
  #at = 0
  #isLive = false
  #mustReset = false
  #isOver = false

  constructor(sink: WatchSink, source: WatchSource, view: WatchView) {
    this.#sink = sink
    this.#source = source
    this.#view = view
    // Writing to a client that has just gone is an error of the stream; `close` follows and is what counts.
    sink.on('error', () => sink.destroy())
    sink.once('close', () => {
      this.#isOver = true
    })
  }

  get bytesQueued(): number {
    return this.#sink.writableLength
  }

  /** Begins. Never rejects: a failure ends this watch, and its client comes again. */
  async start(from: WatchStart): Promise<void> {
    if (from.type === 'after') this.#at = from.revision
    if (from.type === 'reset') this.#mustReset = true
    try {
      if (from.type === 'snapshot') await this.#sendSnapshot()
      await this.#catchUp()
    } catch (error) {
      this.#source.onFailure(error)
      this.end('INTERNAL', 'the node failed at this watch')
    }
  }

  /** Sends one change to a live watcher, or cuts it off if too much waits for it. */
  deliver(change: EncodedChange): void {
    if (change.revision <= this.#at) return
    this.#at = change.revision
    this.mark(this.#lineOf(change))
  }

  /** Sends a line that is no change. */
  mark(line: Buffer): void {
    if (this.#isOver) return
    this.#sink.write(line)
    if (this.#sink.writableLength > this.#source.queueBytesMax) this.#cutOff()
  }

  /** The state was replaced: what comes next begins with a snapshot. */
  reset(): void {
    this.#mustReset = true
    if (!this.#isLive) return
    this.#isLive = false
    // start() hears its own failures.
    void this.start({ type: 'reset' })
  }

  /** Ends the watch on purpose, and says why. */
  end(code: ErrorCode, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isLive = false
    this.#sink.end(encodeLine({ type: 'closed', code, reason }))
    this.#sink.once(
      'close',
      this.#source.clock.after(FAREWELL_MS, () => this.#sink.destroy()),
    )
  }

  async #catchUp(): Promise<void> {
    const { recent } = this.#source
    while (!this.#isOver) {
      if (this.#mustReset) {
        await this.#startOver(this.#source.state.revision)
        continue
      }
      const missing = recent.since(this.#at)
      if (missing === null) {
        await this.#replay()
        continue
      }
      if (missing.length === 0) {
        this.#isLive = true
        this.#source.goLive(this)
        return
      }
      for (const change of missing) {
        if (this.#isOver || this.#mustReset) break
        this.#at = change.revision
        await this.#send(this.#lineOf(change))
      }
    }
  }

  async #replay(): Promise<void> {
    const { state, recent, replayRevisions, clock } = this.#source
    const range = { after: this.#at, until: recent.floor, revisionsAtOnce: replayRevisions }
    try {
      for await (const change of replay(state, range)) {
        if (this.#isOver || this.#mustReset) return
        this.#at = change.revision
        await this.#send(this.#lineOf(change))
      }
      // Changes are announced before they are on disk: a replay that came too early is tried again.
      await nextTurn(clock)
    } catch (error) {
      if (!isRaftwayError(error, 'REVISION_COMPACTED')) throw error
      await this.#startOver(state.compactedRevision)
    }
  }

  async #startOver(compacted: number): Promise<void> {
    this.#mustReset = false
    await this.#send(encodeLine({ type: 'compacted', revision: compacted }))
    await this.#sendSnapshot()
  }

  async #sendSnapshot(): Promise<void> {
    const snapshot = this.#source.takeSnapshot(this.#view)
    const { revision, hash, count } = snapshot
    try {
      await this.#send(encodeLine({ type: 'snapshot', revision, count }))
      for (let at = 0; !this.#isOver; at++) {
        const piece = snapshot.piece(at)
        if (piece === null) break
        await this.#send(piece)
        await nextTurn(this.#source.clock)
      }
      await this.#send(encodeLine({ type: 'snapshot-end', revision, hash }))
      this.#at = revision
    } finally {
      this.#source.releaseSnapshot(snapshot)
    }
  }

  #lineOf({ line, redacted }: EncodedChange): Buffer {
    return this.#view === 'sealed' ? line : redacted
  }

  /** Sends at the client's pace. A client that takes nothing for too long is cut off. */
  async #send(bytes: Buffer): Promise<void> {
    if (this.#isOver || this.#sink.write(bytes)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#source.clock.after(this.#source.stallMs, () => this.#cutOff())
    this.#sink.once('drain', resolve)
    this.#sink.once('close', resolve)
    await promise
    cancel()
    this.#sink.off('drain', resolve)
    this.#sink.off('close', resolve)
  }

  #cutOff(): void {
    this.#source.onCutOff(this)
    this.end('WATCHER_TOO_SLOW', 'the watcher did not keep up')
  }
}
