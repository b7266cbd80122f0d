import { isRaftwayError, RaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'
import type { NodeAddress } from '../ports.ts'
import { NO_NODE, type NodeId } from '../raft/messages.ts'
import type { RawNode, SoftState } from '../raft/raw-node.ts'
import { Waiters } from './waiters.ts'

/** A successor that lacks no more than this gets it in one message. */
const CLOSE_ENTRIES = 64
const CLOSE_CHECK_MS = 5

type LeaderWaiter = (leader: NodeAddress | null) => void

/** Who leads, who waits for that, and the handing over. */
export class Leadership {
  readonly #raw: RawNode
  readonly #clock: Clock
  readonly #wake: () => void
  readonly #address: (id: NodeId) => NodeAddress | null
  readonly #isHeard: (id: NodeId) => boolean
  readonly #flush: () => void
  readonly #electionMs: number
  readonly #waiting = new Set<{
    readonly hear: LeaderWaiter
    readonly reject: (error: Error) => void
  }>()
  readonly #appliedTerms: Waiters
  #leader: NodeId = NO_NODE
  #appliedTerm = 0
  #isLeading = false
  #transfer: Promise<NodeAddress> | null = null

  /**
   * `isHeard` tells whether a node was heard of lately; `flush` hands in what was gathered, so that nothing is left over
   * when the log closes for a transfer.
   */
  constructor(parts: {
    readonly raw: RawNode
    readonly clock: Clock
    readonly electionMs: number
    readonly wake: () => void
    readonly address: (id: NodeId) => NodeAddress | null
    readonly isHeard: (id: NodeId) => boolean
    readonly flush: () => void
  }) {
    this.#raw = parts.raw
    this.#clock = parts.clock
    this.#wake = parts.wake
    this.#address = parts.address
    this.#isHeard = parts.isHeard
    this.#flush = parts.flush
    this.#electionMs = parts.electionMs
    this.#appliedTerms = new Waiters(parts.clock, 0)
  }

  /** Whether this node led when effects were last taken. */
  get isLeading(): boolean {
    return this.#isLeading
  }

  /** Leadership is on its way to another voter, by this node's own will. */
  get isHandingOver(): boolean {
    return this.#transfer !== null
  }

  /**
   * Whether whoever is known to lead is heard to lead. A learner never campaigns, and so never forgets a leader; and a
   * member that led before is still heard, but no longer as one.
   */
  get hearsLeader(): boolean {
    return this.#raw.hearsLeader
  }

  leader(): NodeAddress | null {
    return this.#raw.leader === NO_NODE ? null : this.#address(this.#raw.leader)
  }

  /** NOT_LEADER, or NO_LEADER when nobody is known to lead. */
  assertLeading(): void {
    if (this.#raw.role === 'leader') return
    const leader = this.leader()
    if (leader === null) throw new RaftwayError('NO_LEADER', 'no leader is known')
    throw new RaftwayError('NOT_LEADER', `${leader.name} leads`)
  }

  /**
   * Resolves when this node leads and has applied an entry of its own term: only then does its state hold everything
   * that was ever acknowledged (Raft thesis 6.4, 8). NOT_LEADER, and NO_LEADER also when that takes too long: nothing
   * was proposed, so that whoever asked may ask again, here or elsewhere.
   */
  async untilWritable(timeoutMs: number): Promise<void> {
    // While leadership is being handed over the log takes nothing; afterwards somebody else takes it.
    if (this.#transfer !== null) await this.#transfer.catch(() => null)
    this.assertLeading()
    const term = this.#raw.term
    if (this.#appliedTerm >= term) return
    try {
      await this.#appliedTerms.wait(term, timeoutMs, `an applied entry of term ${term}`)
    } catch (error) {
      if (!isRaftwayError(error, 'TIMEOUT')) throw error
      throw new RaftwayError('NO_LEADER', `the leader of term ${term} cannot take writes yet`, {
        cause: error,
      })
    }
    this.assertLeading()
  }

  waitForLeader(timeoutMs: number): Promise<NodeAddress> {
    const leader = this.leader()
    if (leader !== null) return Promise.resolve(leader)
    return this.#until((one) => one !== null, timeoutMs, 'no leader was elected')
  }

  /**
   * Hands leadership to a voter, or to the one (of `among`, if given) that has most of the log, and resolves once it
   * leads. One that does not take it within an election timeout is passed over for the next, or asked again if it was
   * named. MEMBERSHIP_REFUSED when there is nobody to hand it to, TIMEOUT when it did not happen.
   */
  async transfer(
    to: NodeId | null,
    timeoutMs: number,
    among?: ReadonlySet<NodeId>,
  ): Promise<NodeAddress> {
    this.assertLeading()
    const { id, confState } = this.#raw.status()
    const own = this.#address(id)
    if (to === id && own !== null) return own
    if (to !== null && !confState.voters.includes(to)) throw nobodyElse()
    const deadlineMs = this.#clock.monotonic() + timeoutMs
    if (to === null) await this.#untilSomebodyIsClose(timeoutMs / 2, among)
    const handed = to === null ? this.#toAny(deadlineMs, among) : this.#toOne(to, deadlineMs)
    this.#transfer = handed
    try {
      return await handed
    } finally {
      this.#transfer = null
      // What was gathered meanwhile is taken now, if this node still leads.
      this.#wake()
    }
  }

  /** One after the other, and from the first again, until somebody has taken it or the time is over. */
  async #toAny(deadlineMs: number, among?: ReadonlySet<NodeId>): Promise<NodeAddress> {
    const tried = new Set<NodeId>()
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - this.#clock.monotonic())
      // Somebody takes over, later than was waited for: who it is shows soon.
      if (this.#raw.role !== 'leader') return this.waitForLeader(leftMs)
      const successors = this.#successors(among)
      if (successors.every((id) => tried.has(id))) tried.clear()
      const target = successors.find((id) => !tried.has(id))
      if (target === undefined) throw nobodyElse()
      tried.add(target)
      try {
        return await this.#attempt(target, Math.min(leftMs, this.#electionMs))
      } catch (error) {
        if (!isRaftwayError(error, 'TIMEOUT') || this.#clock.monotonic() >= deadlineMs) throw error
      }
    }
  }

  /** Again and again: one that has not applied yet that it is a voter does not take it at first. */
  async #toOne(target: NodeId, deadlineMs: number): Promise<NodeAddress> {
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - this.#clock.monotonic())
      if (this.#raw.role !== 'leader') return this.#taken(target, leftMs)
      try {
        return await this.#attempt(target, Math.min(leftMs, this.#electionMs))
      } catch (error) {
        if (!isRaftwayError(error, 'TIMEOUT') || this.#clock.monotonic() >= deadlineMs) throw error
      }
    }
  }

  #attempt(target: NodeId, timeoutMs: number): Promise<NodeAddress> {
    this.#flush()
    this.#raw.transferLeader(target)
    this.#wake()
    return this.#taken(target, timeoutMs)
  }

  #taken(target: NodeId, timeoutMs: number): Promise<NodeAddress> {
    const what = 'leadership was not handed over'
    return this.#until((leader) => leader?.id === target, timeoutMs, what)
  }

  /**
   * While leadership is handed over the log takes nothing, so whoever still has much to fetch fetches it before. Waits a
   * while for one that is close; then it has to do as it is.
   */
  async #untilSomebodyIsClose(timeoutMs: number, among?: ReadonlySet<NodeId>): Promise<void> {
    const deadlineMs = this.#clock.monotonic() + timeoutMs
    const isClose = () => {
      const { progress, lastIndex } = this.#raw.status()
      const [best] = this.#successors(among)
      const match = best === undefined ? 0 : (progress?.get(best)?.match ?? 0)
      return match + CLOSE_ENTRIES >= lastIndex
    }
    while (!isClose() && this.#clock.monotonic() < deadlineMs && this.#raw.role === 'leader') {
      await new Promise<void>((resolve) => {
        this.#clock.after(CLOSE_CHECK_MS, resolve)
      })
    }
    this.assertLeading()
  }

  /** The other voters: those that are alive first, and of them the one with most of the log. */
  #successors(among: ReadonlySet<NodeId> | undefined): readonly NodeId[] {
    const { id, confState, progress } = this.#raw.status()
    // The core forgets once an election timeout whom it has heard, so the links have a say as well.
    const isAlive = (member: NodeId) =>
      progress?.get(member)?.recentActive === true || this.#isHeard(member)
    return [...(progress ?? [])]
      .filter(([member]) => member !== id && confState.voters.includes(member))
      .filter(([member]) => among?.has(member) ?? true)
      .toSorted(([a, { match: ofA }], [b, { match: ofB }]) =>
        isAlive(a) === isAlive(b) ? ofB - ofA : Number(isAlive(b)) - Number(isAlive(a)),
      )
      .map(([member]) => member)
  }

  onSoftState(softState: SoftState): void {
    this.#isLeading = softState.role === 'leader'
    // Whoever waits until this node can take writes asks elsewhere.
    if (!this.#isLeading)
      this.#appliedTerms.rejectAll(new RaftwayError('NO_LEADER', 'this node leads no longer'))
    if (softState.leader === this.#leader) return
    this.#leader = softState.leader
    const leader = this.leader()
    for (const { hear } of this.#waiting) hear(leader)
  }

  onApplied(term: number): void {
    this.#appliedTerm = term
    this.#appliedTerms.reach(term)
  }

  rejectAll(error: Error): void {
    this.#appliedTerms.rejectAll(error)
    for (const { reject } of this.#waiting) reject(error)
  }

  #until(
    isDone: (leader: NodeAddress | null) => boolean,
    timeoutMs: number,
    otherwise: string,
  ): Promise<NodeAddress> {
    return new Promise((resolve, reject) => {
      const waiter = {
        hear: (leader: NodeAddress | null) => {
          if (leader === null || !isDone(leader)) return
          finish()
          resolve(leader)
        },
        reject: (error: Error) => {
          finish()
          reject(error)
        },
      }
      const cancel = this.#clock.after(timeoutMs, () => {
        const code = otherwise === 'no leader was elected' ? 'NO_LEADER' : 'TIMEOUT'
        waiter.reject(new RaftwayError(code, `${otherwise} within ${timeoutMs} ms`))
      })
      const finish = () => {
        cancel()
        this.#waiting.delete(waiter)
      }
      this.#waiting.add(waiter)
    })
  }
}

function nobodyElse(): RaftwayError {
  return new RaftwayError('MEMBERSHIP_REFUSED', 'there is no other voter that could lead now')
}
