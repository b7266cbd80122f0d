import {
  APPEND_BYTES_MAX,
  COMMITTED_BYTES_MAX,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_MESSAGES_MAX,
  UNCOMMITTED_BYTES_MAX,
} from '../../shared/limits.ts'
import { Random } from '../../shared/random.ts'
import type { LogStorage } from '../raft/log-storage.ts'
import type { RaftOptions } from '../raft/raw-node.ts'
import type { Applier } from './applier.ts'
import type { NodeParts } from './node-parts.ts'

/** The core's options for a node: times become ticks, and the log is read with the applied state's membership. */
export function coreOptions(parts: NodeParts, applier: Applier): RaftOptions {
  const { store, tickMs, heartbeatMs, electionMs, logger } = parts
  return {
    id: parts.self.id,
    electionTicks: Math.max(2, Math.round(electionMs / tickMs)),
    heartbeatTicks: Math.max(1, Math.round(heartbeatMs / tickMs)),
    storage: logOf(store.log, applier),
    applied: applier.index,
    asyncStorageWrites: true,
    messageBytesMax: APPEND_BYTES_MAX,
    committedBytesMax: COMMITTED_BYTES_MAX,
    uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
    inflightMessagesMax: INFLIGHT_MESSAGES_MAX,
    inflightBytesMax: INFLIGHT_BYTES_MAX,
    checkQuorum: true,
    preVote: true,
    readOnly: 'quorum',
    random: new Random(parts.seed),
    // A proposal is planned against the leader's state; forwarded at this level it would skip that.
    disableProposalForwarding: true,
    disableConfChangeValidation: false,
    stepDownOnRemoval: true,
    log: {
      debug: (text) => logger.debug({}, text),
      info: (text) => logger.debug({}, text),
      warning: (text) => logger.warn({}, text),
      error: (text) => logger.error({}, text),
    },
  }
}

/** The durable log; snapshots are cut at the applied index, with the membership in force there. */
function logOf(log: LogStorage, applier: Applier): LogStorage {
  return {
    initialState() {
      const { hardState } = log.initialState()
      // What was applied was committed, though the disk may hold an older commit index.
      const commit = Math.max(hardState.commit, applier.index)
      return { hardState: { ...hardState, commit }, confState: applier.confState }
    },
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    term: (index) => log.term(index),
    entries: (low, high, bytesMax) => log.entries(low, high, bytesMax),
    snapshot() {
      if (applier.index === 0) return null
      return { term: applier.term, index: applier.index, confState: applier.confState }
    },
  }
}
