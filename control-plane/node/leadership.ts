import { RaftwayError } from '../../shared/errors.ts'
import type { Clock } from '../clock.ts'
import type { NodeAddress } from '../ports.ts'
import { NO_NODE, type NodeId } from '../raft/messages.ts'
import type { RawNode, SoftState } from '../raft/raw-node.ts'
import { Waiters } from './waiters.ts'

type LeaderWaiter = (leader: NodeAddress | null) => void

/** Who leads, who waits for that, and the handing over. */
export class Leadership {
  readonly #raw: RawNode
  readonly #clock: Clock
  readonly #wake: () => void
  readonly #address: (id: NodeId) => NodeAddress | null
  readonly #waiting = new Set<{
    readonly hear: LeaderWaiter
    readonly reject: (error: Error) => void
  }>()
  readonly #appliedTerms: Waiters
  #leader: NodeId = NO_NODE
  #appliedTerm = 0
  #isLeading = false
  #transfer: Promise<NodeAddress> | null = null

  constructor(parts: {
    readonly raw: RawNode
    readonly clock: Clock
    readonly wake: () => void
    readonly address: (id: NodeId) => NodeAddress | null
  }) {
    this.#raw = parts.raw
    this.#clock = parts.clock
    this.#wake = parts.wake
    this.#address = parts.address
    this.#appliedTerms = new Waiters(parts.clock, 0)
  }

  /** Whether this node led when effects were last taken. */
  get isLeading(): boolean {
    return this.#isLeading
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
   * that was ever acknowledged (Raft thesis 6.4, 8). NOT_LEADER, NO_LEADER, TIMEOUT.
   */
  async untilWritable(timeoutMs: number): Promise<void> {
    // While leadership is being handed over the log takes nothing; afterwards somebody else takes it.
    if (this.#transfer !== null) await this.#transfer.catch(() => null)
    this.assertLeading()
    const term = this.#raw.term
    if (this.#appliedTerm >= term) return
    await this.#appliedTerms.wait(term, timeoutMs, `an applied entry of term ${term}`)
    this.assertLeading()
  }

  waitForLeader(timeoutMs: number): Promise<NodeAddress> {
    const leader = this.leader()
    if (leader !== null) return Promise.resolve(leader)
    return this.#until((one) => one !== null, timeoutMs, 'no leader was elected')
  }

  /**
   * Hands leadership to a voter, or to the one (of `among`, if given) that has most of the log, and resolves once it
   * leads.
   * MEMBERSHIP_REFUSED when there is nobody to hand it to, TIMEOUT when it did not happen.
   */
  async transfer(
    to: NodeId | null,
    timeoutMs: number,
    among?: ReadonlySet<NodeId>,
  ): Promise<NodeAddress> {
    this.assertLeading()
    const { id, confState, progress } = this.#raw.status()
    const candidates = [...(progress ?? [])]
      .filter(
        ([member, { recentActive }]) =>
          member !== id &&
          confState.voters.includes(member) &&
          recentActive &&
          (among?.has(member) ?? true),
      )
      .toSorted(([, a], [, b]) => b.match - a.match)
    const target = to ?? candidates[0]?.[0] ?? null
    const own = this.#address(id)
    if (target === id && own !== null) return own
    if (target === null || !confState.voters.includes(target)) {
      throw new RaftwayError('MEMBERSHIP_REFUSED', 'there is no other voter that could lead now')
    }
    this.#raw.transferLeader(target)
    this.#wake()
    const handed = this.#until(
      (leader) => leader?.id === target,
      timeoutMs,
      'leadership was not handed over',
    )
    this.#transfer = handed
    try {
      return await handed
    } finally {
      this.#transfer = null
    }
  }

  onSoftState(softState: SoftState): void {
    this.#isLeading = softState.role === 'leader'
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
