import { assert } from '../../shared/assert.ts'
import { decodeConfChange, type ConfChange } from './conf-change.ts'
import { changeMembers } from './configure.ts'
import { EMPTY, makeEntry, payloadBytes } from './entry.ts'
import { describeConfChange, describeMembership, hex } from './log-text.ts'
import { NO_NODE, type Entry } from './messages.ts'
import type { Raft } from './raft.ts'
import type { Outcome } from './ready.ts'
import { appendOwn, broadcastAppend } from './replication.ts'

/** A payload before it has a place in the log. */
export type Draft = Pick<Entry, 'type' | 'data'>

/**
 * Appends proposals as one batch, in order, and sends them on; only while this node leads. A membership change that
 * may not be made now is replaced by an empty entry, so that whoever proposed it sees it commit without effect.
 */
export function proposeAsLeader(raft: Raft, drafts: readonly Draft[]): Outcome {
  assert(raft.role === 'leader' && drafts.length > 0, 'a leader takes in at least one entry')
  if (raft.tracker.get(raft.id) === undefined) return 'dropped'
  if (raft.leadTransferee !== NO_NODE) {
    raft.log?.debug(
      `${hex(raft.id)} [term ${raft.term}] transfer leadership to ` +
        `${hex(raft.leadTransferee)} is in progress; dropping proposal`,
    )
    return 'dropped'
  }
  const entries: Entry[] = []
  const first = raft.raftLog.lastIndex() + 1
  for (const draft of drafts) {
    const id = { term: raft.term, index: first + entries.length }
    const isAllowed =
      draft.type === 'normal' || admitConfChange(raft, makeEntry(id, draft.type, draft.data))
    entries.push(isAllowed ? makeEntry(id, draft.type, draft.data) : makeEntry(id, 'normal', EMPTY))
  }
  if (!reserve(raft, entries)) {
    raft.log?.warning(
      `${hex(raft.id)} appending new entries to log would exceed uncommitted entry size limit; ` +
        `dropping proposal`,
    )
    return 'dropped'
  }
  appendOwn(raft, entries)
  broadcastAppend(raft)
  return 'ok'
}

/** Takes back what `reserve` counted, once the entries are applied. */
export function release(raft: Raft, entries: readonly Entry[]): void {
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - payloadBytes(entries))
}

/** Notes that the state machine has applied up to `index`; a joint membership that leaves by itself is left now. */
export function appliedTo(raft: Raft, index: number, bytes: number): void {
  const applied = Math.max(index, raft.raftLog.applied)
  raft.raftLog.appliedTo(applied, bytes)
  const { membership } = raft.tracker
  const mayLeave = membership.autoLeave && applied >= raft.pendingConfIndex
  if (!mayLeave || raft.role !== 'leader') return
  // An empty payload is never refused for its size. A leadership transfer does refuse it; then the next applied
  // entry tries again, here or on the new leader.
  const outcome = proposeAsLeader(raft, [{ type: 'conf-change-v2', data: EMPTY }])
  if (outcome === 'dropped') {
    raft.log?.debug(
      `not initiating automatic transition out of joint configuration ` +
        `${describeMembership(membership)}: raft proposal dropped`,
    )
  } else {
    raft.log?.info(
      `initiating automatic transition out of joint configuration ${describeMembership(membership)}`,
    )
  }
}

/** Counts payloads against the uncommitted limit. An empty log tail admits any size, and an empty entry always fits. */
function reserve(raft: Raft, entries: readonly Entry[]): boolean {
  const bytes = payloadBytes(entries)
  const isOver = raft.uncommittedBytes + bytes > raft.uncommittedBytesMax
  if (raft.uncommittedBytes > 0 && bytes > 0 && isOver) return false
  raft.uncommittedBytes += bytes
  return true
}

/** Whether the change may be made now; if so, it is the one pending change. One at a time: Raft thesis 4.1, 4.3. */
function admitConfChange(raft: Raft, entry: Entry): boolean {
  const change = decodeConfChange(entry)
  const failed = failedCheck(raft, change)
  if (failed === null || raft.options.disableConfChangeValidation) {
    raft.pendingConfIndex = entry.index
    return true
  }
  raft.log?.info(
    `${hex(raft.id)} ignoring conf change ` +
      `${describeConfChange(change, entry.type === 'conf-change')} ` +
      `at config ${describeMembership(raft.tracker.membership)}: ${failed}`,
  )
  return false
}

function failedCheck(raft: Raft, change: ConfChange): string | null {
  const { applied } = raft.raftLog
  const isJoint = raft.tracker.membership.outgoing.length > 0
  const isLeaving = change.changes.length === 0
  if (raft.pendingConfIndex > applied) {
    return `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${applied})`
  }
  if (isJoint && !isLeaving) return 'must transition out of joint config first'
  if (!isJoint && isLeaving) return 'not in joint state; refusing empty conf change'
  // What could never be applied must not be committed either: every replica would stop on it.
  const changed = changeMembers(raft, change)
  return changed.ok ? null : changed.reason
}
