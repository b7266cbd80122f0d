import type { Logger } from '../../shared/logger.ts'
import { RaftwayError } from '../../shared/errors.ts'
import type { AppliedBatch, Identity, NodeAddress } from '../ports.ts'
import type { Entry } from '../raft/messages.ts'
import type { NodeStore } from '../storage/node-store.ts'
import { openStoreIn } from '../storage/open-store.ts'
import type { Refounding } from '../storage/refounding.ts'
import type { Clock } from '../clock.ts'
import { Applier } from './applier.ts'

/** What a node that lost its cluster knows, before anything is done about it. */
export type Survivor = {
  readonly identity: Identity
  readonly self: NodeAddress
  readonly members: readonly NodeAddress[]
  readonly term: number
  /** Applied, known to be committed, and last entry of the log. */
  readonly appliedIndex: number
  readonly commitIndex: number
  readonly lastIndex: number
  /** With everything in the log applied. */
  readonly revision: number
  readonly hash: string
  readonly definitions: number
}

/**
 * Makes a cluster of one from a node whose cluster has lost its majority. Offline: the node must not run.
 *
 * Everything in its log is kept, whether it was known to be committed or not: an entry that this node holds may have
 * been acknowledged to its writer by others that are gone. What is lost is what was acknowledged and never reached
 * this node. The new cluster has an id of its own, so that members of the old one that come back are refused, and
 * begins above every revision that the old one can have handed out.
 *
 * `decide` hears what there is and says what becomes of it; null changes nothing. One synchronous batch: a crash
 * leaves the old node or the new one. NOT_FORMED, STORAGE_CORRUPT, DATA_DIRECTORY_IN_USE.
 */
export async function refoundAlone(
  dataDir: string,
  shell: { readonly logger: Logger; readonly clock: Clock },
  decide: (survivor: Survivor) => Promise<Refounding | null>,
): Promise<{ readonly survivor: Survivor; readonly refounding: Refounding | null }> {
  const store = await openStoreIn(dataDir, shell.logger)
  try {
    const { identity } = store
    if (identity === null) {
      throw new RaftwayError('NOT_FORMED', `the node in ${dataDir} never belonged to a cluster`)
    }
    const { applier, batch, members } = await applyTail(store, shell)
    const { hardState } = store.log.initialState()
    const survivor: Survivor = {
      identity,
      self: members.find(({ id }) => id === identity.nodeId) ?? strangerTo(identity),
      members,
      term: hardState.term,
      appliedIndex: store.restored.appliedIndex,
      commitIndex: hardState.commit,
      lastIndex: store.log.lastIndex(),
      revision: applier.state.revision,
      hash: applier.state.hash,
      definitions: applier.state.count,
    }
    const refounding = await decide(survivor)
    if (refounding !== null) await store.refound(batch, refounding)
    return { survivor, refounding }
  } finally {
    await store.close()
  }
}

/** The state with every entry of the log applied, in memory, and what the disk must remember of it. */
async function applyTail(
  store: NodeStore,
  shell: { readonly logger: Logger; readonly clock: Clock },
): Promise<{ applier: Applier; batch: AppliedBatch; members: readonly NodeAddress[] }> {
  const { restored, log } = store
  const hooks = {
    // Who was a member is over: the new membership is this node.
    applyConfChange: () => restored.confState,
    onWrite: () => {},
    onChange: () => {},
    onMembership: () => {},
    onUsage: () => {},
  }
  const applier = new Applier(restored, hooks, shell)
  const batch = await applier.apply(entriesAfter(log, restored.appliedIndex))
  return { applier, batch, members: [...applier.state.members.values()] }
}

function entriesAfter(log: NodeStore['log'], index: number): readonly Entry[] {
  if (log.lastIndex() <= index) return []
  const entries = log.entries(index + 1, log.lastIndex() + 1, Number.POSITIVE_INFINITY)
  if (typeof entries !== 'string') return entries
  throw new RaftwayError('STORAGE_CORRUPT', `log entries after ${index} are ${entries}`)
}

/** A learner that never heard of its own admission has no address on disk. */
function strangerTo({ nodeId }: Identity): NodeAddress {
  return { id: nodeId, name: '', api: '', peer: '' }
}
