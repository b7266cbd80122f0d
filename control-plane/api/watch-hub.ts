import { KIND_NAMES, secretPathsOf } from '../../shared/definitions/kinds.ts'
import { describeError, RaftwayError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { ControlPlane, StateReader } from '../ports.ts'
import type { ApiBounds } from './context.ts'
import type { Metrics } from './metrics.ts'
import { encodeLine, RecentChanges } from './recent-changes.ts'
import { SnapshotText, type WatchView } from './snapshot-text.ts'
import { Watcher, type WatchSink, type WatchSource, type WatchStart } from './watcher.ts'

export type WatchHubOptions = {
  readonly plane: Pick<ControlPlane, 'state' | 'onApplied' | 'onReset'>
  readonly clock: Clock
  readonly logger: Logger
  readonly bounds: ApiBounds
  readonly metrics: Pick<Metrics, 'onWatcherCutOff'>
}

/** How long a snapshot's text is kept after its last reader: gateways that start together do not do so to the tick. */
const SNAPSHOT_KEPT_MS = 1_000

const SECRET_KINDS = KIND_NAMES.filter((kind) => secretPathsOf(kind).length > 0)

type Shared = { readonly snapshot: SnapshotText; readers: number; endExpiry: () => void }

/** All watches of one node: an applied change is encoded once and handed to every live watcher in the same tick. */
export class WatchHub implements WatchSource {
  readonly recent: RecentChanges
  readonly #options: WatchHubOptions
  readonly #watchers = new Set<Watcher>()
  readonly #live = new Set<Watcher>()
  readonly #stops: (() => void)[]
  #shared: Shared | null = null

  constructor(options: WatchHubOptions) {
    const { plane, clock, bounds } = options
    this.#options = options
    const { revision, hash } = plane.state
    this.recent = new RecentChanges({ revision, hash }, bounds.recentChangesBytesMax)
    this.#stops = [
      plane.onApplied((change) => {
        const encoded = this.recent.push(change)
        for (const watcher of this.#live) watcher.deliver(encoded)
      }),
      plane.onReset(() => this.#reset()),
      // Twice as often as promised: a timer that is late must not break the promise.
      clock.every(Math.ceil(bounds.bookmarkMs / 2), () => this.#bookmark()),
    ]
  }

  get state(): StateReader {
    return this.#options.plane.state
  }

  get clock(): Clock {
    return this.#options.clock
  }

  get queueBytesMax(): number {
    return this.#options.bounds.watcherQueueBytesMax
  }

  get stallMs(): number {
    return this.#options.bounds.watcherStallMs
  }

  get replayRevisions(): number {
    return this.#options.bounds.replayRevisions
  }

  get count(): number {
    return this.#watchers.size
  }

  get bytesQueued(): number {
    let bytes = 0
    for (const watcher of this.#watchers) bytes += watcher.bytesQueued
    return bytes
  }

  /** OVERLOADED when as many watches are open as one node serves. */
  assertRoom(): void {
    const { watchersMax } = this.#options.bounds
    if (this.#watchers.size < watchersMax) return
    const detail = `This node serves ${watchersMax} watches (WATCHERS_MAX) already.`
    throw new RaftwayError('OVERLOADED', detail)
  }

  /**
   * Makes a response whose head was sent a watch, until either side ends it. What is sent is what is hashed, sealed
   * secrets included: for gateways.
   */
  open(sink: WatchSink, from: WatchStart): Pick<Watcher, 'end' | 'reset'> {
    return this.#open(sink, from, 'sealed')
  }

  /** The same for everybody else: secrets are redacted. */
  openRedacted(sink: WatchSink, from: WatchStart): Pick<Watcher, 'end' | 'reset'> {
    return this.#open(sink, from, 'redacted')
  }

  #open(sink: WatchSink, from: WatchStart, view: WatchView): Watcher {
    const watcher = new Watcher(sink, this, view)
    this.#watchers.add(watcher)
    sink.once('close', () => {
      this.#watchers.delete(watcher)
      this.#live.delete(watcher)
    })
    // The watcher hears its own failures.
    void watcher.start(from)
    return watcher
  }

  takeSnapshot(wanted: WatchView): SnapshotText {
    const shared = this.#shared
    const { revision, hash } = this.state
    // Without secrets both views are one.
    const view = this.#hasSecrets() ? wanted : 'sealed'
    const isSame = shared?.snapshot.revision === revision && shared.snapshot.hash === hash
    if (isSame && shared.snapshot.view === view) {
      shared.readers++
      return shared.snapshot
    }
    // One text is kept at a time: the newest is the one that others may still join.
    this.#forgetShared()
    const snapshot = new SnapshotText(this.state, view)
    this.#shared = { snapshot, readers: 1, endExpiry: () => {} }
    return snapshot
  }

  releaseSnapshot(snapshot: SnapshotText): void {
    const shared = this.#shared
    if (shared?.snapshot !== snapshot) return
    shared.readers--
    shared.endExpiry()
    shared.endExpiry = this.clock.after(SNAPSHOT_KEPT_MS, () => {
      if (shared === this.#shared && shared.readers === 0) this.#forgetShared()
    })
  }

  goLive(watcher: Watcher): void {
    this.#live.add(watcher)
  }

  onFailure(error: unknown): void {
    this.#options.logger.error({ error: describeError(error) }, 'a watch failed')
  }

  onCutOff(watcher: Watcher): void {
    this.#live.delete(watcher)
    this.#options.metrics.onWatcherCutOff()
    const fields = { bytesQueued: watcher.bytesQueued }
    this.#options.logger.warn(fields, 'a watcher did not keep up and was cut off')
  }

  /** Tells every watcher that the node stops. */
  close(): void {
    for (const stop of this.#stops) stop()
    for (const watcher of this.#watchers) watcher.end('STOPPING', 'this node is stopping')
    this.#live.clear()
    this.#forgetShared()
  }

  #hasSecrets(): boolean {
    return SECRET_KINDS.some((kind) => this.state.list(kind).length > 0)
  }

  #forgetShared(): void {
    const shared = this.#shared
    this.#shared = null
    shared?.snapshot.forget()
    shared?.endExpiry()
  }

  #reset(): void {
    const { revision, hash } = this.state
    this.recent.restart({ revision, hash })
    this.#live.clear()
    for (const watcher of this.#watchers) watcher.reset()
  }

  /** Every live watcher has been given all changes up to the newest: the bookmark is never ahead of them. */
  #bookmark(): void {
    const { revision } = this.recent.newest
    const line = encodeLine({ type: 'bookmark', revision })
    for (const watcher of this.#live) watcher.mark(line)
  }
}
