import { unreachable } from '../../shared/assert.ts'
import { becomeFollower } from './election.ts'
import { describeProgress, hex } from './log-text.ts'
import { NO_NODE, type Message, type MessageOf, type NodeId } from './messages.ts'
import type { Progress } from './progress.ts'
import { proposeAsLeader } from './proposal.ts'
import type { Raft } from './raft.ts'
import { answerConfirmedReads, beginRead, releasePostponedReads } from './reads.ts'
import type { Outcome } from './ready.ts'
import {
  broadcastAppend,
  broadcastHeartbeat,
  maybeCommit,
  sendAppend,
  sendPendingAppends,
  sendTimeoutNow,
} from './replication.ts'

/** What is left for a role after the term rules and the votes of step.ts. */
export type RoleMessage = Exclude<
  Message,
  MessageOf<'hup' | 'vote' | 'pre-vote' | 'storage-append-resp' | 'storage-apply-resp'>
>

/** One message, for a leader. */
export function stepLeader(raft: Raft, message: RoleMessage): Outcome {
  switch (message.type) {
    case 'beat':
      broadcastHeartbeat(raft)
      return 'ok'
    case 'check-quorum':
      checkQuorum(raft)
      return 'ok'
    case 'prop':
      return proposeAsLeader(raft, message.entries)
    case 'read-index':
      beginRead(raft, { from: message.from, context: message.context })
      return 'ok'
    case 'app-resp':
    case 'heartbeat-resp':
    case 'snap-status':
    case 'unreachable':
    case 'transfer-leader':
      stepAboutMember(raft, message)
      return 'ok'
    case 'app':
    case 'forget-leader':
    case 'heartbeat':
    case 'pre-vote-resp':
    case 'read-index-resp':
    case 'snap':
    case 'storage-append':
    case 'storage-apply':
    case 'timeout-now':
    case 'vote-resp':
      return 'ok'
    default:
      return unreachable(message)
  }
}

type MemberMessage = MessageOf<
  'app-resp' | 'heartbeat-resp' | 'snap-status' | 'unreachable' | 'transfer-leader'
>

function stepAboutMember(raft: Raft, message: MemberMessage): void {
  const progress = raft.tracker.get(message.from)
  if (progress === undefined) {
    raft.log?.debug(`${hex(raft.id)} no progress available for ${hex(message.from)}`)
    return
  }
  switch (message.type) {
    case 'app-resp':
      progress.recentActive = true
      if (message.reject) onRejected(raft, message, progress)
      else onAppended(raft, message, progress)
      return
    case 'heartbeat-resp':
      onHeartbeatResponse(raft, message, progress)
      return
    case 'snap-status':
      onSnapshotStatus(raft, message, progress)
      return
    case 'unreachable':
      // Optimistic messages were probably lost, so ask where the follower is.
      if (progress.state === 'replicate') progress.becomeProbe()
      raft.log?.debug(
        `${hex(raft.id)} failed to send message to ${hex(message.from)} ` +
          `because it is unreachable [${describeProgress(progress)}]`,
      )
      return
    case 'transfer-leader':
      onTransferLeader(raft, message.from, progress)
      return
    default:
      unreachable(message)
  }
}

/** Steps down when no quorum was heard for an election timeout: somebody else may lead. Raft thesis 6.2. */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.isQuorumActive()) {
    raft.log?.warning(`${hex(raft.id)} stepped down to follower since quorum is not active`)
    becomeFollower(raft, raft.term, NO_NODE)
  }
  for (const id of raft.tracker.ids) {
    if (id !== raft.id) raft.tracker.must(id).recentActive = false
  }
}

/**
 * Looks further back for where the logs match. The follower names the last entry it may share; any of the leader's
 * entries above that of a higher term cannot match, since terms only rise along a log, so the whole term is skipped.
 *
 *   index     1 2 3 4 5 6 7 8 9
 *   leader    1 3 3 3 5 5 5 5 5
 *   follower  1 1 1 1 2 2          hint (6, term 2): the next probe is at 1
 */
function onRejected(raft: Raft, message: MessageOf<'app-resp'>, progress: Progress): void {
  const { hint, from, index } = message
  raft.log?.debug(
    `${hex(raft.id)} received MsgAppResp(rejected, hint: (index ${hint.index}, term ${hint.term})) ` +
      `from ${hex(from)} for index ${index}`,
  )
  const nextProbe =
    hint.term > 0 ? raft.raftLog.findConflictByTerm(hint.index, hint.term).index : hint.index
  if (!progress.maybeDecrease(index, nextProbe)) return
  raft.log?.debug(
    `${hex(raft.id)} decreased progress of ${hex(from)} to [${describeProgress(progress)}]`,
  )
  if (progress.state === 'replicate') progress.becomeProbe()
  sendAppend(raft, from)
}

function onAppended(raft: Raft, message: MessageOf<'app-resp'>, progress: Progress): void {
  const { from, index } = message
  const { raftLog } = raft
  // A probing follower that only repeats what it had may still go on to be replicated to.
  const isUpdated = progress.maybeUpdate(index)
  if (!isUpdated && !(progress.match === index && progress.state === 'probe')) return
  advanceState(raft, message, progress)

  if (maybeCommit(raft)) {
    releasePostponedReads(raft)
    broadcastAppend(raft)
  } else if (from !== raft.id && progress.canBumpCommit(raftLog.committed)) {
    // The next heartbeat would say so too, but later.
    sendAppend(raft, from)
  }
  if (from !== raft.id) sendPendingAppends(raft, from)
  if (from === raft.leadTransferee && progress.match === raftLog.lastIndex()) {
    raft.log?.info(`${hex(raft.id)} sent MsgTimeoutNow to ${hex(from)} after received MsgAppResp`)
    sendTimeoutNow(raft, from)
  }
}

function advanceState(raft: Raft, message: MessageOf<'app-resp'>, progress: Progress): void {
  if (progress.state === 'probe') {
    progress.becomeReplicate()
  } else if (progress.state === 'replicate') {
    progress.inflights.freeTo(message.index)
  } else if (progress.match + 1 >= raft.raftLog.firstIndex()) {
    // Whatever snapshot it took, and wherever from: the log can go on from here.
    raft.log?.debug(
      `${hex(raft.id)} recovered from needing snapshot, resumed sending replication messages ` +
        `to ${hex(message.from)} [${describeProgress(progress)}]`,
    )
    progress.becomeProbe()
    progress.becomeReplicate()
  }
}

function onHeartbeatResponse(
  raft: Raft,
  message: MessageOf<'heartbeat-resp'>,
  progress: Progress,
): void {
  progress.recentActive = true
  progress.isFlowPaused = false
  // Even a throttled follower gets an empty append: if its whole window was lost, only this restarts the flow.
  if (progress.match < raft.raftLog.lastIndex() || progress.state === 'probe') {
    sendAppend(raft, message.from)
  }
  if (raft.options.readOnly !== 'quorum' || message.context === '') return
  raft.reads.acknowledge(message.from, message.context)
  answerConfirmedReads(raft)
}

function onSnapshotStatus(raft: Raft, message: MessageOf<'snap-status'>, progress: Progress): void {
  if (progress.state !== 'snapshot') return
  // After a failure the probe must not start at an index that the follower never reached.
  if (message.reject) progress.pendingSnapshot = 0
  progress.becomeProbe()
  raft.log?.debug(
    `${hex(raft.id)} snapshot ${message.reject ? 'failed' : 'succeeded'}, ` +
      `resumed sending replication messages to ${hex(message.from)} [${describeProgress(progress)}]`,
  )
  // Wait for its acknowledgement after success, and for a heartbeat before trying again after failure.
  progress.isFlowPaused = true
}

/** Hands leadership over within an election timeout: first the log, then the word to campaign. Raft thesis 3.10. */
function onTransferLeader(raft: Raft, to: NodeId, progress: Progress): void {
  const { log } = raft
  if (progress.isLearner) {
    log?.debug(`${hex(raft.id)} is learner. Ignored transferring leadership`)
    return
  }
  const previous = raft.leadTransferee
  if (previous === to) {
    log?.info(
      `${hex(raft.id)} [term ${raft.term}] transfer leadership to ${hex(to)} is in progress, ` +
        `ignores request to same node ${hex(to)}`,
    )
    return
  }
  if (previous !== NO_NODE) {
    raft.leadTransferee = NO_NODE
    log?.info(
      `${hex(raft.id)} [term ${raft.term}] abort previous transferring leadership to ${hex(previous)}`,
    )
  }
  if (to === raft.id) {
    log?.debug(`${hex(raft.id)} is already leader. Ignored transferring leadership to self`)
    return
  }
  log?.info(`${hex(raft.id)} [term ${raft.term}] starts to transfer leadership to ${hex(to)}`)
  raft.electionElapsed = 0
  raft.leadTransferee = to
  if (progress.match < raft.raftLog.lastIndex()) {
    sendAppend(raft, to)
    return
  }
  sendTimeoutNow(raft, to)
  log?.info(
    `${hex(raft.id)} sends MsgTimeoutNow to ${hex(to)} immediately ` +
      `as ${hex(to)} already has up-to-date log`,
  )
}
