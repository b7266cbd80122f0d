import { assert } from '../../shared/assert.ts'
import { payloadBytes, ZERO_ID } from './entry.ts'
import { describeProgress, hex } from './log-text.ts'
import type { Entry, NodeId } from './messages.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'

const NOTHING: readonly Entry[] = []

/** Sends `to` the next entries and the commit index, even if there is nothing new to say. */
export function sendAppend(raft: Raft, to: NodeId): void {
  const progress = raft.tracker.must(to)
  if (!progress.isPaused) appendOrSnapshot(raft, to, { progress, skipIfEmpty: false })
}

/** Sends `to` the next entries, as many messages as its window takes, but none that would be empty. */
export function sendPendingAppends(raft: Raft, to: NodeId): void {
  const progress = raft.tracker.must(to)
  // A probe pauses itself and a full window pauses the flow, so this ends.
  while (!progress.isPaused && appendOrSnapshot(raft, to, { progress, skipIfEmpty: true }));
}

/** Sends at most one message to each other member, but none that would be empty. */
export function probeAll(raft: Raft): void {
  for (const id of raft.tracker.ids) {
    const progress = raft.tracker.must(id)
    if (id === raft.id || progress.isPaused) continue
    appendOrSnapshot(raft, id, { progress, skipIfEmpty: true })
  }
}

/** Sends everyone else what they lack, and the commit index. */
export function broadcastAppend(raft: Raft): void {
  for (const id of raft.tracker.ids) if (id !== raft.id) sendAppend(raft, id)
}

/** Sends everyone else a heartbeat that also carries the newest read waiting for a quorum. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.heartbeatContext()
  for (const id of raft.tracker.ids) {
    if (id === raft.id) continue
    const progress = raft.tracker.must(id)
    // A follower whose log does not match so far must not commit entries it may yet have to replace.
    const commit = Math.min(progress.match, raft.raftLog.committed)
    raft.send({ type: 'heartbeat', from: raft.id, to: id, term: raft.term, commit, context })
    progress.sentCommit = commit
  }
}

/** Commits what a quorum holds, if it is of the leader's term. Whether the commit index moved. Raft thesis 3.6.2. */
export function maybeCommit(raft: Raft): boolean {
  return raft.raftLog.maybeCommit({ term: raft.term, index: raft.tracker.committed() })
}

/** Whether this leader committed an entry of its own term, and so knows what is committed (Raft thesis 6.4). */
export function hasCommittedInTerm(raft: Raft): boolean {
  return raft.raftLog.termOrZero(raft.raftLog.committed) === raft.term
}

/**
 * Appends a leader's entries and acknowledges them to itself once they are durable: the leader counts towards the
 * quorum like everyone else, no earlier (Raft thesis 10.2.1).
 */
export function appendOwn(raft: Raft, entries: readonly Entry[]): void {
  raft.raftLog.append(entries)
  raft.sendAfterPersist({
    type: 'app-resp',
    from: raft.id,
    to: raft.id,
    term: raft.term,
    index: raft.raftLog.lastIndex(),
    reject: false,
    hint: ZERO_ID,
  })
}

/** Tells the follower to campaign at once. */
export function sendTimeoutNow(raft: Raft, to: NodeId): void {
  raft.send({ type: 'timeout-now', from: raft.id, to, term: raft.term })
}

/** Whether a message was sent. The follower must not be paused. */
function appendOrSnapshot(
  raft: Raft,
  to: NodeId,
  options: { readonly progress: Progress; readonly skipIfEmpty: boolean },
): boolean {
  const { progress, skipIfEmpty } = options
  const { raftLog } = raft
  const prevIndex = progress.next - 1
  const prevTerm = raftLog.term(prevIndex)
  // What it needs was compacted away.
  if (prevTerm === null) return sendSnapshot(raft, to, progress)

  // With a full window only empty messages leave: if everything in the window was lost, the answer to one of them
  // is what restarts the flow.
  const isThrottled = progress.state === 'replicate' && progress.inflights.full
  const entries = isThrottled ? NOTHING : raftLog.entries(progress.next, raft.messageBytesMax)
  if (skipIfEmpty && (entries === null || entries.length === 0)) return false
  if (entries === null) return sendSnapshot(raft, to, progress)

  const commit = raftLog.committed
  raft.send({
    type: 'app',
    from: raft.id,
    to,
    term: raft.term,
    prev: { term: prevTerm, index: prevIndex },
    entries,
    commit,
  })
  progress.sentEntries(entries.length, payloadBytes(entries))
  progress.sentCommit = commit
  return true
}

function sendSnapshot(raft: Raft, to: NodeId, progress: Progress): boolean {
  const { log, raftLog } = raft
  if (!progress.recentActive) {
    log?.debug(`ignore sending snapshot to ${hex(to)} since it is not recently active`)
    return false
  }
  const snapshot = raftLog.snapshot()
  if (snapshot === null) {
    log?.debug(
      `${hex(raft.id)} failed to send snapshot to ${hex(to)} because snapshot is temporarily unavailable`,
    )
    return false
  }
  assert(snapshot.index > 0, 'a snapshot stands for at least one entry')
  log?.debug(
    `${hex(raft.id)} [firstindex: ${raftLog.firstIndex()}, commit: ${raftLog.committed}] ` +
      `sent snapshot[index: ${snapshot.index}, term: ${snapshot.term}] ` +
      `to ${hex(to)} [${describeProgress(progress)}]`,
  )
  progress.becomeSnapshot(snapshot.index)
  log?.debug(
    `${hex(raft.id)} paused sending replication messages to ${hex(to)} [${describeProgress(progress)}]`,
  )
  raft.send({ type: 'snap', from: raft.id, to, term: raft.term, snapshot })
  return true
}
