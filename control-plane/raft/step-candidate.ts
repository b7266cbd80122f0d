import { unreachable } from '../../shared/assert.ts'
import { becomeFollower, onVoteResponse } from './election.ts'
import { obey } from './follow.ts'
import { hex, ROLE_NAMES } from './log-text.ts'
import type { Raft } from './raft.ts'
import type { Outcome } from './ready.ts'
import type { RoleMessage } from './step-leader.ts'

/** One message, for a candidate or a pre-candidate. */
export function stepCandidate(raft: Raft, message: RoleMessage): Outcome {
  switch (message.type) {
    case 'app':
    case 'heartbeat':
    case 'snap':
      // Somebody won this term. Raft thesis 3.4.
      becomeFollower(raft, message.term, message.from)
      obey(raft, message)
      return 'ok'
    case 'pre-vote-resp':
    case 'vote-resp':
      // A candidate may still be sent late answers to the pre-vote that made it one.
      if ((message.type === 'pre-vote-resp') === (raft.role === 'pre-candidate')) {
        onVoteResponse(raft, message)
      }
      return 'ok'
    case 'prop':
      raft.log?.info(`${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`)
      return 'dropped'
    case 'timeout-now':
      raft.log?.debug(
        `${hex(raft.id)} [term ${raft.term} state ${ROLE_NAMES[raft.role]}] ` +
          `ignored MsgTimeoutNow from ${hex(message.from)}`,
      )
      return 'ok'
    case 'app-resp':
    case 'beat':
    case 'check-quorum':
    case 'forget-leader':
    case 'heartbeat-resp':
    case 'read-index':
    case 'read-index-resp':
    case 'snap-status':
    case 'storage-append':
    case 'storage-apply':
    case 'transfer-leader':
    case 'unreachable':
      return 'ok'
    default:
      return unreachable(message)
  }
}
