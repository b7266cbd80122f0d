import { restoreConfState } from './configure.ts'
import { becomeFollower } from './election.ts'
import { ZERO_ID } from './entry.ts'
import { hex } from './log-text.ts'
import {
  NO_NODE,
  type EntryId,
  type MessageOf,
  type NodeId,
  type SnapshotMeta,
} from './messages.ts'
import type { Raft } from './raft.ts'

/** What only a leader of the current term sends. */
export type LeaderMessage = MessageOf<'app' | 'heartbeat' | 'snap'>

/** Obeys the leader of the current term; the node is its follower by now. */
export function obey(raft: Raft, message: LeaderMessage): void {
  if (message.type === 'app') onAppend(raft, message)
  else if (message.type === 'heartbeat') onHeartbeat(raft, message)
  else onSnapshot(raft, message)
}

/** Appends what follows a matching entry, or hints at where the logs may match. Raft thesis 3.5. */
function onAppend(raft: Raft, message: MessageOf<'app'>): void {
  const { raftLog } = raft
  const { prev, from } = message
  if (prev.index < raftLog.committed) {
    acknowledge(raft, from, raftLog.committed)
    return
  }
  const last = raftLog.maybeAppend(message)
  if (last !== null) {
    acknowledge(raft, from, last)
    return
  }
  raft.log?.debug(
    `${hex(raft.id)} [logterm: ${raftLog.termOrZero(prev.index)}, index: ${prev.index}] rejected MsgApp ` +
      `[logterm: ${prev.term}, index: ${prev.index}] from ${hex(from)}`,
  )
  // Entries here of a higher term than the leader's at `prev` cannot match: skip their whole terms.
  const guess = Math.min(prev.index, raftLog.lastIndex())
  refuse(raft, message, raftLog.findConflictByTerm(guess, prev.term))
}

function onHeartbeat(raft: Raft, message: MessageOf<'heartbeat'>): void {
  raft.raftLog.commitTo(message.commit)
  const { context, from } = message
  raft.send({ type: 'heartbeat-resp', from: raft.id, to: from, term: raft.term, context })
}

function onSnapshot(raft: Raft, message: MessageOf<'snap'>): void {
  const { index, term } = message.snapshot
  const isRestored = restore(raft, message.snapshot)
  raft.log?.info(
    `${hex(raft.id)} [commit: ${raft.raftLog.committed}] ${isRestored ? 'restored' : 'ignored'} snapshot ` +
      `[index: ${index}, term: ${term}]`,
  )
  const reached = isRestored ? raft.raftLog.lastIndex() : raft.raftLog.committed
  acknowledge(raft, message.from, reached)
}

/** Replaces log and membership by the snapshot's; false if it is not needed. Raft thesis 5.1. */
function restore(raft: Raft, snapshot: SnapshotMeta): boolean {
  const { log, raftLog } = raft
  if (snapshot.index <= raftLog.committed) return false
  if (raft.role !== 'follower') {
    // Never reached: every path to here makes the node a follower. A new term is the safe answer if it ever is.
    log?.warning(`${hex(raft.id)} attempted to restore snapshot as leader; should never happen`)
    becomeFollower(raft, raft.term + 1, NO_NODE)
    return false
  }
  const { voters, learners, votersOutgoing } = snapshot.confState
  if (![...voters, ...learners, ...votersOutgoing].includes(raft.id)) {
    log?.warning(
      `${hex(raft.id)} attempted to restore snapshot but it is not in the ConfState; should never happen`,
    )
    return false
  }
  if (raftLog.matches(snapshot)) {
    log?.info(`${describe(raft)} fast-forwarded commit to ${place(snapshot)}`)
    raftLog.commitTo(snapshot.index)
    return false
  }
  raftLog.restore(snapshot)
  restoreConfState(raft, snapshot.confState)
  log?.info(`${describe(raft)} restored ${place(snapshot)}`)
  return true
}

function describe(raft: Raft): string {
  const { committed } = raft.raftLog
  const last = raft.raftLog.last()
  return `${hex(raft.id)} [commit: ${committed}, lastindex: ${last.index}, lastterm: ${last.term}]`
}

function place(snapshot: SnapshotMeta): string {
  return `snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`
}

function acknowledge(raft: Raft, to: NodeId, index: number): void {
  raft.sendAfterPersist({
    type: 'app-resp',
    from: raft.id,
    to,
    term: raft.term,
    index,
    reject: false,
    hint: ZERO_ID,
  })
}

function refuse(raft: Raft, message: MessageOf<'app'>, hint: EntryId): void {
  raft.sendAfterPersist({
    type: 'app-resp',
    from: raft.id,
    to: message.from,
    term: raft.term,
    index: message.prev.index,
    reject: true,
    hint,
  })
}
