import { makeEntry } from '../../../control-plane/raft/entry.ts'
import { MemoryLog, NO_CONF_STATE } from '../../../control-plane/raft/memory-log.ts'
import type {
  ConfState,
  Entry,
  HardState,
  Message,
  MessageOf,
  NodeId,
  SnapshotMeta,
} from '../../../control-plane/raft/messages.ts'
import {
  decodeConfChange,
  RawNode,
  type RaftOptions,
  type ReadState,
} from '../../../control-plane/raft/raw-node.ts'
import { Random } from '../../../shared/random.ts'

export const DEFAULTS: Omit<RaftOptions, 'id' | 'storage' | 'applied' | 'random'> = {
  electionTicks: 10,
  heartbeatTicks: 1,
  asyncStorageWrites: false,
  messageBytesMax: 1 << 20,
  committedBytesMax: 0,
  uncommittedBytesMax: 0,
  inflightMessagesMax: 256,
  inflightBytesMax: 0,
  checkQuorum: false,
  preVote: false,
  readOnly: 'quorum',
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
  stepDownOnRemoval: false,
  log: null,
}

const ROUNDS_MAX = 1_000

type Setup = {
  readonly voters: readonly NodeId[]
  readonly learners?: readonly NodeId[]
  readonly options?: Partial<RaftOptions>
  readonly seed?: number
}

type Work = {
  readonly hardState: HardState | null
  readonly entries: readonly Entry[]
  readonly snapshot: SnapshotMeta | null
}

/**
 * One replica with its disk. `log` and `applied` survive a crash; the core, what waits for the disk, and what is on
 * its way do not.
 */
export class Replica {
  readonly id: NodeId
  readonly log: MemoryLog
  raw: RawNode
  /** Entries the state machine took, in order, since the log began or the last snapshot came. */
  readonly appliedEntries: Entry[] = []
  appliedIndex: number
  confState: ConfState
  readonly readStates: ReadState[] = []
  appendWork: MessageOf<'storage-append'>[] = []
  applyWork: MessageOf<'storage-apply'>[] = []
  readonly #options: Partial<RaftOptions>
  readonly #random: Random

  constructor(id: NodeId, confState: ConfState, setup: Setup) {
    this.id = id
    this.log = new MemoryLog()
    this.confState = confState
    this.#options = setup.options ?? {}
    this.#random = new Random((setup.seed ?? 1) * 1000 + id)
    this.appliedIndex = confState.voters.length === 0 ? 0 : 1
    if (this.appliedIndex > 0) this.log.applySnapshot({ term: 1, index: 1, confState })
    this.raw = this.#boot()
  }

  /** Loses what was not durable and starts over from the disk. */
  restart(): void {
    this.appendWork = []
    this.applyWork = []
    this.log.setConfState(this.confState)
    this.raw = this.#boot()
  }

  /** Starts over with durable entries of the given terms after index 1, and the given term, vote and commit index. */
  rewrite(terms: readonly number[], hardState: Partial<HardState>): void {
    const entries = terms.map((term, i) => {
      return makeEntry({ term, index: i + 2 }, 'normal', Buffer.from(`${term}/${i + 2}`))
    })
    this.log.append(entries)
    const term = terms.at(-1) ?? 1
    this.log.setHardState({ term, vote: 0, commit: 1, ...hardState })
    this.restart()
  }

  /** Everything this replica has to say now, after its writes. */
  say(): Message[] {
    const said: Message[] = []
    while (this.raw.hasReady() || this.appendWork.length > 0 || this.applyWork.length > 0) {
      if (this.raw.hasReady()) said.push(...this.takeReady())
      said.push(...this.finishAppend(), ...this.finishApply())
    }
    return said
  }

  /** Takes one Ready; in asynchronous mode its writes wait in `appendWork` and `applyWork`. */
  takeReady(): readonly Message[] {
    const ready = this.raw.ready()
    for (const state of ready.readStates) this.readStates.push(state)
    const sent: Message[] = []
    const isAsync = this.#options.asyncStorageWrites === true
    if (!isAsync) {
      this.persist(ready)
      this.apply(ready.committed)
    }
    for (const message of ready.messages) {
      if (message.type === 'storage-append') this.appendWork.push(message)
      else if (message.type === 'storage-apply') this.applyWork.push(message)
      else sent.push(message)
    }
    if (!isAsync) this.raw.advance()
    return sent
  }

  /** Carries out the oldest write and returns the messages that waited for it. */
  finishAppend(): readonly Message[] {
    const work = this.appendWork.shift()
    if (work === undefined) return []
    this.persist(work)
    return this.#answer(work.responses)
  }

  finishApply(): readonly Message[] {
    const work = this.applyWork.shift()
    if (work === undefined) return []
    this.apply(work.entries)
    return this.#answer(work.responses)
  }

  persist(work: Work): void {
    if (work.hardState !== null) this.log.setHardState(work.hardState)
    if (work.snapshot !== null) {
      this.log.applySnapshot(work.snapshot)
      this.appliedIndex = work.snapshot.index
      this.confState = work.snapshot.confState
      this.appliedEntries.length = 0
    }
    this.log.append(work.entries)
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // Work handed out before a snapshot came: the snapshot holds it already.
      if (entry.index <= this.appliedIndex) continue
      if (entry.index !== this.appliedIndex + 1) throw new Error('applied out of order')
      if (entry.type !== 'normal')
        this.confState = this.raw.applyConfChange(decodeConfChange(entry))
      this.appliedIndex = entry.index
      this.appliedEntries.push(entry)
    }
    const last = this.appliedEntries.at(-1)
    if (last === undefined) return
    // Snapshots are cut fresh, with the membership of the applied index.
    this.log.createSnapshot({ term: last.term, index: last.index, confState: this.confState })
  }

  /** Drops the log up to what is applied and durable. */
  compact(): void {
    this.log.compact(Math.min(this.appliedIndex, this.log.lastIndex()))
  }

  /** Payloads applied so far, without empty entries. */
  applied(): string[] {
    const filled = this.appliedEntries.filter(
      ({ type, data }) => type === 'normal' && data.length > 0,
    )
    return filled.map(({ data }) => Buffer.from(data).toString())
  }

  /** Terms of the durable entries, first to last. */
  terms(): number[] {
    return this.entries().map(({ term }) => term)
  }

  entries(): readonly Entry[] {
    const all = this.log.entries(this.log.firstIndex(), this.log.lastIndex() + 1, Infinity)
    if (typeof all === 'string') throw new Error(all)
    return all
  }

  #answer(responses: readonly Message[]): readonly Message[] {
    const sent: Message[] = []
    for (const response of responses) {
      // What a node says to itself is never lost.
      if (response.to === this.id) this.raw.step(response)
      else sent.push(response)
    }
    return sent
  }

  #boot(): RawNode {
    const { id, log: storage, appliedIndex: applied } = this
    return new RawNode({
      ...DEFAULTS,
      ...this.#options,
      id,
      storage,
      applied,
      random: this.#random,
    })
  }
}

/** Replicas and the messages between them. Nothing moves unless it is told to. */
export class Cluster {
  readonly replicas = new Map<NodeId, Replica>()
  readonly setup: Setup
  inFlight: Message[] = []
  #isCut: (message: Message) => boolean = () => false

  constructor(setup: Setup) {
    this.setup = setup
    const confState = {
      ...NO_CONF_STATE,
      voters: setup.voters,
      learners: setup.learners ?? [],
    }
    for (const id of [...setup.voters, ...(setup.learners ?? [])]) {
      this.replicas.set(id, new Replica(id, confState, setup))
    }
  }

  get(id: NodeId): Replica {
    const replica = this.replicas.get(id)
    if (replica === undefined) throw new Error(`no replica ${id}`)
    return replica
  }

  /** Adds an empty replica that belongs to nothing yet. */
  join(id: NodeId): Replica {
    const replica = new Replica(id, NO_CONF_STATE, this.setup)
    this.replicas.set(id, replica)
    return replica
  }

  /** Separates `ids` from everyone else; `heal` ends it. */
  cut(...ids: readonly NodeId[]): void {
    this.#isCut = ({ from, to }) => ids.includes(from) !== ids.includes(to)
  }

  /** Loses every message that `isLost` names. */
  lose(isLost: (message: Message) => boolean): void {
    this.#isCut = isLost
  }

  heal(): void {
    this.#isCut = () => false
  }

  /** Carries out every Ready and every write of one replica. */
  work(id: NodeId): void {
    this.#send(this.get(id).say())
  }

  /** Delivers everything and works everything off until nothing is left to do. */
  settle(): void {
    let rounds = 0
    do {
      if (rounds++ > ROUNDS_MAX) throw new Error('the replicas never come to rest')
      const arriving = this.inFlight
      this.inFlight = []
      for (const message of arriving) this.deliver(message)
      for (const id of this.replicas.keys()) this.work(id)
    } while (this.inFlight.length > 0)
  }

  /** Hands over one message. Like a transport, it reports to the sender that a snapshot arrived. */
  deliver(message: Message): void {
    this.replicas.get(message.to)?.raw.step(message)
    if (message.type === 'snap') {
      this.replicas.get(message.from)?.raw.reportSnapshot(message.to, 'finish')
    }
  }

  elect(id: NodeId): Replica {
    this.get(id).raw.campaign()
    this.settle()
    return this.get(id)
  }

  /** Lets time pass for the given replicas, delivering in between. */
  tick(count: number, ...ids: readonly NodeId[]): void {
    for (let i = 0; i < count; i++) {
      for (const id of ids.length === 0 ? this.replicas.keys() : ids) this.get(id).raw.tick()
      this.settle()
    }
  }

  propose(id: NodeId, ...payloads: readonly string[]): 'ok' | 'dropped' {
    const outcome = this.get(id).raw.propose(payloads.map((text) => Buffer.from(text)))
    this.settle()
    return outcome
  }

  leaders(): NodeId[] {
    return [...this.replicas.values()]
      .filter(({ raw }) => raw.role === 'leader')
      .map(({ id }) => id)
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) if (!this.#isCut(message)) this.inFlight.push(message)
  }
}
