import { RaftwayError } from '../../shared/errors.ts'
import { MEMBERS_MAX } from '../../shared/limits.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Clock } from '../clock.ts'
import type { NodeAddress, NodeId } from '../ports.ts'
import type { ConfChange, MemberChange, Outcome, RawNode } from '../raft/raw-node.ts'
import type { Applier } from './applier.ts'
import { encodeMemberContext, isSameAddress } from './member-change.ts'
import { changeIssue } from './quorum-outlook.ts'

/** A learner this close to the commit index counts as caught up. */
const CAUGHT_UP_ENTRIES = 64
/** And must stay so for this many checks in a row before it votes. */
const CAUGHT_UP_CHECKS = 5

type Asked = { readonly resolve: () => void; readonly reject: (error: Error) => void }

/** What membership changes need of the node around them. */
export type MembershipParts = {
  readonly raw: RawNode
  readonly applier: Applier
  readonly clock: Clock
  readonly logger: Logger
  readonly timeoutMs: number
  /** Whether a node was heard of lately; this one always is. */
  readonly isHeard: (id: NodeId) => boolean
  readonly makeId: () => string
  proposeMember(address: NodeAddress): Outcome
  readonly wake: () => void
}

/**
 * Changes of who votes and learns, one at a time, on the leader. A change is a log entry; whoever asked hears of it
 * when it is applied. Source: Raft thesis 4.
 */
export class MembershipChanges {
  readonly #parts: MembershipParts
  readonly #asked = new Map<string, Asked>()
  /** Checks in a row that found a learner caught up. */
  readonly #steady = new Map<NodeId, number>()
  #isBusy = false
  /** Who was proposed last, until that is applied or this node leads no longer. The core takes one at a time. */
  #newcomer: { readonly request: string; readonly address: NodeAddress } | null = null

  constructor(parts: MembershipParts) {
    this.#parts = parts
  }

  /** Whoever may become a member by a change that is under way, whether or not its caller still waits. */
  get newcomers(): readonly NodeAddress[] {
    return this.#newcomer === null ? [] : [this.#newcomer.address]
  }

  /**
   * Takes a node in as a learner, or recognises it: a member that comes back under another address is written down
   * under the new one. MEMBER_EXISTS, MEMBERSHIP_REFUSED, MEMBERSHIP_CHANGE_PENDING, TIMEOUT.
   */
  async admit(address: NodeAddress): Promise<readonly NodeAddress[]> {
    const { applier } = this.#parts
    if (applier.state.members.has(address.id)) {
      this.move(address, { isPeerProven: false })
      return [...applier.state.members.values()]
    }
    this.#assertNameIsFree(address)
    const rival = this.#rivalAt(address)
    if (rival !== null) {
      throw new RaftwayError(
        'MEMBER_EXISTS',
        `the peer address ${address.peer} belongs to member ${rival.name}. ${wayOut(rival)}`,
      )
    }
    if (applier.state.members.size >= MEMBERS_MAX) {
      throw new RaftwayError(
        'MEMBERSHIP_REFUSED',
        `a cluster has at most ${MEMBERS_MAX} members (MEMBERS_MAX)`,
      )
    }
    await this.#change([{ type: 'add-learner', id: address.id }], address)
    return [...applier.state.members.values()]
  }

  /**
   * Takes a node in as a learner in the place of a member that lost its data, and that member out, in one change.
   * MEMBERSHIP_REFUSED when it is no member under that name, or the only voter; PEER_UNREACHABLE when too few of the
   * other voters are heard to decide without it.
   */
  async replace(id: NodeId, address: NodeAddress): Promise<void> {
    const { applier, raw } = this.#parts
    const { voters } = applier.confState
    if (applier.state.members.get(id)?.name !== address.name || id === raw.status().id) {
      const detail = `${address.name} is no member under its old id ${id}: it was removed or replaced`
      throw new RaftwayError('MEMBERSHIP_REFUSED', detail)
    }
    const others = voters.filter((voter) => voter !== id)
    const { id: self, progress } = raw.status()
    const heard = others.filter((one) => one === self || progress?.get(one)?.recentActive === true)
    if (heard.length * 2 <= others.length) {
      const detail = `only ${heard.length} of the ${others.length} other voters are heard: ${address.name} is replaced when a majority of them is there`
      throw new RaftwayError('PEER_UNREACHABLE', detail)
    }
    await this.#change(
      [
        { type: 'remove', id },
        { type: 'add-learner', id: address.id },
      ],
      address,
    )
  }

  /**
   * Writes a member's present name and addresses down, if they differ. `isPeerProven`: it answers at the peer address
   * itself, so that another member that stood there before cannot be there any more. MEMBER_NOT_FOUND, MEMBER_EXISTS,
   * NOT_LEADER. Resolves nothing: whoever asked sees it in the members once it is applied.
   */
  move(address: NodeAddress, { isPeerProven }: { readonly isPeerProven: boolean }): void {
    const known = this.#parts.applier.state.members.get(address.id)
    if (known === undefined) {
      throw new RaftwayError('MEMBER_NOT_FOUND', `${address.name} is no member of this cluster`)
    }
    if (isSameAddress(known, address)) return
    this.#assertNameIsFree(address)
    const rival = this.#rivalAt(address)
    if (rival !== null && !isPeerProven) {
      throw new RaftwayError(
        'MEMBER_EXISTS',
        `the peer address ${address.peer} belongs to member ${rival.name}`,
      )
    }
    if (this.#parts.proposeMember(address) === 'dropped') {
      throw new RaftwayError('NOT_LEADER', 'this node does not lead, or is handing leadership over')
    }
    this.#parts.logger.info({ was: known, now: address }, 'a member has another name or address')
    this.#parts.wake()
  }

  /**
   * Takes a member out. MEMBER_NOT_FOUND, MEMBERSHIP_REFUSED for the last voter and where too
   * few voters are heard, and as `admit`.
   */
  async remove(name: string): Promise<void> {
    const { id } = this.#member(name)
    const issue = this.removalIssue(name)
    if (issue !== null) throw new RaftwayError('MEMBERSHIP_REFUSED', issue)
    await this.#change([{ type: 'remove', id }], null)
  }

  /** Why a member cannot be taken out now, in words; null if it can. MEMBER_NOT_FOUND. */
  removalIssue(name: string): string | null {
    const { id } = this.#member(name)
    const { voters } = this.#parts.applier.confState
    if (voters.length === 1 && voters[0] === id) {
      return `${name} is the only voter: a cluster cannot be without one`
    }
    return this.#changeIssue(voters.filter((voter) => voter !== id))
  }

  /** Makes a learner a voter. MEMBER_NOT_FOUND, MEMBERSHIP_REFUSED if it votes already, and as `admit`. */
  async promote(name: string): Promise<void> {
    const { id } = this.#member(name)
    if (this.#parts.applier.confState.voters.includes(id)) {
      throw new RaftwayError('MEMBERSHIP_REFUSED', `${name} is a voter already`)
    }
    const issue = this.#changeIssue([...this.#parts.applier.confState.voters, id])
    if (issue !== null) throw new RaftwayError('MEMBERSHIP_REFUSED', issue)
    await this.#change([{ type: 'add-voter', id }], null)
  }

  /** A membership change was applied here; `request` names whose it was. */
  onApplied(request: string | null): void {
    if (request === this.#newcomer?.request) this.#newcomer = null
    const asked = request === null ? undefined : this.#asked.get(request)
    asked?.resolve()
  }

  /** Leadership is gone: what was asked may or may not happen. */
  abandon(error: Error): void {
    this.#newcomer = null
    this.#steady.clear()
    for (const { reject } of this.#asked.values()) reject(error)
  }

  /** Looks whether a learner has caught up and stayed so, and then gives it a vote. For the leader, every few ticks. */
  checkLearners(): void {
    const { raw, applier, logger } = this.#parts
    const { learners } = applier.confState
    if (learners.length === 0 || this.#isBusy) return
    const { progress, commit } = raw.status()
    for (const id of learners) {
      const learner = progress?.get(id)
      const isCaughtUp =
        learner !== undefined &&
        learner.state === 'replicate' &&
        learner.recentActive &&
        learner.match + CAUGHT_UP_ENTRIES >= commit
      const checks = isCaughtUp ? (this.#steady.get(id) ?? 0) + 1 : 0
      this.#steady.set(id, checks)
      if (checks < CAUGHT_UP_CHECKS) continue
      this.#steady.delete(id)
      const name = applier.state.members.get(id)?.name ?? String(id)
      logger.info({ member: name }, 'learner has caught up: promoting it to voter')
      this.#change([{ type: 'add-voter', id }], null).catch((error: unknown) => {
        logger.warn(
          { member: name, err: error },
          'promotion did not happen; it will be tried again',
        )
      })
      return
    }
  }

  async #change(changes: readonly MemberChange[], address: NodeAddress | null): Promise<void> {
    const { raw, clock, timeoutMs, makeId } = this.#parts
    if (this.#isBusy) {
      throw new RaftwayError(
        'MEMBERSHIP_CHANGE_PENDING',
        'another membership change is under way: try again',
      )
    }
    const request = makeId()
    const change: ConfChange = {
      transition: 'auto',
      changes,
      context: encodeMemberContext({ request, address }),
    }
    const issue = raw.confChangeIssue(change)
    if (issue !== null) throw new RaftwayError('MEMBERSHIP_REFUSED', issue)
    if (raw.proposeConfChange(change) === 'dropped') {
      throw new RaftwayError('NOT_LEADER', 'this node does not lead, or is handing leadership over')
    }
    if (address !== null) this.#newcomer = { request, address }
    this.#isBusy = true
    this.#parts.wake()
    try {
      await new Promise<void>((resolve, reject) => {
        const cancel = clock.after(timeoutMs, () =>
          reject(
            new RaftwayError(
              'TIMEOUT',
              `the membership change was not applied within ${timeoutMs} ms`,
            ),
          ),
        )
        this.#asked.set(request, {
          resolve: () => {
            cancel()
            resolve()
          },
          reject: (error) => {
            cancel()
            reject(error)
          },
        })
      })
    } finally {
      this.#asked.delete(request)
      this.#isBusy = false
    }
  }

  #changeIssue(next: readonly NodeId[]): string | null {
    const { applier, isHeard } = this.#parts
    const nameOf = (id: NodeId) => applier.state.members.get(id)?.name ?? String(id)
    return changeIssue({ voters: applier.confState.voters, isHeard, nameOf }, next)
  }

  #assertNameIsFree({ id, name }: NodeAddress): void {
    const rival = [...this.#parts.applier.state.members.values()].find(
      (member) => member.id !== id && member.name === name,
    )
    if (rival === undefined) return
    throw new RaftwayError(
      'MEMBER_EXISTS',
      `the name ${name} belongs to the member at ${rival.peer}. ${wayOut(rival)}`,
    )
  }

  #rivalAt({ id, peer }: NodeAddress): NodeAddress | null {
    const members = [...this.#parts.applier.state.members.values()]
    return members.find((member) => member.id !== id && member.peer === peer) ?? null
  }

  #member(name: string): NodeAddress {
    const member = [...this.#parts.applier.state.members.values()].find((one) => one.name === name)
    if (member === undefined)
      throw new RaftwayError('MEMBER_NOT_FOUND', `no member is called ${name}`)
    return member
  }
}

/** What to do about a member that stands in the way of a newcomer. */
function wayOut({ name }: NodeAddress): string {
  return (
    `If that member's disk is lost, take it out with "raftway cluster remove ${name}": this node is then taken in by ` +
    'itself. If it still runs, give this node another --name and peer address'
  )
}
