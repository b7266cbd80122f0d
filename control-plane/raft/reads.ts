import { NO_NODE } from './messages.ts'
import type { Raft } from './raft.ts'
import type { PendingRead } from './read-index.ts'
import { broadcastHeartbeat, hasCommittedInTerm } from './replication.ts'

/**
 * Begins a read on the leader (Raft thesis 6.4). A new leader does not know yet what is committed, so the read waits
 * for its first commit; that holds for a lone voter as well, whose commit index may be older than its answers.
 */
export function beginRead(raft: Raft, request: Omit<PendingRead, 'index'>): void {
  if (hasCommittedInTerm(raft)) confirm(raft, request)
  else raft.postponedReads.push({ ...request, index: 0 })
}

/** Begins the reads that waited for the first commit of the term. */
export function releasePostponedReads(raft: Raft): void {
  if (raft.postponedReads.length === 0) return
  if (!hasCommittedInTerm(raft)) {
    raft.log?.error(
      'pending MsgReadIndex should be released only after first commit in current term',
    )
    return
  }
  const postponed = raft.postponedReads
  raft.postponedReads = []
  for (const read of postponed) confirm(raft, read)
}

/** Answers the reads that the heartbeats acknowledged so far confirm. */
export function answerConfirmedReads(raft: Raft): void {
  for (const read of raft.reads.takeConfirmed(raft.tracker.membership)) answer(raft, read)
}

function confirm(raft: Raft, request: Omit<PendingRead, 'index'>): void {
  const read = { from: request.from, context: request.context, index: raft.raftLog.committed }
  if (raft.options.readOnly === 'lease') {
    answer(raft, read)
    return
  }
  raft.reads.add(read)
  raft.reads.acknowledge(raft.id, raft.reads.heartbeatContext())
  answerConfirmedReads(raft)
  // A lone voter has confirmed it by itself.
  if (raft.reads.heartbeatContext() !== '') broadcastHeartbeat(raft)
}

function answer(raft: Raft, read: PendingRead): void {
  const { from, context, index } = read
  if (from === NO_NODE || from === raft.id) {
    raft.readStates.push({ index, context })
  } else {
    raft.send({ type: 'read-index-resp', from: raft.id, to: from, term: raft.term, index, context })
  }
}
