import type { Entry, NodeId } from '../../../control-plane/raft/messages.ts'
import { assert } from '../../../shared/assert.ts'
import { Random } from '../../../shared/random.ts'
import { Cluster, type Replica } from './cluster.ts'

const STEPS = 1_500

/** A cluster in random weather. Everything follows from the seed; a broken safety property throws. */
export class Weather {
  readonly #random: Random
  readonly #cluster: Cluster
  readonly #leaders = new Map<number, NodeId>()
  readonly #committed = new Map<number, Entry>()
  readonly #terms = new Map<NodeId, number>()
  readonly #checkedTo = new Map<NodeId, number>()
  readonly #lossPercent: number
  readonly #crashPercent: number
  readonly #isChanging: boolean
  #proposals = 0

  constructor(seed: number, options: { readonly isAsync: boolean; readonly isChanging: boolean }) {
    this.#random = new Random(seed)
    const all = [1, 2, 3, 4, 5].slice(0, 3 + this.#random.below(3))
    this.#lossPercent = this.#random.below(30)
    this.#crashPercent = this.#random.below(3)
    const isPolite = this.#random.below(2) === 0
    this.#cluster = new Cluster({
      voters: all,
      seed,
      options: {
        asyncStorageWrites: options.isAsync,
        preVote: isPolite,
        checkQuorum: isPolite,
        electionTicks: 5,
        messageBytesMax: this.#random.below(3) * 60,
        committedBytesMax: 1 + this.#random.below(200),
        inflightMessagesMax: 1 + this.#random.below(6),
        stepDownOnRemoval: this.#random.below(2) === 0,
      },
    })
    this.#isChanging = options.isChanging
  }

  storm(): void {
    for (let i = 0; i < STEPS; i++) {
      this.#act()
      for (const replica of this.#cluster.replicas.values()) this.#check(replica)
    }
    this.#checkLogMatching()
  }

  /** After the storm everyone agrees, and still takes new proposals. */
  calm(): void {
    this.#cluster.heal()
    for (let round = 0; round < 200; round++) {
      this.#cluster.tick(1)
      for (const replica of this.#cluster.replicas.values()) this.#check(replica)
    }
    const leader = this.#leader()
    assert(leader !== null, 'a calm cluster has a leader')
    assert(this.#cluster.propose(leader.id, 'last') === 'ok', 'a calm leader takes proposals')
    this.#cluster.tick(20)
    assert(leader.applied().at(-1) === 'last', 'a calm cluster commits')
    for (const id of [...leader.confState.voters, ...leader.confState.learners]) {
      assert(this.#cluster.get(id).appliedIndex === leader.appliedIndex, `replica ${id} catches up`)
    }
    this.#checkLogMatching()
  }

  #leader(): Replica | null {
    const leaders = this.#cluster.leaders().map((id) => this.#cluster.get(id))
    return leaders.toSorted((a, b) => b.raw.term - a.raw.term)[0] ?? null
  }

  #act(): void {
    const replica = this.#pick([...this.#cluster.replicas.values()])
    const dice = this.#random.below(100)
    if (replica === undefined) return
    if (dice < 35) this.#deliverOne()
    else if (dice < 60) this.#workABit(replica)
    else if (dice < 78) replica.raw.tick()
    else if (dice < 88) this.#propose(replica)
    else if (dice < 90) replica.compact()
    else if (dice < 90 + this.#crashPercent) replica.restart()
    else if (dice < 94 && this.#isChanging) this.#changeMembership(replica)
    else if (dice < 95) replica.raw.transferLeader(this.#pick([1, 2, 3]) ?? 1)
    else if (dice < 96) replica.raw.reportUnreachable(this.#pick([1, 2, 3]) ?? 1)
    else if (dice < 97) replica.raw.readIndex(`read ${this.#proposals}`)
    else this.#deliverOne()
  }

  #deliverOne(): void {
    const { inFlight } = this.#cluster
    const at = this.#random.below(inFlight.length + 1)
    const message = inFlight[at]
    if (message === undefined) return
    const isRepeated = this.#random.below(10) === 0
    if (!isRepeated) inFlight.splice(at, 1)
    if (this.#random.below(100) < this.#lossPercent) {
      if (message.type !== 'snap') return
      this.#cluster.get(message.from).raw.reportSnapshot(message.to, 'failure')
      return
    }
    this.#cluster.deliver(message)
  }

  #workABit(replica: Replica): void {
    const { inFlight } = this.#cluster
    const what = this.#random.below(3)
    let sent: readonly Parameters<Replica['raw']['step']>[0][] = []
    if (what === 0 && replica.raw.hasReady()) sent = replica.takeReady()
    else if (what === 1) sent = replica.finishAppend()
    else if (what === 2) sent = replica.finishApply()
    else if (replica.raw.hasReady()) sent = replica.takeReady()
    for (const message of sent) inFlight.push(message)
  }

  #propose(replica: Replica): void {
    const payloads = Array.from({ length: 1 + this.#random.below(3) }, () => {
      return Buffer.from(`proposal ${this.#proposals++}`)
    })
    replica.raw.propose(payloads)
  }

  #changeMembership(replica: Replica): void {
    const id = 1 + this.#random.below(5)
    if (!this.#cluster.replicas.has(id)) this.#cluster.join(id)
    const types = ['add-voter', 'add-learner', 'remove'] as const
    const changes = Array.from({ length: this.#random.below(3) }, () => ({
      type: this.#pick(types) ?? 'add-voter',
      id: 1 + this.#random.below(this.#cluster.replicas.size),
    }))
    const transition = this.#pick(['auto', 'joint-implicit', 'joint-explicit'] as const) ?? 'auto'
    replica.raw.proposeConfChange({ transition, changes, context: new Uint8Array(0) })
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#random.below(items.length)]
  }

  #check(replica: Replica): void {
    const { id, raw } = replica
    const before = this.#terms.get(id) ?? 0
    const { hardState } = replica.log.initialState()
    assert(hardState.term >= before, 'a durable term never falls')
    this.#terms.set(id, hardState.term)
    this.#checkApplied(replica)
    if (raw.role !== 'leader') return
    const known = this.#leaders.get(raw.term)
    if (known === undefined) this.#checkCompleteness(replica)
    assert((known ?? id) === id, `election safety in term ${raw.term}`)
    this.#leaders.set(raw.term, id)
  }

  /** State machine safety: what one replica applied at an index is what every other applies there. */
  #checkApplied(replica: Replica): void {
    const from = this.#checkedTo.get(replica.id) ?? 0
    for (const entry of replica.appliedEntries.slice(-20)) {
      if (entry.index <= from) continue
      const agreed = this.#committed.get(entry.index)
      if (agreed === undefined) this.#committed.set(entry.index, entry)
      else assert(isSame(entry, agreed), `state machine safety at ${entry.index}`)
    }
    this.#checkedTo.set(replica.id, replica.appliedIndex)
  }

  /** Leader completeness: a new leader holds everything that was ever applied anywhere. */
  #checkCompleteness(leader: Replica): void {
    const highest = Math.max(0, ...this.#committed.keys())
    assert(leader.raw.lastIndex >= highest, 'leader completeness')
    for (const entry of leader.entries()) {
      const agreed = this.#committed.get(entry.index)
      if (agreed !== undefined && leader.appendWork.length === 0 && !leader.raw.hasReady()) {
        assert(isSame(entry, agreed), `leader completeness at ${entry.index}`)
      }
    }
  }

  /** Log matching: logs that agree on a term at an index agree on everything before it. */
  #checkLogMatching(): void {
    const logs = [...this.#cluster.replicas.values()].map((replica) => {
      return new Map(replica.entries().map((entry) => [entry.index, entry]))
    })
    for (const [at, one] of logs.entries()) {
      for (const other of logs.slice(at + 1)) checkPair(one, other)
    }
  }
}

function checkPair(one: ReadonlyMap<number, Entry>, other: ReadonlyMap<number, Entry>): void {
  let mustMatch = false
  for (const index of [...one.keys()].toSorted((a, b) => b - a)) {
    const left = one.get(index)
    const right = other.get(index)
    if (left === undefined || right === undefined) continue
    if (left.term === right.term) mustMatch = true
    if (mustMatch) assert(isSame(left, right), `log matching at ${index}`)
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return a.term === b.term && a.type === b.type && Buffer.compare(a.data, b.data) === 0
}
