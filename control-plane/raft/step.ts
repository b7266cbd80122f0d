import { becomeFollower, hup } from './election.ts'
import { entriesBytes, ZERO_ID } from './entry.ts'
import { hex, MESSAGE_NAMES } from './log-text.ts'
import { NO_NODE, type EntryId, type Message, type MessageOf } from './messages.ts'
import { appliedTo, release } from './proposal.ts'
import type { Raft } from './raft.ts'
import type { Outcome } from './ready.ts'
import { stepCandidate } from './step-candidate.ts'
import { stepFollower } from './step-follower.ts'
import { stepLeader } from './step-leader.ts'

/** One message: first the rules about terms (Raft thesis 3.3), then votes and storage, then what the role does. */
export function step(raft: Raft, message: Message): Outcome {
  if (message.term > raft.term && message.term !== 0) {
    if (!enterTerm(raft, message)) return 'ok'
  } else if (message.term < raft.term && message.term !== 0) {
    answerOldTerm(raft, message)
    return 'ok'
  }
  switch (message.type) {
    case 'hup':
      hup(raft, raft.options.preVote ? 'pre-election' : 'election')
      return 'ok'
    case 'vote':
    case 'pre-vote':
      castVote(raft, message)
      return 'ok'
    case 'storage-append-resp':
      if (message.last.index !== 0) raft.raftLog.unstable.stableTo(message.last)
      installed(raft, message)
      return 'ok'
    case 'storage-apply-resp':
      applied(raft, message)
      return 'ok'
    default:
      if (raft.role === 'leader') return stepLeader(raft, message)
      return raft.role === 'follower' ? stepFollower(raft, message) : stepCandidate(raft, message)
  }
}

/** Follows a higher term, if the message is one to follow. Whether the message is still to be handled. */
function enterTerm(raft: Raft, message: Message): boolean {
  const { type } = message
  if ((type === 'vote' || type === 'pre-vote') && isLeaseHeld(raft) && !message.isTransfer) {
    // A node cut off from the leader must not disturb those who hear it. Raft thesis 4.2.3.
    logVote(raft, message, { verb: 'ignored', suffix: leaseText(raft) })
    return false
  }
  // A pre-vote asks about a term without entering it, and its grant answers in that term. Raft thesis 9.6.
  if (type === 'pre-vote' || (type === 'pre-vote-resp' && !message.reject)) return true
  raft.log?.info(
    `${hex(raft.id)} [term: ${raft.term}] received a ${MESSAGE_NAMES[type]} message ` +
      `with higher term from ${hex(message.from)} [term: ${message.term}]`,
  )
  const isFromLeader = type === 'app' || type === 'heartbeat' || type === 'snap'
  becomeFollower(raft, message.term, isFromLeader ? message.from : NO_NODE)
  return true
}

/** Nothing of a lower term is obeyed; a few messages need an answer, or their sender would stay stuck. */
function answerOldTerm(raft: Raft, message: Message): void {
  const { type, from } = message
  const { checkQuorum, preVote } = raft.options
  if ((checkQuorum || preVote) && (type === 'heartbeat' || type === 'app')) {
    // An old leader, or this node's term ran ahead while it was cut off: with pre-vote and check-quorum votes would
    // be ignored, so this answer is what brings the terms together.
    raft.sendAfterPersist({
      type: 'app-resp',
      from: raft.id,
      to: from,
      term: raft.term,
      index: 0,
      reject: false,
      hint: ZERO_ID,
    })
  } else if (type === 'pre-vote') {
    // The candidate may have a shorter log and a stale term from before pre-vote was switched on.
    logVote(raft, message, { verb: 'rejected', suffix: '' })
    const { id, term } = raft
    raft.sendAfterPersist({ type: 'pre-vote-resp', from: id, to: from, term, reject: true })
  } else if (type === 'storage-append-resp') {
    if (message.last.index !== 0) {
      // The entries may have been replaced under a later term: see `storageAppendResponse` in raw-node.ts.
      raft.log?.info(
        `${hex(raft.id)} [term: ${raft.term}] ignored entry appends from a MsgStorageAppendResp ` +
          `message with lower term [term: ${message.term}]`,
      )
    }
    // A snapshot is committed state: it holds in every term.
    installed(raft, message)
  } else {
    raft.log?.info(
      `${hex(raft.id)} [term: ${raft.term}] ignored a ${MESSAGE_NAMES[type]} message ` +
        `with lower term from ${hex(from)} [term: ${message.term}]`,
    )
  }
}

/**
 * Votes for a candidate whose log is not behind, once a term (Raft thesis 3.4, 3.6.1). Learners vote too: a learner
 * that was made a voter may not have heard of it, and the only candidate that can win may need its vote.
 */
function castVote(raft: Raft, message: MessageOf<'vote' | 'pre-vote'>): void {
  const { type, from, last } = message
  const mayVote =
    raft.vote === from ||
    (raft.vote === NO_NODE && raft.leader === NO_NODE) ||
    (type === 'pre-vote' && message.term > raft.term)
  const answer = type === 'vote' ? 'vote-resp' : 'pre-vote-resp'
  if (!mayVote || !raft.raftLog.isUpToDate(last)) {
    logVote(raft, message, { verb: 'rejected', suffix: '' })
    const { id, term } = raft
    raft.sendAfterPersist({ type: answer, from: id, to: from, term, reject: true })
    return
  }
  logVote(raft, message, { verb: 'cast', suffix: '' })
  // The grant carries the term that was asked for: a pre-candidate asks for one that nobody has entered.
  const { id } = raft
  raft.sendAfterPersist({ type: answer, from: id, to: from, term: message.term, reject: false })
  if (type === 'vote') {
    raft.electionElapsed = 0
    raft.vote = from
  }
}

function installed(raft: Raft, message: MessageOf<'storage-append-resp'>): void {
  if (message.snapshot === null) return
  const { index } = message.snapshot
  raft.raftLog.unstable.stableSnapshotTo(index)
  appliedTo(raft, index, 0)
}

function applied(raft: Raft, message: MessageOf<'storage-apply-resp'>): void {
  const last = message.entries.at(-1)
  if (last === undefined) return
  appliedTo(raft, last.index, entriesBytes(message.entries))
  release(raft, message.entries)
}

/** Whether a leader was heard so lately that it may count on this node. */
function isLeaseHeld(raft: Raft): boolean {
  const { checkQuorum, electionTicks } = raft.options
  return checkQuorum && raft.leader !== NO_NODE && raft.electionElapsed < electionTicks
}

function leaseText(raft: Raft): string {
  const remaining = raft.options.electionTicks - raft.electionElapsed
  return `: lease is not expired (remaining ticks: ${remaining})`
}

function logVote(
  raft: Raft,
  message: MessageOf<'vote' | 'pre-vote'>,
  words: { readonly verb: 'cast' | 'rejected' | 'ignored'; readonly suffix: string },
): void {
  if (raft.log === null) return
  const { type, from, last } = message
  const { verb, suffix } = words
  const place = (id: EntryId): string => `logterm: ${id.term}, index: ${id.index}`
  raft.log.info(
    `${hex(raft.id)} [${place(raft.raftLog.last())}, vote: ${hex(raft.vote)}] ` +
      `${verb} ${MESSAGE_NAMES[type]} ${verb === 'cast' ? 'for' : 'from'} ${hex(from)} ` +
      `[${place(last)}] at term ${raft.term}${suffix}`,
  )
}
