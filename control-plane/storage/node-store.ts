import { assert } from '../../shared/assert.ts'
import { OWN_RELEASE, type Release } from '../../shared/features.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type {
  AppliedBatch,
  Identity,
  IncomingSnapshot,
  NodeAddress,
  OutgoingBackup,
  OutgoingSnapshot,
  RestoredState,
} from '../ports.ts'
import type { MemoryLog } from '../raft/memory-log.ts'
import type { ConfState, Entry, HardState, NodeId, SnapshotMeta } from '../raft/messages.ts'
import { asBackup, type BackupOrigin } from './backup-out.ts'
import type { Disk, Write } from './disk.ts'
import { HistoryReader } from './history-reader.ts'
import { generationRange, memberSuffix, SECTION, type Section } from './keys.ts'
import { LogStore } from './log-store.ts'
import { getMeta, Notes, putMeta } from './meta.ts'
import { refoundingWrites, type Refounding } from './refounding.ts'
import { findDamagedRecord } from './record-check.ts'
import type { Retention } from './retention.ts'
import { StagedSnapshot } from './snapshot-in.ts'
import { cutSnapshot } from './snapshot-out.ts'
import {
  advance,
  EMPTY_MARK,
  loadState,
  putMark,
  putState,
  recordWrites,
  type AppliedMark,
} from './state-records.ts'
import { StateStore } from './state-store.ts'
import type { Pace } from './table-check.ts'
import { assertKnown, assertReadable, noteWriter, writerOf } from './written-by.ts'

const IDENTITY = 'identity'
const NODE_ID = 'node-id'
/** Where every founding node begins: its log as if everything up to here was compacted. */
const FOUNDING = { term: 1, index: 1 }

/** What a store is opened with beside its disk. */
export type StoreParts = {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'defer' | 'after'>
  readonly retention: Retention
  /** Makes the number of a node that has none yet: by chance, so that two nodes of one cluster never meet in it. */
  readonly makeNodeId: () => NodeId
  /** What this program is, unless a test says that it is another one. */
  readonly release?: Release
}

/**
 * Everything that one node keeps on disk: who it is, its log, its copy of the replicated state, and history. One
 * database, locked while it is open.
 *
 * Errors: STORAGE_CORRUPT when what is read is damaged; STORAGE_FAILED when a write fails, and from then on for every
 * write, because nobody knows what the disk holds: the process must end.
 */
export class NodeStore {
  /** This node's number: made at the first start, kept for good. */
  readonly nodeId: NodeId
  readonly notes: Notes
  /** What is remembered of revisions. */
  readonly past: HistoryReader
  /** How much of the past is kept. */
  readonly retention: Retention
  readonly #disk: Disk
  readonly #log: LogStore
  readonly #state: StateStore
  readonly #logger: Logger
  #identity: Identity | null
  /** Null once the state moved on. */
  #restored: RestoredState | null
  /** The first log entry that some member still needs. */
  #neededFrom: () => number = () => Infinity
  /** Old generations being deleted. */
  #removals: Promise<void> = Promise.resolve()

  private constructor(parts: {
    readonly disk: Disk
    readonly log: LogStore
    readonly state: StateStore
    readonly logger: Logger
    readonly retention: Retention
    readonly nodeId: NodeId
    readonly identity: Identity | null
    readonly restored: RestoredState
  }) {
    this.#disk = parts.disk
    this.#log = parts.log
    this.#state = parts.state
    this.#logger = parts.logger
    this.retention = parts.retention
    this.#identity = parts.identity
    this.#restored = parts.restored
    this.nodeId = parts.nodeId
    this.notes = new Notes(parts.disk)
    this.past = new HistoryReader(parts.disk, parts.state)
  }

  /**
   * Reads everything that a restart needs from a disk, which is the store's from now on: closed with it, and when this
   * rejects. STORAGE_CORRUPT, with what and where: nothing damaged is ever left out silently. VERSION_TOO_OLD when a
   * later version wrote what this one cannot read; nothing is changed then.
   */
  static async open(disk: Disk, parts: StoreParts): Promise<NodeStore> {
    const { logger, clock, retention, makeNodeId, release = OWN_RELEASE } = parts
    try {
      await assertReadable(disk, release)
      const state = await StateStore.open(disk, clock)
      assertKnown(state.mark, `what is stored in ${disk.path}`, await writerOf(disk), release)
      const log = await LogStore.open(disk, state.mark)
      const identity = (await getMeta(disk, IDENTITY)) as Identity | null
      const restored = await loadState(disk, state.generation)
      await noteWriter(disk, release)
      return new NodeStore({
        disk,
        log,
        state,
        logger,
        retention,
        identity,
        restored,
        nodeId: await ensureNodeId(disk, makeNodeId),
      })
    } catch (error) {
      await disk.close()
      throw error
    }
  }

  /** The retained log, as the core reads it: exactly what is durable. */
  get log(): MemoryLog {
    return this.#log.memory
  }

  /** Null until the node formed or joined a cluster. */
  get identity(): Identity | null {
    return this.#identity
  }

  /**
   * The state as it was opened, bootstrapped or installed. Not kept beside the one that moves on: read it before the
   * first `apply`.
   */
  get restored(): RestoredState {
    assert(this.#restored !== null, 'the restored state is read before anything is applied')
    return this.#restored
  }

  /** Resolves when the identity is durable. It is written once. */
  async saveIdentity(identity: Identity): Promise<void> {
    assert(this.#identity === null, 'a node belongs to one cluster, for good')
    await this.#disk.write({ sync: true, batch: () => [putMeta(IDENTITY, identity)] })
    this.#identity = identity
  }

  /**
   * Makes this node a founder: identity, members, and a log that begins as a snapshot at index 1 of term 1, so that
   * every founder is identical. All or nothing, durable.
   */
  async bootstrap(founding: {
    readonly identity: Identity
    readonly confState: ConfState
    readonly members: readonly NodeAddress[]
  }): Promise<void> {
    const { identity, confState, members } = founding
    assert(
      this.#identity === null && this.#state.mark.appliedIndex === 0,
      'only a fresh node founds a cluster',
    )
    const meta: SnapshotMeta = { ...FOUNDING, confState }
    const hardState: HardState = { term: FOUNDING.term, vote: 0, commit: FOUNDING.index }
    const { generation } = this.#state
    const mark: AppliedMark = {
      ...EMPTY_MARK,
      appliedIndex: FOUNDING.index,
      appliedTerm: FOUNDING.term,
      confState,
    }
    await this.#disk.write({
      sync: true,
      batch: () => [
        putMeta(IDENTITY, identity),
        putMark(generation, mark),
        ...members.map((member) => putState(generation, memberSuffix(member.id), member)),
        ...this.#log.resetWrites(meta, hardState),
      ],
      done: () => {
        this.#log.reset(meta, hardState)
        this.#state.marked(mark)
      },
    })
    this.#identity = identity
    this.#restored = { ...mark, members, access: null, idempotency: [], definitions: [] }
  }

  /**
   * Makes entries and hard state durable, in one synchronous batch; entries replace the log from the first of them
   * on. `log` has them when this resolves. One call at a time.
   */
  persist(batch: {
    readonly entries: readonly Entry[]
    readonly hardState: HardState | null
  }): Promise<void> {
    return this.#log.persist(batch)
  }

  /** Writes what was applied together with its index; resolves when it is written. Batches are written in order. */
  apply(batch: AppliedBatch): Promise<void> {
    this.#restored = null
    return this.#state.apply(batch, (mark) => this.#log.follow(mark))
  }

  /** The first log entry that some member still needs of this node, as far as it is known; Infinity for none. */
  get neededFrom(): number {
    return this.#neededFrom()
  }

  /** Whoever feeds the members says what they need of the log. */
  keepLogFrom(neededFrom: () => number): void {
    this.#neededFrom = neededFrom
  }

  /** Forgets log entries up to `upTo`, as far as they are applied on disk. */
  compactLog(upTo: number): Promise<void> {
    return this.#log.compact(upTo, () => this.#state.mark.appliedIndex)
  }

  /** Forgets history up to and with revision `upTo`. */
  compactHistory(upTo: number): Promise<void> {
    return this.#state.compactHistory(upTo)
  }

  /** Resolves when the disk holds a revision that was applied in memory, or when the store is closed. */
  written(revision: number): Promise<void> {
    return this.#state.written(revision)
  }

  /** Cuts a snapshot at the index that is applied now. Close it. */
  async openSnapshot(): Promise<OutgoingSnapshot> {
    await this.#settled()
    return cutSnapshot(this.#disk, this.#state.generation, this.retention)
  }

  /** Cuts a backup at the index that is applied now; `about` is what the file says of its origin. Close it. */
  async openBackup(about: BackupOrigin): Promise<OutgoingBackup> {
    await this.#settled()
    return asBackup(await cutSnapshot(this.#disk, this.#state.generation, this.retention), about)
  }

  /** Begins to stage a snapshot beside the state; end it by `installSnapshot` or `discard`. */
  receiveSnapshot(meta: SnapshotMeta): Promise<IncomingSnapshot> {
    return Promise.resolve(this.#stage(meta, []))
  }

  /** The same for a state that will be another cluster's: without history. End it by `foundFrom` or `discard`. */
  receiveState(meta: SnapshotMeta): Promise<IncomingSnapshot> {
    return Promise.resolve(this.#stage(meta, [SECTION.history, SECTION.historyIndex]))
  }

  /**
   * Makes a finished snapshot the state, and the log begin at it, in one synchronous batch with the hard state. What
   * was the state before is deleted in the background.
   */
  async installSnapshot(incoming: IncomingSnapshot, hardState: HardState): Promise<RestoredState> {
    assert(incoming instanceof StagedSnapshot, 'a snapshot is installed where it was staged')
    const restored = incoming.takeRestored()
    const { meta, generation } = incoming
    // What was applied before belongs to the generation that goes.
    await this.#settled()
    const replaced = this.#state.generation
    assert(meta.index > this.#state.mark.appliedIndex, 'a snapshot never takes the state back')
    await this.#disk.write({
      sync: true,
      batch: () => [
        ...this.#state.switchWrites(generation),
        ...this.#log.resetWrites(meta, hardState),
      ],
      done: () => {
        this.#state.switch(generation, restored)
        this.#log.reset(meta, hardState)
      },
    })
    this.#restored = restored
    this.#remove(replaced)
    return restored
  }

  /**
   * Makes a received state the beginning of another cluster, in one synchronous batch; `members` are the old ones. Close
   * the store afterwards: who it is has changed.
   */
  async foundFrom(
    incoming: IncomingSnapshot,
    members: readonly NodeId[],
    refounding: Refounding,
  ): Promise<void> {
    assert(incoming instanceof StagedSnapshot, 'a snapshot is installed where it was staged')
    const { appliedIndex, appliedTerm, confState, revision, hash, compactedRevision } =
      incoming.takeRestored()
    const mark = { appliedIndex, appliedTerm, confState, revision, hash, compactedRevision }
    const { generation } = incoming
    await this.#refound({ generation, mark, members }, refounding, () =>
      this.#state.switchWrites(generation),
    )
  }

  /**
   * Makes this node's own state the beginning of another cluster, with `batch` applied on top of it, in one
   * synchronous batch. Close the store afterwards: who it is has changed.
   */
  async refound(batch: AppliedBatch, refounding: Refounding): Promise<void> {
    const { generation } = this.#state
    const records = batch.records.flatMap((record) => [...recordWrites(generation, record)])
    const joined = batch.records.flatMap((record) =>
      record.type === 'member' ? [record.address.id] : [],
    )
    const members = new Set([...this.restored.members.map(({ id }) => id), ...joined])
    const mark = advance(this.#state.mark, batch)
    await this.#refound({ generation, mark, members }, refounding, () => records)
  }

  async #refound(
    base: Parameters<typeof refoundingWrites>[0],
    refounding: Refounding,
    first: () => readonly Write[],
  ): Promise<void> {
    const { mark, writes } = refoundingWrites(base, refounding)
    const { appliedIndex: index, appliedTerm, confState } = mark
    const { term } = this.log.initialState().hardState
    const hardState: HardState = { term: Math.max(term, appliedTerm), vote: 0, commit: index }
    await this.#disk.write({
      sync: true,
      batch: () => [
        ...first(),
        ...writes,
        ...this.#log.resetWrites({ index, term: appliedTerm, confState }, hardState),
        putMeta(IDENTITY, refounding.identity),
        putMeta(NODE_ID, refounding.identity.nodeId),
      ],
    })
  }

  #stage(meta: SnapshotMeta, skipped: readonly Section[]): StagedSnapshot {
    const generation = this.#state.takeGeneration()
    return new StagedSnapshot({ disk: this.#disk, meta, generation, skipped })
  }

  /**
   * Makes a finished snapshot the state, beside a log that stays as it is and holds what the snapshot does. Nothing may be
   * applied meanwhile. What was the state before is deleted in the background.
   */
  async replaceState(incoming: IncomingSnapshot): Promise<RestoredState> {
    assert(incoming instanceof StagedSnapshot, 'a snapshot is installed where it was staged')
    const restored = incoming.takeRestored()
    const { meta, generation } = incoming
    await this.#settled()
    const replaced = this.#state.generation
    assert(
      meta.index >= this.#state.mark.appliedIndex && meta.index <= this.log.lastIndex(),
      'a copy of the state is not older than the state, and not newer than the log',
    )
    await this.#disk.write({
      sync: true,
      batch: () => this.#state.switchWrites(generation),
      done: () => {
        this.#state.switch(generation, restored)
        this.#log.follow(this.#state.mark)
      },
    })
    this.#restored = restored
    this.#remove(replaced)
    return restored
  }

  /** Says which stored record is damaged, reading all of them as fast as `pace` lets it; null when none is. */
  damagedRecord(pace: Pace): Promise<string | null> {
    return findDamagedRecord(this.#disk, pace)
  }

  /** Has the database write what its write-ahead log holds into a table, from memory, and begin another log. */
  beginNewLog(): Promise<void> {
    return this.#disk.compact({ gte: Buffer.of(0), lt: Buffer.of(0) })
  }

  /** Waits for the writes that were asked for, and unlocks the directory. */
  async close(): Promise<void> {
    await this.#removals
    await this.#state.settled()
    this.#state.close()
    await this.#disk.close()
  }

  /** Every write that was asked for before is done, or has failed. */
  async #settled(): Promise<void> {
    await this.#state.settled()
    await this.#disk.settled()
  }

  #remove(generation: number): void {
    this.#removals = this.#removals
      .then(() => this.#disk.clear(generationRange(generation)))
      .catch((error: unknown) => {
        this.#logger.warn(
          { err: error },
          'a replaced state could not be deleted; the next start tries again',
        )
      })
  }
}

/** Kept for good; a node that lost its disk gets another. */
async function ensureNodeId(disk: Disk, makeNodeId: () => NodeId): Promise<NodeId> {
  const known = await getMeta(disk, NODE_ID)
  if (typeof known === 'number') return known
  const nodeId = makeNodeId()
  await disk.write({ sync: true, batch: () => [putMeta(NODE_ID, nodeId)] })
  return nodeId
}
