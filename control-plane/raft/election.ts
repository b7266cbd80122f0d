import { assert } from '../../shared/assert.ts'
import { EMPTY, makeEntry } from './entry.ts'
import { hex, MESSAGE_NAMES } from './log-text.ts'
import { NO_NODE, type MessageOf, type NodeId } from './messages.ts'
import type { Raft } from './raft.ts'
import { appendOwn, broadcastAppend } from './replication.ts'

/** Why somebody campaigns: to ask first, to win, or because the leader asked for it. */
export type Campaign = 'pre-election' | 'election' | 'transfer'

export function becomeFollower(raft: Raft, term: number, leader: NodeId): void {
  raft.reset(term)
  raft.leader = leader
  raft.role = 'follower'
  raft.log?.info(`${hex(raft.id)} became follower at term ${raft.term}`)
}

/** Starts an election, unless this node leads, may not vote, or has a membership change to apply first. */
export function hup(raft: Raft, campaign: Campaign): void {
  const { log } = raft
  if (raft.role === 'leader') {
    log?.debug(`${hex(raft.id)} ignoring MsgHup because already leader`)
    return
  }
  if (!raft.isPromotable()) {
    log?.warning(`${hex(raft.id)} is unpromotable and can not campaign`)
    return
  }
  if (raft.raftLog.hasUnappliedConfChange()) {
    log?.warning(
      `${hex(raft.id)} cannot campaign at term ${raft.term} ` +
        `since there are still pending configuration changes to apply`,
    )
    return
  }
  log?.info(`${hex(raft.id)} is starting a new election at term ${raft.term}`)
  startCampaign(raft, campaign)
}

/** Counts a vote and follows from it: next round, leadership, or back to following. Raft thesis 3.4, 9.6. */
export function onVoteResponse(
  raft: Raft,
  message: MessageOf<'vote-resp' | 'pre-vote-resp'>,
): void {
  const { log, tracker } = raft
  const name = MESSAGE_NAMES[message.type]
  log?.info(
    `${hex(raft.id)} received ${name}${message.reject ? ' rejection' : ''} ` +
      `from ${hex(message.from)} at term ${raft.term}`,
  )
  tracker.recordVote(message.from, !message.reject)
  const { granted, rejected, result } = tracker.tally()
  log?.info(`${hex(raft.id)} has received ${granted} ${name} votes and ${rejected} vote rejections`)
  if (result === 'won' && raft.role === 'pre-candidate') {
    startCampaign(raft, 'election')
  } else if (result === 'won') {
    becomeLeader(raft)
    broadcastAppend(raft)
  } else if (result === 'lost') {
    // A pre-vote's answer carries the future term: the node stays in its own.
    becomeFollower(raft, raft.term, NO_NODE)
  }
}

function startCampaign(raft: Raft, campaign: Campaign): void {
  const isPreVote = campaign === 'pre-election'
  if (isPreVote) becomePreCandidate(raft)
  else becomeCandidate(raft)
  // A pre-vote asks for the term that would follow; it is not entered yet.
  const term = isPreVote ? raft.term + 1 : raft.term
  const type = isPreVote ? 'pre-vote' : 'vote'
  const last = raft.raftLog.last()
  for (const id of raft.tracker.voters()) {
    if (id === raft.id) {
      // The own vote counts like any other: after it is durable.
      const own = isPreVote ? 'pre-vote-resp' : 'vote-resp'
      raft.sendAfterPersist({ type: own, from: id, to: id, term, reject: false })
      continue
    }
    raft.log?.info(
      `${hex(raft.id)} [logterm: ${last.term}, index: ${last.index}] ` +
        `sent ${MESSAGE_NAMES[type]} request to ${hex(id)} at term ${raft.term}`,
    )
    const isTransfer = campaign === 'transfer'
    raft.send({ type, from: raft.id, to: id, term, last, isTransfer })
  }
}

function becomeCandidate(raft: Raft): void {
  assert(raft.role !== 'leader', 'a leader never campaigns')
  raft.reset(raft.term + 1)
  raft.vote = raft.id
  raft.role = 'candidate'
  raft.log?.info(`${hex(raft.id)} became candidate at term ${raft.term}`)
}

/** Changes neither term nor vote: whoever cannot win must leave no trace. */
function becomePreCandidate(raft: Raft): void {
  assert(raft.role !== 'leader', 'a leader never campaigns')
  raft.tracker.resetVotes()
  raft.leader = NO_NODE
  raft.role = 'pre-candidate'
  raft.log?.info(`${hex(raft.id)} became pre-candidate at term ${raft.term}`)
}

function becomeLeader(raft: Raft): void {
  assert(raft.role === 'candidate', 'only a candidate is elected')
  raft.reset(raft.term)
  raft.leader = raft.id
  raft.role = 'leader'
  const own = raft.tracker.must(raft.id)
  own.becomeReplicate()
  own.recentActive = true
  const last = raft.raftLog.lastIndex()
  // Some entry not yet applied may be a membership change. Waiting for all of them is cheaper than looking.
  raft.pendingConfIndex = last
  // Entries of earlier terms are committed only along with one of this term: Raft thesis 3.6.2, 6.4.
  appendOwn(raft, [makeEntry({ term: raft.term, index: last + 1 }, 'normal', EMPTY)])
  raft.log?.info(`${hex(raft.id)} became leader at term ${raft.term}`)
}
