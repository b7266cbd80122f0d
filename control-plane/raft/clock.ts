import { NO_NODE } from './messages.ts'
import type { Raft } from './raft.ts'
import { step } from './step.ts'

/** One tick: a leader keeps its followers and checks its quorum, everyone else waits for a leader. */
export function tick(raft: Raft): void {
  if (raft.role === 'leader') tickLeader(raft)
  else tickElection(raft)
}

function tickElection(raft: Raft): void {
  raft.electionElapsed++
  if (!raft.isPromotable() || raft.electionElapsed < raft.electionTimeout) return
  raft.electionElapsed = 0
  step(raft, { type: 'hup', from: raft.id, to: raft.id, term: 0 })
}

function tickLeader(raft: Raft): void {
  const { checkQuorum, electionTicks, heartbeatTicks } = raft.options
  const local = { from: raft.id, to: raft.id, term: 0 }
  raft.heartbeatElapsed++
  raft.electionElapsed++
  if (raft.electionElapsed >= electionTicks) {
    raft.electionElapsed = 0
    if (checkQuorum) step(raft, { type: 'check-quorum', ...local })
    // Whoever was to lead did not manage within an election timeout; proposals are taken again. Raft thesis 3.10.
    if (raft.role === 'leader') raft.leadTransferee = NO_NODE
  }
  if (raft.role !== 'leader' || raft.heartbeatElapsed < heartbeatTicks) return
  raft.heartbeatElapsed = 0
  step(raft, { type: 'beat', ...local })
}
