import { assert } from '../../shared/assert.ts'
import { entersJoint, leavesJoint, type ConfChange } from './conf-change.ts'
import { becomeFollower } from './election.ts'
import { describeMembership, hex } from './log-text.ts'
import {
  changeSimply,
  confStateOf,
  enterJoint,
  leaveJoint,
  NO_MEMBERS,
  restoreMembers,
  type Changed,
  type Members,
} from './membership.ts'
import { NO_NODE, type ConfState, type NodeId } from './messages.ts'
import type { Raft } from './raft.ts'
import { answerConfirmedReads } from './reads.ts'
import { broadcastAppend, maybeCommit, probeAll } from './replication.ts'

/** What `change` would make of the members in force, or why it may not. Changes nothing. */
export function changeMembers(raft: Raft, change: ConfChange): Changed {
  const members = raft.tracker.members()
  const newcomer = raft.newcomer()
  if (leavesJoint(change)) return leaveJoint(members, newcomer)
  if (!entersJoint(change)) return changeSimply(members, change.changes, newcomer)
  const autoLeave = change.transition !== 'joint-explicit'
  return enterJoint(members, change.changes, { autoLeave, newcomer })
}

/** Puts a committed change into force. A change that the rules forbid is our bug: it was checked when proposed. */
export function applyConfChange(raft: Raft, change: ConfChange): ConfState {
  const changed = changeMembers(raft, change)
  assert(
    changed.ok,
    `a committed membership change can be applied: ${changed.ok ? '' : changed.reason}`,
  )
  return switchTo(raft, changed.members)
}

/** Puts the membership of a snapshot, or of a restart, into force. */
export function restoreConfState(raft: Raft, confState: ConfState): void {
  raft.tracker.adopt(NO_MEMBERS)
  const restored = restoreMembers(confState, raft.newcomer())
  assert(restored.ok, `a stored membership can be restored: ${restored.ok ? '' : restored.reason}`)
  const reached = switchTo(raft, restored.members)
  assert(isSameConfState(confState, reached), 'a restored membership is the one that was stored')
}

/** Makes `members` decide from now on, and acts on it if this node leads. */
function switchTo(raft: Raft, members: Members): ConfState {
  const { tracker } = raft
  tracker.adopt(members)
  raft.log?.info(
    `${hex(raft.id)} switched to configuration ${describeMembership(tracker.membership)}`,
  )
  const confState = confStateOf(tracker.membership)
  if (raft.role !== 'leader') return confState

  const own = tracker.get(raft.id)
  if (own === undefined || own.isLearner) {
    // Until it steps down a removed leader goes on replicating, without counting itself: Raft thesis 4.2.2.
    if (raft.options.stepDownOnRemoval) becomeFollower(raft, raft.term, NO_NODE)
    return confState
  }
  // A smaller quorum may have committed more; otherwise newcomers are probed now, not at the next heartbeat.
  if (maybeCommit(raft)) broadcastAppend(raft)
  else probeAll(raft)
  answerConfirmedReads(raft)
  if (raft.leadTransferee !== NO_NODE && !tracker.isVoter(raft.leadTransferee)) {
    raft.leadTransferee = NO_NODE
  }
  return confState
}

function isSameConfState(a: ConfState, b: ConfState): boolean {
  return (
    a.autoLeave === b.autoLeave &&
    isSameSet(a.voters, b.voters) &&
    isSameSet(a.learners, b.learners) &&
    isSameSet(a.votersOutgoing, b.votersOutgoing) &&
    isSameSet(a.learnersNext, b.learnersNext)
  )
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length
}
