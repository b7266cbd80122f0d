import type { NodeId } from './messages.ts'
import { committedIndex, type Acknowledged, type Voters } from './quorum.ts'

/** A read that waits for proof of leadership. */
export type PendingRead = {
  /** Who asked; `NO_NODE` or the leader's own id for a local read. */
  readonly from: NodeId
  readonly context: string
  /** The commit index when the read arrived: what its answer must include. */
  readonly index: number
}

/**
 * Reads waiting for a heartbeat quorum, in order of arrival (Raft thesis 6.4). Every heartbeat carries the number of
 * the newest read, so one round trip confirms all reads before it: a node that acknowledges number n followed this
 * leader after read n arrived. Numbers are unique within a term, and a new term starts over with a new object.
 */
export class ReadIndex implements Acknowledged {
  #waiting: PendingRead[] = []
  /** Reads confirmed and removed so far; read `#confirmed + 1` is the first that waits. */
  #confirmed = 0
  readonly #acknowledged = new Map<NodeId, number>()

  add(read: PendingRead): void {
    this.#waiting.push(read)
  }

  /** What heartbeats carry; empty when nothing waits. */
  heartbeatContext(): string {
    return this.#waiting.length === 0 ? '' : String(this.#confirmed + this.#waiting.length)
  }

  /** Notes that `from` answered a heartbeat with `context`. Late answers change nothing. */
  acknowledge(from: NodeId, context: string): void {
    const number = Number(context)
    if (context === '' || !Number.isSafeInteger(number)) return
    const issued = this.#confirmed + this.#waiting.length
    const before = this.#acknowledged.get(from) ?? 0
    this.#acknowledged.set(from, Math.max(before, Math.min(number, issued)))
  }

  acknowledged(voter: NodeId): number | null {
    return this.#acknowledged.get(voter) ?? null
  }

  /** Removes and returns the reads that a quorum of `voters` now confirms, oldest first. */
  takeConfirmed(voters: Voters): readonly PendingRead[] {
    if (this.#waiting.length === 0) return []
    const confirmed = Math.min(committedIndex(voters, this), this.#confirmed + this.#waiting.length)
    if (confirmed <= this.#confirmed) return []
    const taken = this.#waiting.splice(0, confirmed - this.#confirmed)
    this.#confirmed = confirmed
    return taken
  }
}
