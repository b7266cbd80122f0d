import { unreachable } from '../../shared/assert.ts'
import { hup } from './election.ts'
import { obey } from './follow.ts'
import { hex } from './log-text.ts'
import { NO_NODE, type MessageOf } from './messages.ts'
import type { Raft } from './raft.ts'
import type { Outcome } from './ready.ts'
import type { RoleMessage } from './step-leader.ts'

/** One message, for a follower. */
export function stepFollower(raft: Raft, message: RoleMessage): Outcome {
  switch (message.type) {
    case 'app':
    case 'heartbeat':
    case 'snap':
      raft.electionElapsed = 0
      raft.leader = message.from
      obey(raft, message)
      return 'ok'
    case 'prop':
      return forwardProposal(raft, message)
    case 'transfer-leader':
    case 'read-index':
      forward(raft, message)
      return 'ok'
    case 'forget-leader':
      forgetLeader(raft)
      return 'ok'
    case 'timeout-now':
      raft.log?.info(
        `${hex(raft.id)} [term ${raft.term}] received MsgTimeoutNow from ${hex(message.from)} ` +
          `and starts an election to get leadership.`,
      )
      // Nobody is suspected to be cut off, so there is nothing to ask first. Raft thesis 3.10.
      hup(raft, 'transfer')
      return 'ok'
    case 'read-index-resp':
      raft.readStates.push({ index: message.index, context: message.context })
      return 'ok'
    case 'app-resp':
    case 'beat':
    case 'check-quorum':
    case 'heartbeat-resp':
    case 'pre-vote-resp':
    case 'snap-status':
    case 'storage-append':
    case 'storage-apply':
    case 'unreachable':
    case 'vote-resp':
      return 'ok'
    default:
      return unreachable(message)
  }
}

function forwardProposal(raft: Raft, message: MessageOf<'prop'>): Outcome {
  if (raft.leader === NO_NODE) {
    raft.log?.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`)
    return 'dropped'
  }
  if (raft.options.disableProposalForwarding) {
    raft.log?.info(
      `${hex(raft.id)} not forwarding to leader ${hex(raft.leader)} ` +
        `at term ${raft.term}; dropping proposal`,
    )
    return 'dropped'
  }
  // A forwarded proposal counts as local where it arrives: it has no term.
  raft.send({ ...message, to: raft.leader, term: 0 })
  return 'ok'
}

function forward(raft: Raft, message: MessageOf<'transfer-leader' | 'read-index'>): void {
  if (raft.leader === NO_NODE) {
    const what = message.type === 'read-index' ? 'index reading' : 'leader transfer'
    raft.log?.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping ${what} msg`)
    return
  }
  if (message.type === 'read-index') {
    const from = message.from === NO_NODE ? raft.id : message.from
    raft.send({ ...message, from, to: raft.leader, term: 0 })
  } else {
    // `from` names who is to lead, also on its way.
    raft.send({ ...message, to: raft.leader, term: raft.term })
  }
}

/** Lets a follower vote for others at once, when its shell knows better than the timeout. */
function forgetLeader(raft: Raft): void {
  if (raft.options.readOnly === 'lease') {
    raft.log?.error('ignoring MsgForgetLeader due to ReadOnlyLeaseBased')
    return
  }
  if (raft.leader === NO_NODE) return
  raft.log?.info(`${hex(raft.id)} forgetting leader ${hex(raft.leader)} at term ${raft.term}`)
  raft.leader = NO_NODE
}
