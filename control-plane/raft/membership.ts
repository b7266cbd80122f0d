import type { MemberChange } from './conf-change.ts'
import { Inflights } from './inflights.ts'
import type { ConfState, NodeId } from './messages.ts'
import { Progress } from './progress.ts'

/**
 * Who votes and learns, in a form made for questions. All lists ascend.
 * Invariant: `learners` meets neither half of the voters; `learnersNext` lies within `outgoing`.
 */
export type Membership = {
  readonly incoming: readonly NodeId[]
  /** Non-empty exactly in a joint membership. */
  readonly outgoing: readonly NodeId[]
  readonly learners: readonly NodeId[]
  readonly learnersNext: readonly NodeId[]
  readonly autoLeave: boolean
}

/** A membership with the progress of everyone in it. */
export type Members = {
  readonly membership: Membership
  readonly progress: ReadonlyMap<NodeId, Progress>
}

/** What a newcomer's progress starts with. */
export type Newcomer = {
  readonly lastIndex: number
  readonly inflightMessagesMax: number
  readonly inflightBytesMax: number
}

/** The changed members, or the rule that forbids the change. The input is never touched. */
export type Changed =
  | { readonly ok: true; readonly members: Members }
  | { readonly ok: false; readonly reason: string }

/** Nobody: what every replica starts from before its ConfState is restored. */
export const NO_MEMBERS: Members = {
  membership: { incoming: [], outgoing: [], learners: [], learnersNext: [], autoLeave: false },
  progress: new Map(),
}

/** Changes at most one voter, outside a joint membership (Raft thesis 4.1). */
export function changeSimply(
  members: Members,
  changes: readonly MemberChange[],
  newcomer: Newcomer,
): Changed {
  if (members.membership.outgoing.length > 0) {
    return refuse("can't apply simple config change in joint config")
  }
  const draft = new Draft(members, newcomer)
  const before = new Set(draft.incoming)
  if (!draft.apply(changes)) return refuse('removed all voters')
  if (differences(before, draft.incoming) > 1) {
    return refuse('more than one voter changed without entering joint config')
  }
  return draft.finish(false)
}

/** Goes from C_old to C_old,new: the old voters keep their say until the joint membership is left. */
export function enterJoint(
  members: Members,
  changes: readonly MemberChange[],
  options: { readonly autoLeave: boolean; readonly newcomer: Newcomer },
): Changed {
  const { incoming, outgoing } = members.membership
  if (outgoing.length > 0) return refuse('config is already joint')
  if (incoming.length === 0) return refuse("can't make a zero-voter config joint")
  const draft = new Draft(members, options.newcomer)
  for (const id of incoming) draft.outgoing.add(id)
  if (!draft.apply(changes)) return refuse('removed all voters')
  return draft.finish(options.autoLeave)
}

/** Goes from C_old,new to C_new, turning the voters that wait for it into learners. */
export function leaveJoint(members: Members, newcomer: Newcomer): Changed {
  if (members.membership.outgoing.length === 0) return refuse("can't leave a non-joint config")
  const draft = new Draft(members, newcomer)
  draft.leave()
  return draft.finish(false)
}

/** Rebuilds the members that `confState` describes, from nothing and by the same rules. */
export function restoreMembers(confState: ConfState, newcomer: Newcomer): Changed {
  const arriving: MemberChange[] = []
  for (const id of confState.votersOutgoing) arriving.push({ type: 'remove', id })
  for (const id of confState.voters) arriving.push({ type: 'add-voter', id })
  for (const id of confState.learners) arriving.push({ type: 'add-learner', id })
  for (const id of confState.learnersNext) arriving.push({ type: 'add-learner', id })

  const isJoint = confState.votersOutgoing.length > 0
  const singly = isJoint
    ? confState.votersOutgoing.map((id): MemberChange => ({ type: 'add-voter', id }))
    : arriving
  let members = NO_MEMBERS
  for (const change of singly) {
    const changed = changeSimply(members, [change], newcomer)
    if (!changed.ok) return changed
    members = changed.members
  }
  if (!isJoint) return { ok: true, members }
  return enterJoint(members, arriving, { autoLeave: confState.autoLeave, newcomer })
}

/** The membership as it is stored and sent. */
export function confStateOf(membership: Membership): ConfState {
  return {
    voters: membership.incoming,
    learners: membership.learners,
    votersOutgoing: membership.outgoing,
    learnersNext: membership.learnersNext,
    autoLeave: membership.autoLeave,
  }
}

/** A working copy of the members. Changes to voters always concern the incoming half. */
class Draft {
  readonly incoming: Set<NodeId>
  readonly outgoing: Set<NodeId>
  readonly #learners: Set<NodeId>
  readonly #learnersNext: Set<NodeId>
  readonly #progress = new Map<NodeId, Progress>()
  readonly #newcomer: Newcomer

  constructor(members: Members, newcomer: Newcomer) {
    this.incoming = new Set(members.membership.incoming)
    this.outgoing = new Set(members.membership.outgoing)
    this.#learners = new Set(members.membership.learners)
    this.#learnersNext = new Set(members.membership.learnersNext)
    this.#newcomer = newcomer
    for (const [id, progress] of members.progress) this.#progress.set(id, progress.clone())
  }

  /** False when no voter is left. */
  apply(changes: readonly MemberChange[]): boolean {
    for (const change of changes) {
      if (change.id === 0) continue
      if (change.type === 'add-voter') this.#makeVoter(change.id)
      else if (change.type === 'add-learner') this.#makeLearner(change.id)
      else if (change.type === 'remove') this.#remove(change.id)
    }
    return this.incoming.size > 0
  }

  leave(): void {
    for (const id of this.#learnersNext) {
      this.#learners.add(id)
      const progress = this.#progress.get(id)
      if (progress !== undefined) progress.isLearner = true
    }
    this.#learnersNext.clear()
    for (const id of this.outgoing) {
      if (!this.incoming.has(id) && !this.#learners.has(id)) this.#progress.delete(id)
    }
    this.outgoing.clear()
  }

  finish(autoLeave: boolean): Changed {
    const issue = this.#brokenInvariant()
    if (issue !== null) return refuse(issue)
    const membership = {
      incoming: ascending(this.incoming),
      outgoing: ascending(this.outgoing),
      learners: ascending(this.#learners),
      learnersNext: ascending(this.#learnersNext),
      autoLeave,
    }
    return { ok: true, members: { membership, progress: this.#progress } }
  }

  #makeVoter(id: NodeId): void {
    const progress = this.#progress.get(id)
    if (progress === undefined) return this.#admit(id, false)
    progress.isLearner = false
    this.#learners.delete(id)
    this.#learnersNext.delete(id)
    this.incoming.add(id)
  }

  /** A voter of the outgoing half has to wait: nobody may vote and learn at once. */
  #makeLearner(id: NodeId): void {
    const progress = this.#progress.get(id)
    if (progress === undefined) return this.#admit(id, true)
    if (progress.isLearner) return
    this.#remove(id)
    this.#progress.set(id, progress)
    if (this.outgoing.has(id)) {
      this.#learnersNext.add(id)
    } else {
      progress.isLearner = true
      this.#learners.add(id)
    }
  }

  #remove(id: NodeId): void {
    if (!this.#progress.has(id)) return
    this.incoming.delete(id)
    this.#learners.delete(id)
    this.#learnersNext.delete(id)
    if (!this.outgoing.has(id)) this.#progress.delete(id)
  }

  #admit(id: NodeId, isLearner: boolean): void {
    if (isLearner) this.#learners.add(id)
    else this.incoming.add(id)
    const { lastIndex, inflightMessagesMax, inflightBytesMax } = this.#newcomer
    const inflights = new Inflights(inflightMessagesMax, inflightBytesMax)
    const next = Math.max(lastIndex, 1)
    const progress = new Progress({ match: 0, next, isLearner, inflights })
    // Otherwise a quorum check right after the change would count a newcomer as silent.
    progress.recentActive = true
    this.#progress.set(id, progress)
  }

  #brokenInvariant(): string | null {
    for (const ids of [this.incoming, this.outgoing, this.#learners, this.#learnersNext]) {
      for (const id of ids) if (!this.#progress.has(id)) return `no progress for ${id}`
    }
    for (const id of this.#learnersNext) {
      if (!this.outgoing.has(id)) return `${id} is in LearnersNext, but not Voters[1]`
      if (this.#progress.get(id)?.isLearner === true) {
        return `${id} is in LearnersNext, but is already marked as learner`
      }
    }
    for (const id of this.#learners) {
      if (this.outgoing.has(id)) return `${id} is in Learners and Voters[1]`
      if (this.incoming.has(id)) return `${id} is in Learners and Voters[0]`
      if (this.#progress.get(id)?.isLearner !== true) {
        return `${id} is in Learners, but is not marked as learner`
      }
    }
    return null
  }
}

function refuse(reason: string): Changed {
  return { ok: false, reason }
}

function ascending(ids: ReadonlySet<NodeId>): readonly NodeId[] {
  return [...ids].sort((a, b) => a - b)
}

function differences(before: ReadonlySet<NodeId>, after: ReadonlySet<NodeId>): number {
  return before.symmetricDifference(after).size
}
