import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type {
  DiskRoom,
  HardState,
  IncomingSnapshot,
  NodeId,
  RestoredState,
  SnapshotMeta,
  Transport,
} from '../ports.ts'
import type { MessageOf } from '../raft/messages.ts'
import type { RawNode } from '../raft/raw-node.ts'
import type { NodeStore } from '../storage/node-store.ts'
import { assertRoom } from '../storage/room.ts'

/** A snapshot that arrived whole. */
export type Staged = { readonly meta: SnapshotMeta; readonly incoming: IncomingSnapshot }

type Expected = { readonly from: NodeId; staged: Staged | null }

/**
 * Whole states on their way to followers too far behind, and in from the leader. The message of consensus carries
 * only what the snapshot stands for; the state is cut fresh at this node's applied index when it is sent, and staged
 * beside the old state until consensus accepts it.
 */
export class Snapshots {
  readonly #raw: RawNode
  readonly #store: NodeStore
  readonly #transport: Transport
  readonly #logger: Logger
  readonly #wake: () => void
  readonly #space: DiskRoom
  readonly #onFatal: (error: unknown) => void
  readonly #id: NodeId
  readonly #sending = new Set<NodeId>()
  #expected: Expected | null = null
  /** By index: a newer one may come while an older one waits to be installed. */
  readonly #staged = new Map<number, Staged>()

  constructor(parts: {
    readonly self: { readonly id: NodeId }
    readonly raw: RawNode
    readonly store: NodeStore
    readonly transport: Transport
    readonly logger: Logger
    readonly wake: () => void
    readonly space: DiskRoom
    readonly onFatal: (error: unknown) => void
  }) {
    this.#raw = parts.raw
    this.#id = parts.self.id
    this.#store = parts.store
    this.#transport = parts.transport
    this.#logger = parts.logger
    this.#wake = parts.wake
    this.#space = parts.space
    this.#onFatal = parts.onFatal
  }

  /** Streams the state to a member that asked for it, beside consensus. Never rejects. */
  async give(to: NodeId, term: number): Promise<void> {
    if (this.#sending.has(to)) return
    this.#sending.add(to)
    try {
      await this.#stream({ type: 'snap', from: this.#id, to, term })
    } catch (error) {
      this.#logger.warn({ to, err: error }, 'a copy of the state did not arrive')
    } finally {
      this.#sending.delete(to)
    }
  }

  /** The next snapshot of this member is an answer, and not for consensus to decide about. End it. */
  expectFrom(from: NodeId): { staged(): Staged | null; end(): Promise<void> } {
    const expected: Expected = { from, staged: null }
    this.#expected = expected
    return {
      staged: () => expected.staged,
      end: async () => {
        this.#expected = null
        // One that was taken is no longer its to throw away.
        await expected.staged?.incoming.discard()
      },
    }
  }

  /** Streams the state to a follower, and tells the core how that ended. Never rejects. */
  async send(message: MessageOf<'snap'>): Promise<void> {
    if (this.#sending.has(message.to)) return
    this.#sending.add(message.to)
    try {
      await this.#stream(message)
      this.#raw.reportSnapshot(message.to, 'finish')
    } catch (error) {
      this.#logger.warn(
        { to: message.to, err: error },
        'a snapshot did not arrive; it will be sent again',
      )
      this.#raw.reportSnapshot(message.to, 'failure')
    } finally {
      this.#sending.delete(message.to)
      this.#wake()
    }
  }

  async #stream(message: Omit<MessageOf<'snap'>, 'snapshot'>): Promise<void> {
    const snapshot = await this.#store.openSnapshot()
    try {
      this.#logger.info({ to: message.to, index: snapshot.meta.index }, 'sending a snapshot')
      await this.#transport.sendSnapshot({ ...message, snapshot: snapshot.meta }, snapshot)
    } finally {
      await snapshot.close()
    }
  }

  /** Stages what the leader streams; consensus then decides about it. Rejects when it did not come whole. */
  async receive(message: MessageOf<'snap'>, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const incoming = await this.#store.receiveSnapshot(message.snapshot)
    try {
      for await (const chunk of chunks) {
        assertRoom(this.#space)
        await incoming.write(chunk)
      }
      await incoming.finish()
    } catch (error) {
      await incoming.discard()
      // One of a later version would be sent again and again, and never be understood.
      if (isRaftwayError(error, 'VERSION_TOO_OLD')) this.#onFatal(error)
      throw error
    }
    const staged = { meta: message.snapshot, incoming }
    if (this.#expected?.from === message.from && this.#expected.staged === null) {
      this.#expected.staged = staged
      return
    }
    const before = this.#staged.get(message.snapshot.index)
    this.#staged.set(message.snapshot.index, staged)
    await before?.incoming.discard()
    this.#raw.step(message)
    this.#wake()
  }

  /** Makes the staged snapshot the state, in one synchronous batch with the hard state. */
  async install(meta: SnapshotMeta, hardState: HardState): Promise<RestoredState> {
    const staged = this.#staged.get(meta.index)
    if (staged === undefined || staged.meta.term !== meta.term) {
      throw new RaftwayError('INTERNAL', `no staged snapshot at index ${meta.index}`)
    }
    this.#staged.delete(meta.index)
    const restored = await this.#store.installSnapshot(staged.incoming, hardState)
    this.#logger.info(
      { index: meta.index, revision: restored.revision },
      'adopted a snapshot from the leader',
    )
    return restored
  }

  /** Throws away what consensus did not take: nothing at or below the applied index is ever installed. */
  async dropUnused(applied: number): Promise<void> {
    for (const [index, { incoming }] of this.#staged) {
      if (index > applied) continue
      this.#staged.delete(index)
      await incoming.discard()
    }
  }
}
