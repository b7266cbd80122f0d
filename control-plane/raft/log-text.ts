import type { ConfChange, MemberChange } from './conf-change.ts'
import type { Membership } from './membership.ts'
import type { Message, NodeId } from './messages.ts'
import type { Progress, ProgressState } from './progress.ts'
import type { Role } from './ready.ts'

// The words of etcd's log lines, so that its transcripts and its operators' habits fit.

/** etcd's names of the message types. */
export const MESSAGE_NAMES: Readonly<Record<Message['type'], string>> = {
  hup: 'MsgHup',
  beat: 'MsgBeat',
  'check-quorum': 'MsgCheckQuorum',
  'forget-leader': 'MsgForgetLeader',
  unreachable: 'MsgUnreachable',
  'snap-status': 'MsgSnapStatus',
  prop: 'MsgProp',
  app: 'MsgApp',
  'app-resp': 'MsgAppResp',
  vote: 'MsgVote',
  'vote-resp': 'MsgVoteResp',
  'pre-vote': 'MsgPreVote',
  'pre-vote-resp': 'MsgPreVoteResp',
  snap: 'MsgSnap',
  heartbeat: 'MsgHeartbeat',
  'heartbeat-resp': 'MsgHeartbeatResp',
  'transfer-leader': 'MsgTransferLeader',
  'timeout-now': 'MsgTimeoutNow',
  'read-index': 'MsgReadIndex',
  'read-index-resp': 'MsgReadIndexResp',
  'storage-append': 'MsgStorageAppend',
  'storage-append-resp': 'MsgStorageAppendResp',
  'storage-apply': 'MsgStorageApply',
  'storage-apply-resp': 'MsgStorageApplyResp',
}

/** etcd's names of the roles. */
export const ROLE_NAMES: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  candidate: 'StateCandidate',
  'pre-candidate': 'StatePreCandidate',
  leader: 'StateLeader',
}

/** Node ids are logged in hexadecimal. */
export function hex(id: NodeId): string {
  return id.toString(16)
}

/** One line on what the leader believes about a follower. */
export function describeProgress(progress: Progress): string {
  const { inflights } = progress
  let text = `${STATE_NAMES[progress.state]} match=${progress.match} next=${progress.next}`
  if (progress.isLearner) text += ' learner'
  if (progress.isPaused) text += ' paused'
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`
  if (!progress.recentActive) text += ' inactive'
  if (inflights.count > 0) text += ` inflight=${inflights.count}${inflights.full ? '[full]' : ''}`
  return text
}

/** One line on who votes and learns. */
export function describeMembership(membership: Membership): string {
  let text = `voters=${list(membership.incoming)}`
  if (membership.outgoing.length > 0) text += `&&${list(membership.outgoing)}`
  if (membership.learners.length > 0) text += ` learners=${list(membership.learners)}`
  if (membership.learnersNext.length > 0) text += ` learners_next=${list(membership.learnersNext)}`
  return membership.autoLeave ? `${text} autoleave` : text
}

/** A membership change in protobuf's text form; the old single-change format has no transition. */
export function describeConfChange(change: ConfChange, isSingle: boolean): string {
  const singles = change.changes.map(
    ({ type, id }) => `type:${CHANGE_NAMES[type]} node_id:${id}${isSingle ? '' : '}'}`,
  )
  if (isSingle) return singles.join(' ')
  const parts = singles.map((single) => ` changes:{${single}`)
  return `transition:${TRANSITION_NAMES[change.transition]}${parts.join('')}`
}

const STATE_NAMES: Readonly<Record<ProgressState, string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
}

const CHANGE_NAMES: Readonly<Record<MemberChange['type'], string>> = {
  'add-voter': 'ConfChangeAddNode',
  'add-learner': 'ConfChangeAddLearnerNode',
  remove: 'ConfChangeRemoveNode',
  update: 'ConfChangeUpdateNode',
}

const TRANSITION_NAMES: Readonly<Record<ConfChange['transition'], string>> = {
  auto: 'ConfChangeTransitionAuto',
  'joint-implicit': 'ConfChangeTransitionJointImplicit',
  'joint-explicit': 'ConfChangeTransitionJointExplicit',
}

function list(ids: readonly NodeId[]): string {
  return `(${ids.join(' ')})`
}
