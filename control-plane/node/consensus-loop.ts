import type { Clock } from '../clock.ts'
import type { NodeStore } from '../storage/node-store.ts'
import type { AppliedBatch, RestoredState, Transport } from '../ports.ts'
import type { RawNode, ReadState, Ready, SoftState } from '../raft/raw-node.ts'
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  type HardState,
  type Message,
  type MessageOf,
  type NodeId,
} from '../raft/messages.ts'

/** What happens around consensus; each is called from the loop, never while the core is inside a call. */
export type LoopHooks = {
  /** Just before effects are taken: the moment to hand in what was gathered. */
  onGather(): void
  onSoftState(softState: SoftState): void
  onReadState(readState: ReadState): void
  /**
   * Committed entries in order, exactly once, one call at a time; resolves when they are applied in memory, with what
   * the disk must remember of them.
   */
  onCommitted(entries: readonly Entry[]): Promise<AppliedBatch>
  onSnapshotNeeded(message: MessageOf<'snap'>): void
  /** Makes the staged snapshot the state, with the hard state in the same synchronous batch. */
  onSnapshotAccepted(message: MessageOf<'storage-append'>): Promise<RestoredState>
  /** Null while the disk has room; without any, what resolves when it has some again. */
  untilRoom(): Promise<void> | null
  /** The disk failed, or an invariant broke: the process must end. Nothing runs afterwards. */
  onFatal(error: unknown): void
}

/**
 * The driver of the core. Events in, effects out, and the order is the contract:
 *
 *   event ──► core ──► messages that promise nothing ──► transport
 *                 ├──► storage-append ──► one synchronous batch ──► its responses (votes, acknowledgements)
 *                 └──► storage-apply ───► state ──────────────────► its responses
 *                                           └──► disk, when it comes to it: the log has it
 *
 * Whatever queues up during one sync shares the next: group commit falls out of the shape. A failed sync is never
 * retried. Source: Raft thesis 3.8, 10.2.1; etcd-io/raft doc.go, "asynchronous storage writes".
 */
export class ConsensusLoop {
  readonly #raw: RawNode
  readonly #id: NodeId
  readonly #store: NodeStore
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #hooks: LoopHooks
  #isScheduled = false
  #isStopped = false
  #appends: MessageOf<'storage-append'>[] = []
  #applies: MessageOf<'storage-apply'>[] = []
  #appending: Promise<void> | null = null
  #applying: Promise<void> | null = null
  /** Applied in memory, and not yet in the hands of the store. */
  #applied: AppliedBatch[] = []
  #writing: Promise<void> | null = null
  /** What the disk holds of term and vote: a newer commit alone waits for the next batch that syncs anyway. */
  #durable: HardState
  #newest: HardState

  constructor(parts: {
    readonly raw: RawNode
    readonly id: NodeId
    readonly store: NodeStore
    readonly transport: Transport
    readonly clock: Clock
    readonly hooks: LoopHooks
  }) {
    this.#raw = parts.raw
    this.#id = parts.id
    this.#store = parts.store
    this.#transport = parts.transport
    this.#clock = parts.clock
    this.#hooks = parts.hooks
    this.#durable = parts.store.log.initialState().hardState
    this.#newest = this.#durable
  }

  /** Makes sure that effects are taken soon. Call after every event given to the core. */
  wake(): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    this.#clock.defer(() => this.#drain())
  }

  /** Ends the loop; resolves when what was being written is on disk. Nothing is sent or applied afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#appending
    await this.#settled()
  }

  /** Runs `work` while nothing is being applied: what commits meanwhile waits for it. */
  async whileNothingIsApplied(work: () => Promise<void>): Promise<void> {
    await this.#settled()
    const done = work()
    this.#applying = this.#applyAfter(done)
    await done
  }

  /** Resolves when nothing is being applied, and the store has all that was. */
  async #settled(): Promise<void> {
    for (;;) {
      const busy = this.#applying ?? this.#writing
      if (busy === null) return
      await busy
    }
  }

  async #applyAfter(work: Promise<void>): Promise<void> {
    // Whoever asked for it hears how it ended.
    await work.catch(() => {})
    this.#applying = null
    if (this.#applies.length > 0 && !this.#isStopped) this.#applying = this.#applyAll()
  }

  #drain(): void {
    this.#isScheduled = false
    if (this.#isStopped) return
    try {
      this.#hooks.onGather()
      while (this.#raw.hasReady()) this.#carryOut(this.#raw.ready())
    } catch (error) {
      this.#fail(error)
    }
  }

  #carryOut(ready: Ready): void {
    if (ready.softState !== null) this.#hooks.onSoftState(ready.softState)
    for (const message of ready.messages) this.#route(message)
    for (const readState of ready.readStates) this.#hooks.onReadState(readState)
    // A failure inside either loop ends the process through onFatal; the promises themselves never reject. With work
    // to do a loop waits at least once, so that it ends after its promise is kept here.
    if (this.#appends.length > 0) this.#appending ??= this.#appendAll()
    if (this.#applies.length > 0) this.#applying ??= this.#applyAll()
  }

  #route(message: Message): void {
    if (message.to === APPEND_THREAD) {
      if (message.type === 'storage-append') this.#appends.push(message)
    } else if (message.to === APPLY_THREAD) {
      if (message.type === 'storage-apply') this.#applies.push(message)
    } else if (message.to === this.#id) {
      this.#raw.step(message)
    } else if (message.type === 'snap') {
      this.#hooks.onSnapshotNeeded(message)
    } else if (!this.#transport.send(message)) {
      this.#raw.reportUnreachable(message.to)
    }
  }

  async #appendAll(): Promise<void> {
    try {
      while (this.#appends.length > 0 && !this.#isStopped) {
        // A disk without room is waited for: what is not written is not acknowledged.
        await this.#hooks.untilRoom()
        if (!this.#isStopped) await this.#appendNext()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#appending = null
    }
  }

  async #appendNext(): Promise<void> {
    const first = this.#appends[0]
    if (first?.snapshot) {
      this.#appends.shift()
      // Entries before the snapshot must not be applied over it.
      await this.#settled()
      await this.#hooks.onSnapshotAccepted(first)
      if (first.hardState !== null) this.#rememberDurable(first.hardState)
      this.#deliver(first.responses)
      return
    }
    const batch = this.#takeAppends()
    const entries = mergeEntries(batch)
    for (const message of batch) if (message.hardState !== null) this.#newest = message.hardState
    const mustSync =
      entries.length > 0 ||
      this.#newest.term !== this.#durable.term ||
      this.#newest.vote !== this.#durable.vote
    if (mustSync) {
      const hardState = this.#newest === this.#durable ? null : this.#newest
      await this.#store.persist({ entries, hardState })
      if (hardState !== null) this.#durable = hardState
    }
    for (const message of batch) this.#deliver(message.responses)
  }

  /** Everything up to the next snapshot, which goes alone. */
  #takeAppends(): readonly MessageOf<'storage-append'>[] {
    const at = this.#appends.findIndex((message) => message.snapshot !== null)
    return at === -1 ? this.#appends.splice(0) : this.#appends.splice(0, at)
  }

  #rememberDurable(hardState: HardState): void {
    this.#durable = hardState
    this.#newest = hardState
  }

  /**
   * Applies in memory all that commits, whether or not the disk has room: the log holds it, and whoever waits for it
   * is answered.
   */
  async #applyAll(): Promise<void> {
    try {
      while (this.#applies.length > 0 && !this.#isStopped) {
        for (const message of this.#applies.splice(0)) {
          const batch = await this.#hooks.onCommitted(message.entries)
          this.#applied.push(batch)
          // What is in memory is applied: the core must not wait for the disk with a change of the membership.
          this.#deliver(message.responses)
        }
        this.#writing ??= this.#writeApplied()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#applying = null
    }
  }

  /** Hands what was applied to the store as soon as there is room. Never rejects: a failure ends the loop. */
  async #writeApplied(): Promise<void> {
    try {
      while (this.#applied.length > 0) {
        await this.#hooks.untilRoom()
        if (this.#isStopped) break
        for (const batch of this.#applied.splice(0)) {
          this.#store.apply(batch).catch((error: unknown) => this.#fail(error))
        }
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#writing = null
    }
  }

  #deliver(responses: readonly Message[]): void {
    if (this.#isStopped) return
    for (const response of responses) this.#route(response)
    this.wake()
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#hooks.onFatal(error)
  }
}

/** The entries of several appends as one: a later append replaces what it overlaps. */
function mergeEntries(batch: readonly MessageOf<'storage-append'>[]): readonly Entry[] {
  if (batch.length === 1) return batch[0]?.entries ?? []
  const merged: Entry[] = []
  for (const { entries } of batch) {
    const first = entries[0]
    if (first === undefined) continue
    while ((merged.at(-1)?.index ?? -1) >= first.index) merged.pop()
    for (const entry of entries) merged.push(entry)
  }
  return merged
}
